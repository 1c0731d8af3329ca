//! Accounts: who asks, and what that one may do. The HTTP side is `http/gate.rs`.

mod account;
mod audit;
mod buckets;
mod caller;
mod door;
mod remembered;
mod rights;
mod secret;

pub use {
    account::{Account, AccountError, NewToken, TokenName},
    audit::{Audit, Line},
    caller::Caller,
    door::{AccessConfig, Door, Offered, Refused},
    rights::{Action, Role},
    secret::Hash,
};
pub(crate) use {
    buckets::Buckets,
    caller::{as_caller, caller, may},
    door::SESSION,
};
