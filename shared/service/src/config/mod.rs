//! Configuration in layers: built-in defaults, a file, the environment; one typed struct out.
//!
//! Later layers win. The file is TOML; the environment's `DROVER__SECTION__KEY` is the file's `section.key`. A secret
//! `key` may be given as `key_file`, the path of a file that holds it. Whatever is wrong is refused at the start with
//! the key, the value and where it was set.

mod de;
mod environment;
mod error;
mod layer;
mod validate;

use std::{
    collections::HashMap,
    env,
    path::{Path, PathBuf},
};

use config::{Config, Value, ValueKind};
use serde::de::DeserializeOwned;

pub use error::ConfigError;
pub use validate::{Invalid, Validate, above_zero, in_range};

/// Names the configuration file, unless the command line does.
pub const FILE_VARIABLE: &str = "DROVER_CONFIG";

/// Every section that some Drover process reads. One file may configure all of them, so a process passes over the
/// sections of the others, and a section that is none of these is an error.
pub const SECTIONS: &[&str] =
    &["amqp", "database", "files", "http", "log", "logs", "orchestrator", "retention", "telemetry", "worker"];

/// Loads a configuration.
#[derive(Clone, Debug)]
pub struct Loader<'a> {
    defaults: &'a str,
    file: Option<PathBuf>,
    secrets: &'a [&'a str],
    passed_over: Vec<String>,
    environment: Option<HashMap<String, String>>,
}

impl<'a> Loader<'a> {
    /// Begins with the built-in defaults, a TOML text.
    #[must_use]
    pub const fn new(defaults: &'a str) -> Self {
        Self { defaults, file: None, secrets: &[], passed_over: Vec::new(), environment: None }
    }

    /// The file to read; without one, the file that `DROVER_CONFIG` names, if it is set.
    #[must_use]
    pub fn file(mut self, file: Option<&Path>) -> Self {
        self.file = file.map(Path::to_owned);
        self
    }

    /// Keys, as `amqp.url`, whose values are never shown and which may be given as `amqp.url_file`.
    #[must_use]
    pub const fn secrets(mut self, keys: &'a [&'a str]) -> Self {
        self.secrets = keys;
        self
    }

    /// Sections that another process reads: they are not looked at.
    #[must_use]
    pub fn pass_over(mut self, sections: &[&str]) -> Self {
        self.passed_over.extend(sections.iter().map(|section| (*section).to_owned()));
        self
    }

    /// Reads only `sections` and passes over all others of [`SECTIONS`].
    #[must_use]
    pub fn only(self, sections: &[&str]) -> Self {
        let others: Vec<&str> = SECTIONS.iter().copied().filter(|section| !sections.contains(section)).collect();
        self.pass_over(&others)
    }

    /// Uses these variables in place of the process's environment.
    #[must_use]
    pub fn environment(mut self, variables: HashMap<String, String>) -> Self {
        self.environment = Some(variables);
        self
    }

    /// Reads all layers into a `T` and checks it.
    ///
    /// # Errors
    /// The first thing that is wrong, with its key, its value and where it was set.
    pub fn load<T: DeserializeOwned + Validate>(&self) -> Result<T, ConfigError> {
        let merged = self.merge()?;
        let shown = |key: &str| self.is_secret(key).then(|| "(a secret)".to_owned());
        let loaded: T = de::deserialize(&merged, &shown)?;
        loaded.validate().map_err(|invalid| {
            let found = find(&merged, &invalid.key);
            let value = shown(&invalid.key).or_else(|| found.map(de::show)).unwrap_or_else(|| "(not set)".to_owned());
            let source_name = de::source_name(&merged, &invalid.key);
            ConfigError::Value { key: invalid.key, value, source_name, problem: invalid.problem }
        })?;
        Ok(loaded)
    }

    fn is_secret(&self, key: &str) -> bool {
        self.secrets.contains(&key)
    }

    fn merge(&self) -> Result<Value, ConfigError> {
        let variables = match &self.environment {
            Some(variables) => variables.clone(),
            None => environment::texts(env::vars_os())?,
        };
        let mut layers = vec![layer::toml(layer::DEFAULTS, self.defaults)?];
        let named = variables.get(FILE_VARIABLE).filter(|path| !path.is_empty()).map(PathBuf::from);
        if let Some(path) = self.file.clone().or(named) {
            layers.push(layer::file(&path)?);
        }
        layers.push(layer::environment(variables)?);
        let mut builder = Config::builder();
        for mut layer in layers {
            layer.drop_sections(&self.passed_over);
            layer.read_secrets(self.secrets)?;
            builder = builder.add_source(layer);
        }
        Ok(builder.build().map_err(|error| ConfigError::Layer { reason: error.to_string() })?.cache)
    }
}

fn find<'v>(root: &'v Value, key: &str) -> Option<&'v Value> {
    key.split('.').try_fold(root, |value, name| match &value.kind {
        ValueKind::Table(table) => table.get(name),
        _ => None,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests;
