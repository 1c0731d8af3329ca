//! One layer: where its values come from, stamped on each of them.

use std::{collections::HashMap, fs, path::Path};

use config::{Config, ConfigError as Error, Environment, File, FileFormat, Map, Source, Value, ValueKind};

use super::ConfigError;

/// What the built-in defaults are called in errors.
pub(super) const DEFAULTS: &str = "the built-in defaults";
const PREFIX: &str = "DROVER";
const SEPARATOR: &str = "__";

/// The variable that sets a key.
pub(super) fn variable(key: &str) -> String {
    format!("{PREFIX}{SEPARATOR}{}", key.replace('.', SEPARATOR).to_uppercase())
}

/// Whether the variable sets a key.
pub(super) fn is_key(variable: &str) -> bool {
    let prefix = format!("{PREFIX}{SEPARATOR}");
    variable.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(&prefix))
}

/// A tree of values that know where they were set.
#[derive(Clone, Debug)]
pub(super) struct Layer {
    name: String,
    values: Map<String, Value>,
}

pub(super) fn file(path: &Path) -> Result<Layer, ConfigError> {
    let text = fs::read_to_string(path)
        .map_err(|error| ConfigError::File { path: path.display().to_string(), reason: error.to_string() })?;
    toml(&path.display().to_string(), &text)
}

pub(super) fn toml(name: &str, text: &str) -> Result<Layer, ConfigError> {
    let tree = tree(File::from_str(text, FileFormat::Toml))
        .map_err(|error| ConfigError::Toml { source_name: name.to_owned(), reason: reason(&error, text) })?;
    Ok(Layer { name: name.to_owned(), values: stamp_table(tree, "", &|_| name.to_owned()) })
}

/// What the parser says, without the line that it would quote: a password may stand there.
fn reason(error: &Error, text: &str) -> String {
    let Error::FileParse { cause, .. } = error else { return "it cannot be read".to_owned() };
    let Some(error) = cause.downcast_ref::<toml::de::Error>() else { return "it cannot be parsed".to_owned() };
    let before = error.span().and_then(|span| text.get(..span.start));
    before.map_or_else(
        || error.message().to_owned(),
        |before| {
            let line = before.matches('\n').count() + 1;
            let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
            format!("line {line}, column {column}: {}", error.message())
        },
    )
}

pub(super) fn environment(variables: HashMap<String, String>) -> Result<Layer, ConfigError> {
    // No `try_parsing`: it would turn the password `00123` into the number 123. Numbers are read where a number is due.
    let source = Environment::with_prefix(PREFIX)
        .prefix_separator(SEPARATOR)
        .separator(SEPARATOR)
        .source(Some(variables.into_iter().collect()));
    let tree = tree(source).map_err(|error| ConfigError::Layer { reason: format!("the environment: {error}") })?;
    let values = stamp_table(tree, "", &|key| format!("the environment ({})", variable(key)));
    Ok(Layer { name: "the environment".into(), values })
}

fn tree(source: impl Source + Send + Sync + 'static) -> Result<Map<String, Value>, Error> {
    match Config::builder().add_source(source).build()?.cache.kind {
        ValueKind::Table(table) => Ok(table),
        _ => Ok(Map::new()),
    }
}

fn stamp_table(table: Map<String, Value>, path: &str, name: &dyn Fn(&str) -> String) -> Map<String, Value> {
    let stamp = |(key, value): (String, Value)| {
        let path = join(path, &key);
        (key, stamp(value, &path, name))
    };
    table.into_iter().map(stamp).collect()
}

fn stamp(value: Value, path: &str, name: &dyn Fn(&str) -> String) -> Value {
    let kind = match value.kind {
        ValueKind::Table(table) => ValueKind::Table(stamp_table(table, path, name)),
        ValueKind::Array(values) => {
            ValueKind::Array(values.into_iter().map(|value| stamp(value, path, name)).collect())
        }
        kind => kind,
    };
    Value::new(Some(&name(path)), kind)
}

/// The path of `key` below `path`.
pub(super) fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

impl Layer {
    pub(super) fn drop_sections(&mut self, sections: &[String]) {
        self.values.retain(|section, _| !sections.contains(section));
    }

    /// Puts the content of the file that `key_file` names in the place of `key`, for each secret key.
    pub(super) fn read_secrets(&mut self, keys: &[&str]) -> Result<(), ConfigError> {
        keys.iter().try_for_each(|key| self.read_secret(key))
    }

    fn read_secret(&mut self, key: &str) -> Result<(), ConfigError> {
        let (parents, name) = key.rsplit_once('.').unwrap_or(("", key));
        let Some(table) = table_at(&mut self.values, parents) else { return Ok(()) };
        let Some(path) = table.remove(&format!("{name}_file")) else { return Ok(()) };
        let source_name = path.origin().unwrap_or(&self.name).to_owned();
        if table.contains_key(name) {
            return Err(ConfigError::SecretTwice { key: key.into(), source_name: self.name.clone() });
        }
        let origin = format!("the file that `{key}_file` names in {source_name}");
        let path = path.into_string().unwrap_or_default();
        let secret = fs::read_to_string(&path).map_err(|error| ConfigError::SecretFile {
            key: key.into(),
            path,
            source_name,
            reason: error.to_string(),
        })?;
        // Editors and `echo` end a file with a newline that is no part of the secret.
        let secret = secret.trim_end_matches(['\r', '\n']).to_owned();
        table.insert(name.to_owned(), Value::new(Some(&origin), ValueKind::String(secret)));
        Ok(())
    }
}

fn table_at<'t>(root: &'t mut Map<String, Value>, path: &str) -> Option<&'t mut Map<String, Value>> {
    path.split('.').filter(|name| !name.is_empty()).try_fold(root, |table, name| match &mut table.get_mut(name)?.kind {
        ValueKind::Table(table) => Some(table),
        _ => None,
    })
}

impl Source for Layer {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, Error> {
        Ok(self.values.clone())
    }
}
