//! Finds out who asks, by what was offered.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::Arc,
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};
use ipnet::IpNet;
use secrecy::{ExposeSecret as _, SecretString};
use uuid::Uuid;

use super::{
    Account, AccountError, Audit, Buckets, Caller, Hash, NewToken, Role,
    remembered::{FRESH, Remembered},
    secret,
};
use crate::{
    config::Auth,
    store::{Store, StoreError},
};

/// What the token of the configuration is called.
pub(super) const CONFIG: &str = "config";
/// How long a browser stays logged in.
pub(crate) const SESSION: Duration = Duration::from_secs(12 * 60 * 60);
/// How often an address may offer what is worth nothing, a minute.
const FAILURES_PER_MINUTE: u32 = 20;

/// Who is let in.
#[derive(Clone, Debug)]
pub struct AccessConfig {
    /// Whether anybody is asked.
    pub auth: Auth,
    /// The token of the configuration, which is an admin's.
    pub admin_token: Option<Hash>,
    /// What a token without a limit of its own may ask for in a minute; none: as much as it likes.
    pub requests_per_minute: Option<u32>,
    /// Names by which browsers may call this server, beside those of this machine itself, where nobody is asked.
    pub hosts: Vec<String>,
    /// The proxies that are believed about whom they speak for.
    pub proxies: Vec<IpNet>,
    /// How long lines of the audit are kept.
    pub audit_age: Duration,
}

/// What came with a request.
#[derive(Clone, Copy, Debug)]
pub enum Offered {
    /// Nothing.
    Nothing,
    /// A token.
    Token(Hash),
    /// A session's cookie.
    Session(Hash),
}

/// Why somebody is not let in.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// Nothing was offered.
    #[error("nobody")]
    Nobody,
    /// What was offered is worth nothing.
    #[error("unknown, expired or revoked")]
    Unknown,
    /// And that too often.
    #[error("too often")]
    TooOften(Duration),
    /// It cannot be looked up.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Knows who may come in.
pub struct Door {
    /// As it is configured.
    pub config: AccessConfig,
    /// What was done.
    pub audit: Audit,
    store: Store,
    tokens: Remembered<Arc<Account>>,
    sessions: Remembered<(Hash, DateTime<Utc>)>,
    requests: Buckets<Hash>,
    failures: Buckets<IpAddr>,
}

impl Door {
    /// Over the tokens of a database.
    #[must_use]
    pub fn new(store: Store, config: AccessConfig) -> Self {
        Self {
            config,
            audit: Audit::new(store.clone()),
            store,
            tokens: Remembered::default(),
            sessions: Remembered::default(),
            requests: Buckets::default(),
            failures: Buckets::default(),
        }
    }

    /// Whether anybody is asked who they are.
    #[must_use]
    pub fn asks(&self) -> bool {
        self.config.auth == Auth::Tokens
    }

    /// Who asks. Who offers nothing is nobody.
    ///
    /// # Errors
    /// When what is offered is worth nothing, or that cannot be found out.
    pub async fn caller(&self, offered: Offered, from: Option<IpAddr>) -> Result<Caller, Refused> {
        if !self.asks() {
            return Ok(Caller::ANYBODY);
        }
        let found = match offered {
            Offered::Nothing => return Ok(Caller::NOBODY),
            Offered::Token(hash) => self.look_up(hash, self.tokens.is_known(&hash), from, self.account(hash)).await?,
            Offered::Session(hash) => {
                self.look_up(hash, self.sessions.is_known(&hash), from, self.account_of_session(hash)).await?
            }
        };
        let session = match offered {
            Offered::Session(hash) => Some(hash),
            _ => None,
        };
        Ok(Caller { role: Some(found.role), account: Some(found), session })
    }

    /// Whether a caller is still worth what it was: for streams, which outlive the question. A database that is away revokes
    /// nothing.
    pub async fn is_still(&self, caller: &Caller) -> bool {
        let found = match (&caller.session, &caller.account) {
            (Some(session), _) => self.account_of_session(*session).await,
            (None, Some(account)) => self.account(account.hash).await,
            (None, None) => return true,
        };
        !matches!(found, Ok(None))
    }

    /// Returns once the caller is no longer worth anything.
    pub async fn until_worthless(&self, caller: &Caller) {
        while self.is_still(caller).await {
            tokio::time::sleep(FRESH).await;
        }
    }

    /// Takes one of the requests that a caller may make. `Err`: how long until it may again.
    ///
    /// # Errors
    /// When it has made them.
    pub fn take_request(&self, caller: &Caller) -> Result<(), Duration> {
        let Some(account) = &caller.account else { return Ok(()) };
        match account.requests_per_minute.or(self.config.requests_per_minute) {
            Some(per_minute) => self.requests.take(account.hash, per_minute, Instant::now()),
            None => Ok(()),
        }
    }

    /// What is worth nothing counts against the address that it comes from. Who offers it too often is not looked up any
    /// more, unless it was let in before: others behind the same proxy are not locked out.
    async fn look_up(
        &self,
        hash: Hash,
        is_known: bool,
        from: Option<IpAddr>,
        found: impl Future<Output = Result<Option<Arc<Account>>, StoreError>>,
    ) -> Result<Arc<Account>, Refused> {
        let (from, now) = (network(from), Instant::now());
        let is_config = Some(hash) == self.config.admin_token;
        if !is_known && !is_config && self.failures.is_empty(&from, now) {
            return self
                .failures
                .take(from, FAILURES_PER_MINUTE, now)
                .map_err(Refused::TooOften)
                .and(Err(Refused::Unknown));
        }
        match found.await? {
            Some(account) => Ok(account),
            None => {
                self.failures.take(from, FAILURES_PER_MINUTE, now).map_err(Refused::TooOften)?;
                Err(Refused::Unknown)
            }
        }
    }

    async fn account(&self, hash: Hash) -> Result<Option<Arc<Account>>, StoreError> {
        let now = Instant::now();
        if Some(hash) == self.config.admin_token {
            let (name, role) = (CONFIG.to_owned(), Role::Admin);
            let account = Account { id: None, name, role, requests_per_minute: None, expires_at: None, hash };
            return Ok(Some(Arc::new(account)));
        }
        if let Some(account) = self.tokens.fresh(&hash, now) {
            return Ok(Some(account).filter(|account| account.expires_at.is_none_or(|at| at > Utc::now())));
        }
        let found = self.store.find_token(&hash).await?.map(Arc::new);
        match &found {
            Some(account) => self.tokens.keep(hash, Arc::clone(account), now),
            None => self.tokens.forget(&hash),
        }
        Ok(found)
    }

    async fn account_of_session(&self, hash: Hash) -> Result<Option<Arc<Account>>, StoreError> {
        let now = Instant::now();
        let found = match self.sessions.fresh(&hash, now) {
            Some(found) => Some(found),
            None => {
                let found = self.store.find_session(&hash).await?;
                if let Some(found) = found {
                    self.sessions.keep(hash, found, now);
                }
                found
            }
        };
        let token = found.filter(|(_, expires_at)| *expires_at > Utc::now()).map(|(token, _)| token);
        let account = match token {
            Some(token) => self.account(token).await?,
            None => None,
        };
        if account.is_none() {
            self.sessions.forget(&hash);
        }
        Ok(account)
    }

    /// Opens a session for a caller that came by a token. What its cookie holds.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn open_session(&self, account: &Account) -> Result<SecretString, AccountError> {
        let cookie = secret::cookie()?;
        self.store.insert_session(&Hash::of(cookie.expose_secret()), &account.hash, SESSION).await?;
        Ok(cookie)
    }

    /// Ends a session.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn end_session(&self, session: &Hash) -> Result<(), StoreError> {
        self.store.delete_session(session).await?;
        self.sessions.forget(session);
        Ok(())
    }

    /// Makes a token. Its id, and its secret, which nobody is told again.
    ///
    /// # Errors
    /// When another one has its name, it would be worth nothing, or the database is away.
    pub async fn create_token(&self, new: &NewToken, by: &str) -> Result<(Uuid, SecretString), AccountError> {
        if let Some(expires_at) = new.expires_at.filter(|at| *at <= Utc::now()) {
            return Err(AccountError::Expired(expires_at));
        }
        let (id, secret) = (Uuid::now_v7(), secret::token()?);
        if !self.store.insert_token(id, new, &Hash::of(secret.expose_secret()), by).await? {
            return Err(AccountError::NameTaken(new.name.clone()));
        }
        tracing::info!(token.id = %id, token.name = %new.name, role = %new.role, by, "a token was made");
        Ok((id, secret))
    }

    /// Revokes a token and ends its sessions, here at once, at the other replicas within seconds. Its name.
    ///
    /// # Errors
    /// When there is none, or the database is away. Asking twice is no error.
    pub async fn revoke_token(&self, id: Uuid) -> Result<String, AccountError> {
        let name = self.store.revoke_token(id).await?.ok_or(AccountError::Unknown(id))?;
        self.tokens.forget_all();
        self.sessions.forget_all();
        tracing::info!(token.id = %id, token.name = %name, "a token was revoked");
        Ok(name)
    }
}

/// Whose failures are counted together: an IPv6 address is one of as many as somebody likes.
fn network(address: Option<IpAddr>) -> IpAddr {
    match address {
        Some(IpAddr::V6(address)) => match address.to_ipv4_mapped() {
            Some(address) => IpAddr::V4(address),
            None => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
        },
        Some(address) => address,
        None => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_network_of_ipv6_counts_as_one_address() {
        let network = |text: &str| network(Some(text.parse().unwrap())).to_string();
        assert_eq!(network("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(network("::ffff:192.0.2.7"), "192.0.2.7");
        assert_eq!(network("192.0.2.7"), "192.0.2.7");
    }
}
