//! Files of the folders that `[files]` names, such as pictures that a worker made. Nothing that is served here runs: what a
//! browser would run has another type, and the rest stands in a sandbox.

use std::{io, os::fd::AsRawFd as _};

use axum::{
    body::Body,
    extract::{Path, Request, State, rejection::PathRejection},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use mime_guess::{Mime, mime};
use tower_http::services::ServeFile;

use super::{Problem, Shared, asked::takes_pages};
use crate::{files, ui};

/// A picture or video that is opened alone is a document, which may load itself and nothing else. `allow-same-origin`, so that
/// it may with the cookie of its session; without `allow-scripts` that is all.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; img-src 'self'; media-src 'self'; style-src 'unsafe-inline'; sandbox allow-same-origin; form-action 'none'; \
     base-uri 'none'; frame-ancestors 'none'",
);
/// A page of pictures that is looked at again within a minute asks for none of them; after that, whether it was changed. No cache
/// that others use may keep it.
const CACHE: HeaderValue = HeaderValue::from_static("private, max-age=60, must-revalidate");

/// `GET /files/{name}/{*path}`
pub(super) async fn serve(
    State(shared): State<Shared>,
    path: Result<Path<(String, String)>, PathRejection>,
    request: Request,
) -> Response {
    let for_people = takes_pages(&request);
    match file(&shared, path, request).await {
        Ok(response) => response,
        Err(problem) if for_people => ui::Failure::from(problem).into_response(),
        Err(problem) => problem.into_response(),
    }
}

async fn file(
    shared: &Shared,
    path: Result<Path<(String, String)>, PathRejection>,
    request: Request,
) -> Result<Response, Problem> {
    let nothing = || Problem::not_found("there is no such file");
    // What is no UTF-8 names no file.
    let Ok(Path((name, path))) = path else { return Err(nothing()) };
    let Some(folder) = shared.app.files.get(&name).cloned() else { return Err(nothing()) };
    let kind = kind(&path);
    let opened = tokio::task::spawn_blocking(move || files::open(&folder, &path)).await.map_err(Problem::internal)?;
    let Some(opened) = opened.or_else(|error| unreadable(&name, error))? else { return Err(nothing()) };
    // What was opened is opened once more by its number, so that it is that and nothing that took its name meanwhile.
    let served = ServeFile::new_with_mime(format!("/dev/fd/{}", opened.as_raw_fd()), &kind).try_call(request).await;
    drop(opened);
    let mut response = served.map_err(Problem::internal)?.map(Body::new);
    if response.status() == StatusCode::NOT_FOUND {
        return Err(nothing());
    }
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, POLICY);
    response.headers_mut().insert(header::CACHE_CONTROL, CACHE);
    Ok(response)
}

/// A file that we may not read is none for whoever asks; whoever runs this finds out why.
fn unreadable<T>(name: &str, error: io::Error) -> Result<Option<T>, Problem> {
    if error.kind() == io::ErrorKind::PermissionDenied {
        tracing::warn!(%error, "a file below files.{name} may not be read");
        return Ok(None);
    }
    Err(Problem::internal(error))
}

/// By its ending, of the types that are looked at. A page, style sheet or script of a folder that workers write into would be
/// one of this address: these are bytes.
fn kind(path: &str) -> Mime {
    let guessed = mime_guess::from_path(path).first_or_octet_stream();
    let is_seen = matches!(guessed.type_().as_str(), "image" | "video" | "audio");
    let is_text = matches!(guessed.essence_str(), "text/plain" | "text/csv" | "text/vtt" | "application/json");
    match guessed.essence_str() {
        _ if is_seen => guessed,
        "text/plain" => mime::TEXT_PLAIN_UTF_8,
        _ if is_text => guessed,
        _ => mime::APPLICATION_OCTET_STREAM,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_run_is_bytes() {
        for (path, expected) in [
            ("7/thumbnail.jpg", "image/jpeg"),
            ("A.JPEG", "image/jpeg"),
            ("a.png", "image/png"),
            ("a.webp", "image/webp"),
            ("a.avif", "image/avif"),
            ("a.gif", "image/gif"),
            ("sprite.vtt", "text/vtt"),
            ("preview.mp4", "video/mp4"),
            ("preview.webm", "video/webm"),
            ("manifest.json", "application/json"),
            ("notes.txt", "text/plain; charset=utf-8"),
        ] {
            assert_eq!(kind(path).as_ref(), expected, "{path}");
        }
        for path in [
            "a.html",
            "a.htm",
            "a.js",
            "a.mjs",
            "a.css",
            "a.xml",
            "a.xhtml",
            "a.pdf",
            "a.wasm",
            "a",
            "a.unknown",
            "a.jpg.html",
        ] {
            assert_eq!(kind(path), mime::APPLICATION_OCTET_STREAM, "{path}");
        }
    }
}
