//! The environment of a process, which may hold anything, as texts.

use std::{collections::HashMap, ffi::OsString};

use super::{ConfigError, FILE_VARIABLE, layer};

/// The variables that are texts. One that is none is an error where it is ours; those of others are nobody's business here.
pub(super) fn texts(
    variables: impl Iterator<Item = (OsString, OsString)>,
) -> Result<HashMap<String, String>, ConfigError> {
    let mut texts = HashMap::new();
    for (name, value) in variables {
        let Ok(variable) = name.into_string() else { continue };
        match value.into_string() {
            Ok(value) => _ = texts.insert(variable, value),
            Err(_) if variable == FILE_VARIABLE || layer::is_key(&variable) => {
                return Err(ConfigError::NoText { variable });
            }
            Err(_) => {}
        }
    }
    Ok(texts)
}
