//! The hash of a document: the same for the same content, however it was written down or stored.

use serde_json::Value;
use sha2::{Digest, Sha256};

/// SHA-256 of the canonical JSON, in lower-case hex.
pub(super) fn hash(value: &Value) -> String {
    let mut hasher = Sha256::new();
    write(value, &mut |bytes| hasher.update(bytes));
    hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Canonical JSON: no spaces, keys in the order of their bytes.
fn write(value: &Value, out: &mut impl FnMut(&[u8])) {
    match value {
        Value::Array(values) => {
            out(b"[");
            for (index, value) in values.iter().enumerate() {
                if index > 0 {
                    out(b",");
                }
                write(value, out);
            }
            out(b"]");
        }
        Value::Object(entries) => {
            // serde_json may keep the order of insertion, depending on who else uses it in a build.
            let mut sorted: Vec<_> = entries.iter().collect();
            sorted.sort_by_key(|(key, _)| *key);
            out(b"{");
            for (index, (key, value)) in sorted.into_iter().enumerate() {
                if index > 0 {
                    out(b",");
                }
                out(Value::from(key.as_str()).to_string().as_bytes());
                out(b":");
                write(value, out);
            }
            out(b"}");
        }
        scalar => out(scalar.to_string().as_bytes()),
    }
}
