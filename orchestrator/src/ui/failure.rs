//! What went wrong, as a page.

use axum::response::{IntoResponse, Response};
use maud::html;

use super::page::{Page, Tab};
use crate::http::Problem;

/// A problem that a person reads.
pub(crate) struct Failure(Problem);

impl<E: Into<Problem>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let status = self.0.status();
        let title = status.canonical_reason().unwrap_or("Error");
        let body = html! {
            section.empty role="alert" {
                h1 { (title) }
                p { (self.0.detail()) }
                @for error in self.0.errors() {
                    p.muted { (error["pointer"].as_str().unwrap_or_default()) " " (error["message"].as_str().unwrap_or_default()) }
                }
                p { a href="/" { "To the overview" } " · " a href="/jobs" { "To all jobs" } }
            }
        };
        let mut response = (status, Page::new(title, Tab::None, body)).into_response();
        self.0.head(response.headers_mut());
        response
    }
}
