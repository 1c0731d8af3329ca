//! What can be wrong with a configuration.

/// The configuration cannot be used. Each text names what to change, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration file {path}: {reason}")]
    File {
        /// Which.
        path: String,
        /// Why.
        reason: String,
    },
    /// A layer is not TOML.
    #[error("{source_name} is not valid TOML: {reason}")]
    Toml {
        /// The file, or the built-in defaults.
        source_name: String,
        /// The parser's words, with line and column.
        reason: String,
    },
    /// A variable of the environment has a name that stands for no key.
    #[error("the configuration's layers do not fit together: {reason}")]
    Layer {
        /// What is wrong.
        reason: String,
    },
    /// A variable of the environment is no text.
    #[error("the value of {variable} in the environment is no UTF-8")]
    NoText {
        /// Which. Its value is not shown: it may be a secret.
        variable: String,
    },
    /// No such key.
    #[error("unknown key `{key}` in {source_name}; known here: {known}")]
    UnknownKey {
        /// The key.
        key: String,
        /// Where it was set.
        source_name: String,
        /// The keys that would have been understood in its place.
        known: String,
    },
    /// A key without a default was not set.
    #[error("`{key}` is not set; set it in the configuration file or as {variable}")]
    Missing {
        /// The key.
        key: String,
        /// The environment's name for it.
        variable: String,
    },
    /// A value does not fit.
    #[error("`{key}` = {value} in {source_name}: {problem}")]
    Value {
        /// The key.
        key: String,
        /// The value as it was given; hidden when it is a secret.
        value: String,
        /// Where it was set.
        source_name: String,
        /// What is wrong and what would be right.
        problem: String,
    },
    /// A secret is given twice.
    #[error("`{key}` and `{key}_file` are both set in {source_name}; keep one")]
    SecretTwice {
        /// The key.
        key: String,
        /// Where.
        source_name: String,
    },
    /// The file with a secret cannot be read.
    #[error("`{key}_file` = {path:?} in {source_name}: cannot read the secret: {reason}")]
    SecretFile {
        /// The key.
        key: String,
        /// The file.
        path: String,
        /// Where it was set.
        source_name: String,
        /// Why.
        reason: String,
    },
}
