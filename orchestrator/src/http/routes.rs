//! Routes, each with the action that it is: none can be made without one.

use std::collections::HashMap;

use axum::{
    Router,
    handler::Handler,
    http::Method,
    routing::{self, MethodRouter},
};
use utoipa::openapi::OpenApi;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};

use super::Shared;
use crate::access::Action;

/// Which action a request is, by its method and the pattern of its path.
#[derive(Debug, Default)]
pub(crate) struct Rights(HashMap<(Method, String), Action>);

impl Rights {
    /// None: no handler was registered for it. `HEAD` is a `GET` without a body.
    pub(crate) fn of(&self, method: &Method, pattern: &str) -> Option<Action> {
        let method = if *method == Method::HEAD { Method::GET } else { method.clone() };
        self.0.get(&(method, pattern.to_owned())).copied()
    }

    #[cfg(test)]
    pub(crate) fn all(&self) -> impl Iterator<Item = (&Method, &str, Action)> {
        self.0.iter().map(|((method, pattern), action)| (method, pattern.as_str(), *action))
    }
}

/// Routes that are being collected.
pub(crate) struct Routes {
    router: OpenApiRouter<Shared>,
    rights: Rights,
}

impl Routes {
    /// None yet, described by this document.
    pub(crate) fn new(document: OpenApi) -> Self {
        Self { router: OpenApiRouter::with_openapi(document), rights: Rights::default() }
    }

    /// A handler of the API, which is described.
    pub(crate) fn api(mut self, action: Action, routes: UtoipaMethodRouter<Shared>) -> Self {
        for (path, item) in &routes.1.paths {
            let methods = [
                (Method::GET, item.get.is_some()),
                (Method::POST, item.post.is_some()),
                (Method::PUT, item.put.is_some()),
                (Method::DELETE, item.delete.is_some()),
            ];
            for (method, _) in methods.into_iter().filter(|(_, is_there)| *is_there) {
                self.rights.0.insert((method, path.clone()), action);
            }
        }
        Self { router: self.router.routes(routes), ..self }
    }

    /// What is read at an address, without a description.
    pub(crate) fn get<H, T>(self, path: &str, action: Action, handler: H) -> Self
    where
        H: Handler<T, Shared>,
        T: 'static,
    {
        self.add(Method::GET, path, action, routing::get(handler))
    }

    /// What is done at an address, without a description.
    pub(crate) fn post<H, T>(self, path: &str, action: Action, handler: H) -> Self
    where
        H: Handler<T, Shared>,
        T: 'static,
    {
        self.add(Method::POST, path, action, routing::post(handler))
    }

    fn add(mut self, method: Method, path: &str, action: Action, handler: MethodRouter<Shared>) -> Self {
        self.rights.0.insert((method, path.to_owned()), action);
        Self { router: self.router.route(path, handler), ..self }
    }

    /// The router, its description, and what each of its routes is.
    pub(crate) fn finish(self) -> (Router<Shared>, OpenApi, Rights) {
        let (router, document) = self.router.split_for_parts();
        (router, document, self.rights)
    }
}
