//! Tokens, sessions and the audit.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::Value;
use tokio_postgres::types::Type;
use uuid::Uuid;

use super::{Store, StoreError, rows::seconds, statements as sql};
use crate::access::{Account, Hash, Line, NewToken};

/// Which lines of the audit are meant.
#[derive(Clone, Debug, Default)]
pub struct AuditFilter {
    /// Only of the token of this name.
    pub token_name: Option<String>,
    /// Only of this action.
    pub action: Option<String>,
    /// Only of what was done to this.
    pub target: Option<String>,
}

impl Store {
    /// Keeps a new token. Whether none that is worth something has its name.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn insert_token(&self, id: Uuid, new: &NewToken, hash: &Hash, by: &str) -> Result<bool, StoreError> {
        let client = self.client().await?;
        let statement = client.prepare_cached(sql::INSERT_TOKEN).await?;
        // The column has the range of a signed number, the API's own limit lies below it.
        let limit = new.requests_per_minute.map(|limit| i32::try_from(limit).unwrap_or(i32::MAX));
        let (name, role) = (new.name.as_str(), new.role.as_str());
        let made =
            client.execute(&statement, &[&id, &name, &role, &hash.as_bytes(), &limit, &by, &new.expires_at]).await?;
        Ok(made > 0)
    }

    /// The token of a hash, if it is worth anything.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn find_token(&self, hash: &Hash) -> Result<Option<Account>, StoreError> {
        let rows = self.rows(sql::FIND_TOKEN, &[&hash.as_bytes()]).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        let (id, name): (Uuid, String) = (row.try_get(0)?, row.try_get(1)?);
        let role: String = row.try_get(2)?;
        let role = role.parse().map_err(|error| StoreError::corrupt(format!("token {id}"), error))?;
        let requests_per_minute = row.try_get::<_, Option<i32>>(3)?.and_then(|limit| u32::try_from(limit).ok());
        let expires_at = row.try_get(4)?;
        Ok(Some(Account { id: Some(id), name, role, requests_per_minute, expires_at, hash: *hash }))
    }

    /// Whether any token is worth something.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn any_token(&self) -> Result<bool, StoreError> {
        Ok(self.client().await?.query_one(sql::ANY_TOKEN, &[]).await?.try_get(0)?)
    }

    /// Revokes a token and ends its sessions. Its name, if there is one.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn revoke_token(&self, id: Uuid) -> Result<Option<String>, StoreError> {
        Ok(self.rows(sql::REVOKE_TOKEN, &[&id]).await?.first().map(|row| row.try_get(0)).transpose()?)
    }

    /// Up to `limit` tokens, those that are worth something first.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn view_tokens(&self, limit: i64) -> Result<Vec<Value>, StoreError> {
        self.values(sql::VIEW_TOKENS, &[&limit]).await
    }

    /// Opens a session for a token.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn insert_session(&self, hash: &Hash, token: &Hash, lasts: Duration) -> Result<(), StoreError> {
        self.rows(sql::INSERT_SESSION, &[&hash.as_bytes(), &token.as_bytes(), &seconds(lasts)]).await?;
        Ok(())
    }

    /// The token of a session that has not expired, and when it does.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn find_session(&self, hash: &Hash) -> Result<Option<(Hash, DateTime<Utc>)>, StoreError> {
        let rows = self.rows(sql::FIND_SESSION, &[&hash.as_bytes()]).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        let token = Hash::read(row.try_get(0)?).ok_or_else(|| StoreError::corrupt("session", "no hash of a token"))?;
        Ok(Some((token, row.try_get(1)?)))
    }

    /// Ends a session.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn delete_session(&self, hash: &Hash) -> Result<(), StoreError> {
        self.rows(sql::DELETE_SESSION, &[&hash.as_bytes()]).await?;
        Ok(())
    }

    /// Forgets up to `limit` sessions that have expired.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn delete_old_sessions(&self, limit: i64) -> Result<(), StoreError> {
        self.rows(sql::DELETE_OLD_SESSIONS, &[&limit]).await?;
        Ok(())
    }

    /// Keeps lines of the audit.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn insert_audit(&self, lines: &[Line]) -> Result<(), StoreError> {
        let client = self.client().await?;
        let statement = client.prepare_cached(sql::INSERT_AUDIT).await?;
        client
            .execute(
                &statement,
                &[
                    &lines.iter().map(|line| line.token_id).collect::<Vec<_>>(),
                    &lines.iter().map(|line| line.token_name.as_deref()).collect::<Vec<_>>(),
                    &lines.iter().map(|line| line.role).collect::<Vec<_>>(),
                    &lines.iter().map(|line| line.action).collect::<Vec<_>>(),
                    &lines.iter().map(|line| line.target.as_deref()).collect::<Vec<_>>(),
                    &lines.iter().map(|line| line.status).collect::<Vec<_>>(),
                    &lines.iter().map(|line| line.address.as_deref()).collect::<Vec<_>>(),
                    &lines.iter().map(|line| line.detail.as_ref()).collect::<Vec<_>>(),
                ],
            )
            .await?;
        Ok(())
    }

    /// A page of the audit, newest first.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn view_audit(
        &self,
        filter: &AuditFilter,
        before: Option<i64>,
        limit: i64,
    ) -> Result<Vec<(i64, Value)>, StoreError> {
        let rows = self
            .planned(
                sql::VIEW_AUDIT,
                &[
                    (&before.unwrap_or(i64::MAX), Type::INT8),
                    (&filter.token_name, Type::TEXT),
                    (&filter.action, Type::TEXT),
                    (&filter.target, Type::TEXT),
                    (&limit, Type::INT8),
                ],
            )
            .await?;
        rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
    }

    /// Deletes up to `limit` lines of the audit that are older. How many there were.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn delete_old_audit(&self, age: Duration, limit: i64) -> Result<u64, StoreError> {
        let client = self.client().await?;
        let statement = client.prepare_cached(sql::DELETE_OLD_AUDIT).await?;
        Ok(client.execute(&statement, &[&seconds(age), &limit]).await?)
    }
}
