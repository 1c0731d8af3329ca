//! The line of the audit that a request leaves. What only its handler knows goes with the answer, as [`Told`].

use std::sync::Arc;

use axum::{http::StatusCode, response::Response};
use serde_json::Value;

use super::asked::Asked;
use crate::access::{Account, Action, Caller, Line};

/// What a handler tells of what it did; it is no part of the answer. The answer that it is given to keeps it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Told {
    /// Who it was, where only the handler found that out.
    pub(crate) account: Option<Arc<Account>>,
    /// What it was done to.
    pub(crate) target: Option<String>,
    /// More about it.
    pub(crate) detail: Option<Value>,
}

impl Told {
    /// What it was done to.
    pub(crate) fn of(target: impl ToString) -> Self {
        Self { target: Some(target.to_string()), ..Self::default() }
    }

    /// More about it.
    pub(crate) fn with(self, detail: Value) -> Self {
        Self { detail: Some(detail), ..self }
    }

    /// Puts it to the answer.
    pub(crate) fn to(self, mut response: Response) -> Response {
        response.extensions_mut().insert(self);
        response
    }
}

/// The line of what was answered. What was no action, and what came too often, has none; nor has what somebody unknown asks for,
/// but for the tokens that are tried, which are counted: else whoever reaches the port could fill the audit.
pub(super) fn line(caller: &Caller, asked: Asked, response: &Response) -> Option<Line> {
    // Where nothing is, there is nothing but reading.
    let action = asked.action.filter(|action| *action != Action::Read)?;
    let status = response.status();
    if status == StatusCode::TOO_MANY_REQUESTS {
        return None;
    }
    let told = response.extensions().get::<Told>().cloned().unwrap_or_default();
    let account = told.account.as_ref().or(caller.account.as_ref());
    if account.is_none() && !(action == Action::LogIn && status == StatusCode::UNAUTHORIZED) {
        return None;
    }
    Some(Line {
        token_id: account.and_then(|account| account.id),
        token_name: account.map(|account| account.name.clone()),
        role: account.map(|account| account.role.as_str()),
        action: action.as_str(),
        target: told.target.or(asked.target),
        status: status.as_u16().into(),
        address: asked.from.map(|address| address.to_string()),
        detail: told.detail.or(asked.detail),
    })
}
