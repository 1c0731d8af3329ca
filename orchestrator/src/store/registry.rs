//! The definitions that this process knows: every version a run may need, and the current one of each name.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, PoisonError, RwLock},
};

use deadpool_postgres::{GenericClient, Transaction};
use drover_engine::{Catalog, definition::Definition};
use drover_protocol::JobType;
use serde_json::Value;

use super::{Store, StoreError, statements as sql};

/// Definitions by hash and by name. A version never changes, so what was read once is kept.
#[derive(Debug, Default)]
pub struct Registry {
    versions: RwLock<HashMap<String, Arc<Definition>>>,
    current: RwLock<HashMap<String, String>>,
}

impl Catalog for Registry {
    fn current(&self, name: &JobType) -> Option<Arc<Definition>> {
        let hash = self.current.read().unwrap_or_else(PoisonError::into_inner).get(name.as_str()).cloned()?;
        self.by_hash(&hash, &[])
    }
}

impl Registry {
    /// A version, or a chain nested in it.
    pub fn by_hash(&self, hash: &str, path: &[String]) -> Option<Arc<Definition>> {
        let versions = self.versions.read().unwrap_or_else(PoisonError::into_inner);
        let whole = versions.get(hash)?;
        if path.is_empty() { Some(Arc::clone(whole)) } else { whole.nested(path) }
    }

    fn keep(&self, definition: Arc<Definition>) {
        let mut versions = self.versions.write().unwrap_or_else(PoisonError::into_inner);
        versions.insert(definition.hash.clone(), definition);
    }

    /// Reads the versions that are not known yet.
    pub(super) async fn ensure(&self, tx: &Transaction<'_>, hashes: &BTreeSet<String>) -> Result<(), StoreError> {
        self.ensure_with(tx, hashes).await
    }

    async fn ensure_with(&self, client: &impl GenericClient, hashes: &BTreeSet<String>) -> Result<(), StoreError> {
        let missing: Vec<&String> = hashes.iter().filter(|hash| self.by_hash(hash, &[]).is_none()).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let statement = client.prepare_cached(sql::DEFINITIONS_BY_HASH).await?;
        for row in client.query(&statement, &[&missing]).await? {
            let hash: String = row.try_get(0)?;
            let document: Value = row.try_get(1)?;
            let definition = Definition::from_json(&hash, &document)
                .map_err(|error| StoreError::corrupt(format!("definition {hash}"), error))?;
            self.keep(Arc::new(definition));
        }
        Ok(())
    }
}

impl Store {
    /// Brings the registry's idea of what is current up to date.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn refresh(&self, registry: &Registry) -> Result<(), StoreError> {
        let client = self.client().await?;
        let statement = client.prepare_cached(sql::CURRENT_DEFINITIONS).await?;
        let rows = client.query(&statement, &[]).await?;
        let current: HashMap<String, String> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
        registry.ensure_with(&client, &current.values().cloned().collect()).await?;
        *registry.current.write().unwrap_or_else(PoisonError::into_inner) = current;
        Ok(())
    }

    /// The current definition of a name, as the database says now.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn current_definition(
        &self,
        registry: &Registry,
        name: &JobType,
    ) -> Result<Option<Arc<Definition>>, StoreError> {
        let client = self.client().await?;
        let statement = client.prepare_cached(sql::CURRENT_DEFINITION).await?;
        let Some(row) = client.query_opt(&statement, &[&name.as_str()]).await? else { return Ok(None) };
        let hash: String = row.try_get(0)?;
        registry.ensure_with(&client, &BTreeSet::from([hash.clone()])).await?;
        Ok(registry.by_hash(&hash, &[]))
    }

    /// Registers a definition and makes it the current one of its name. Whether that changed anything.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn apply_definition(&self, definition: Definition, source: &str) -> Result<bool, StoreError> {
        let mut client = self.client().await?;
        let tx = client.transaction().await?;
        let insert = tx.prepare_cached(sql::INSERT_DEFINITION).await?;
        let (hash, name) = (definition.hash.clone(), definition.name.to_string());
        tx.execute(&insert, &[&hash, &name, &definition.title, definition.to_json(), &source]).await?;
        let set = tx.prepare_cached(sql::SET_CURRENT_DEFINITION).await?;
        let changed = tx.execute(&set, &[&name, &hash]).await? > 0;
        tx.commit().await?;
        Ok(changed)
    }

    /// The parameters' schema that workers announced for a type; `None` when no worker ever did.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn job_type_schema(&self, name: &JobType) -> Result<Option<Value>, StoreError> {
        let client = self.client().await?;
        let statement = client.prepare_cached(sql::JOB_TYPE_SCHEMA).await?;
        Ok(client.query_opt(&statement, &[&name.as_str()]).await?.map(|row| row.get(0)))
    }
}
