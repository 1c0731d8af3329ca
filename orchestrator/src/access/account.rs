//! What a token stands for, and what is needed for a new one.

use std::{fmt, str::FromStr};

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{Hash, Role, door::CONFIG};
use crate::store::StoreError;

/// Longest name, in characters.
const NAME_CHARS: usize = 64;

/// A token that was found.
#[derive(Clone, Debug)]
pub struct Account {
    /// Its id; none for the one of the configuration.
    pub id: Option<Uuid>,
    /// Its name.
    pub name: String,
    /// What it may.
    pub role: Role,
    /// Its own limit.
    pub requests_per_minute: Option<u32>,
    /// From then on it is worth nothing.
    pub expires_at: Option<DateTime<Utc>>,
    /// Of its secret.
    pub hash: Hash,
}

/// What a token is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenName(String);

impl TokenName {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TokenName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for TokenName {
    type Err = AccountError;

    fn from_str(text: &str) -> Result<Self, AccountError> {
        let may_stand = |c: char| c.is_ascii_alphanumeric() || "._@-".contains(c);
        let fits = (1..=NAME_CHARS).contains(&text.len()) && text.chars().all(may_stand);
        if fits && text != CONFIG {
            return Ok(Self(text.to_owned()));
        }
        Err(AccountError::Name(text.chars().take(80).collect()))
    }
}

/// A token that is to be made.
#[derive(Clone, Debug)]
pub struct NewToken {
    /// Its name.
    pub name: TokenName,
    /// What it may.
    pub role: Role,
    /// Its own limit.
    pub requests_per_minute: Option<u32>,
    /// From then on it is worth nothing.
    pub expires_at: Option<DateTime<Utc>>,
}

/// Why no token was made or revoked.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// It cannot be called so.
    #[error(
        "{0:?} is no name of a token: it must have 1 to {NAME_CHARS} letters, digits, dots, underscores, hyphens or @, and \
         not be {CONFIG:?}, which is the token of the configuration"
    )]
    Name(String),
    /// Another one is called so.
    #[error("there is a token {0} already; revoke it first, or take another name")]
    NameTaken(TokenName),
    /// It would never be worth anything.
    #[error("the token would be worth nothing: expires_at is {0}, which is past")]
    Expired(DateTime<Utc>),
    /// There is none.
    #[error("there is no token {0}; `drover token list` has all of them")]
    Unknown(Uuid),
    /// The system gives no random numbers.
    #[error("the operating system gives no random numbers")]
    Random,
    /// The database is away, or worse.
    #[error(transparent)]
    Store(#[from] StoreError),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_short_and_plain_and_not_that_of_the_configuration() {
        for good in ["a", "ci.deploy_2-b", "ann@example.org", &"x".repeat(64)] {
            assert!(good.parse::<TokenName>().is_ok(), "{good}");
        }
        for bad in ["", "config", "a b", "a/b", "ä", "a\n", &"x".repeat(65)] {
            assert!(bad.parse::<TokenName>().is_err(), "{bad:?}");
        }
    }
}
