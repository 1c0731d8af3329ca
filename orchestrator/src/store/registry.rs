//! The definitions that this process knows: every version a run may need, and the current one of each name.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, PoisonError, RwLock},
};

use deadpool_postgres::GenericClient;
use drover_engine::{Catalog, definition::Definition};
use drover_protocol::JobType;
use jsonschema::Validator;
use serde_json::Value;

use super::{Store, StoreError, schedules, statements as sql};

/// Definitions by hash and by name. A version never changes, so what was read once is kept.
#[derive(Debug, Default)]
pub struct Registry {
    versions: RwLock<HashMap<String, Arc<Definition>>>,
    current: RwLock<HashMap<String, String>>,
    /// By the name of a job type.
    validators: RwLock<HashMap<String, Compiled>>,
}

/// A schema, and what it was compiled to; `None`: it is no valid one.
type Compiled = (Value, Option<Arc<Validator>>);

/// What a name stands for.
#[derive(Clone, Debug)]
pub enum Known {
    /// A workflow.
    Workflow(Arc<Definition>),
    /// A type that workers announced, and what checks its parameters; `None`: their schema cannot be used.
    Job(Option<Arc<Validator>>),
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

    /// Checks the parameters of a type; `None` when its schema cannot be used. Compiled once for each schema.
    fn validator(&self, name: &str, schema: Value) -> Option<Arc<Validator>> {
        let validators = self.validators.read().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, known)) = validators.get(name).filter(|(known, _)| *known == schema) {
            return known.clone();
        }
        drop(validators);
        let compiled = jsonschema::validator_for(&schema).ok().map(Arc::new);
        let mut validators = self.validators.write().unwrap_or_else(PoisonError::into_inner);
        validators.insert(name.to_owned(), (schema, compiled.clone()));
        compiled
    }

    fn keep(&self, definition: Arc<Definition>) {
        let mut versions = self.versions.write().unwrap_or_else(PoisonError::into_inner);
        versions.insert(definition.hash.clone(), definition);
    }

    /// Reads the versions that are not known yet.
    pub(super) async fn ensure(
        &self,
        client: &impl GenericClient,
        hashes: &BTreeSet<String>,
    ) -> Result<(), StoreError> {
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
        registry.ensure(&client, &current.values().cloned().collect()).await?;
        *registry.current.write().unwrap_or_else(PoisonError::into_inner) = current;
        Ok(())
    }

    /// What these names stand for, as the database says now. A name that nobody knows is left out.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn known_types(
        &self,
        registry: &Registry,
        names: &BTreeSet<JobType>,
    ) -> Result<HashMap<String, Known>, StoreError> {
        let client = self.client().await?;
        let statement = client.prepare_cached(sql::KNOWN_TYPES).await?;
        let asked: Vec<&str> = names.iter().map(JobType::as_str).collect();
        let rows = client.query(&statement, &[&asked]).await?;
        let hashes: Vec<Option<String>> = rows.iter().map(|row| row.try_get(1)).collect::<Result<_, _>>()?;
        registry.ensure(&client, &hashes.iter().flatten().cloned().collect()).await?;
        let mut known = HashMap::new();
        for (row, hash) in rows.iter().zip(hashes) {
            let name: String = row.try_get(0)?;
            let definition = hash.and_then(|hash| registry.by_hash(&hash, &[]));
            let schema: Option<Value> = row.try_get(2)?;
            let of_workers = || schema.map(|schema| Known::Job(registry.validator(&name, schema)));
            if let Some(found) = definition.map(Known::Workflow).or_else(of_workers) {
                known.insert(name, found);
            }
        }
        Ok(known)
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
        schedules::define(&tx, &name, definition.schedule.as_ref()).await?;
        tx.commit().await?;
        Ok(changed)
    }
}
