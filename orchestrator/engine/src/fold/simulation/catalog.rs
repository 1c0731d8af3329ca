//! The definitions of a world, found by name and, for rows, by hash and path.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex},
};

use drover_protocol::JobType;
use serde_json::Value;

use crate::{Catalog, definition::Definition};

/// See the module.
#[derive(Debug, Default)]
pub struct Definitions(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    current: BTreeMap<JobType, Arc<Definition>>,
    documents: HashMap<String, Value>,
    /// By hash and path, read back from the stored document.
    stored: HashMap<(String, Vec<String>), Arc<Definition>>,
}

impl Definitions {
    /// Registers a definition, as `drover apply` does.
    pub fn apply(&self, text: &str) {
        let definition = Definition::parse("test.yaml", text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        let mut known = self.0.lock().unwrap();
        known.documents.insert(definition.hash.clone(), definition.to_json().clone());
        known.current.insert(definition.name.clone(), Arc::new(definition));
    }

    /// What a row's hash and path stand for.
    pub fn by_hash(&self, hash: &str, path: &[String]) -> Arc<Definition> {
        let mut known = self.0.lock().unwrap();
        let key = (hash.to_owned(), path.to_vec());
        if let Some(definition) = known.stored.get(&key) {
            return Arc::clone(definition);
        }
        let whole = Definition::from_json("stored", &known.documents[hash]).unwrap();
        let found = if path.is_empty() { Arc::new(whole) } else { whole.nested(path).unwrap() };
        known.stored.insert(key, Arc::clone(&found));
        found
    }
}

impl Catalog for Definitions {
    fn current(&self, name: &JobType) -> Option<Arc<Definition>> {
        self.0.lock().unwrap().current.get(name).map(Arc::clone)
    }
}
