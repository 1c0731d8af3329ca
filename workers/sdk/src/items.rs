//! Long lists, cut into chunks that fit a message.

use drover_protocol::{limits, message::find_nul};
use serde::Serialize;
use serde_json::{Value, value::RawValue};

use crate::JobFailure;

/// What an `items` event needs around its values: ids, names, punctuation. Generous.
const ENVELOPE_BYTES: usize = 1024;

/// Collects values until a chunk is full.
pub(crate) struct Chunks<'a> {
    name: &'a str,
    values: Vec<Box<RawValue>>,
    bytes: usize,
    limit_bytes: usize,
}

impl<'a> Chunks<'a> {
    pub(crate) fn new(name: &'a str, message_bytes: usize) -> Result<Self, JobFailure> {
        if name.is_empty() || name.len() > limits::NAME_BYTES || name.contains('\0') {
            return Err(invalid(format!(
                "the list's name {name:?} must have 1 to {} bytes and no NUL character",
                limits::NAME_BYTES
            )));
        }
        let limit_bytes = message_bytes.saturating_sub(ENVELOPE_BYTES);
        Ok(Self { name, values: Vec::new(), bytes: 0, limit_bytes })
    }

    /// Adds a value; gives the chunk before it when the value does not fit any more.
    pub(crate) fn push(
        &mut self,
        index: usize,
        value: &impl Serialize,
    ) -> Result<Option<Vec<Box<RawValue>>>, JobFailure> {
        let value = self.serialize(index, value)?;
        let bytes = value.get().len() + 1;
        let full = self.values.len() == limits::ITEMS_PER_EVENT || self.bytes + bytes > self.limit_bytes;
        let chunk = if full { self.finish() } else { None };
        self.bytes += bytes;
        self.values.push(value);
        Ok(chunk)
    }

    /// The last chunk, if there is something in it.
    pub(crate) fn finish(&mut self) -> Option<Vec<Box<RawValue>>> {
        self.bytes = 0;
        let chunk = std::mem::take(&mut self.values);
        (!chunk.is_empty()).then_some(chunk)
    }

    fn serialize(&self, index: usize, value: &impl Serialize) -> Result<Box<RawValue>, JobFailure> {
        let at = || format!("items of {:?}, value {index}", self.name);
        let value = serde_json::value::to_raw_value(value).map_err(|error| invalid(format!("{}: {error}", at())))?;
        let text = value.get();
        if text.len() + 1 > self.limit_bytes {
            let (size, limit) = (text.len(), self.limit_bytes);
            return Err(invalid(format!("{} has {size} bytes of JSON; the limit is {limit}", at())));
        }
        // Only an escape can stand for NUL, so most values are cleared by one search.
        if text.contains("\\u0000")
            && let Ok(parsed) = serde_json::from_str::<Value>(text)
            && let Some(path) = find_nul(&parsed, "")
        {
            return Err(invalid(format!("{}: {path} holds a NUL character, which cannot be stored", at())));
        }
        Ok(value)
    }
}

fn invalid(message: String) -> JobFailure {
    JobFailure::permanent("invalid_items", message)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn chunks_of(count: usize, message_bytes: usize) -> Vec<usize> {
        let mut chunks = Chunks::new("rows", message_bytes).unwrap();
        let mut sizes: Vec<usize> = (0..count)
            .filter_map(|index| chunks.push(index, &"0123456789").unwrap())
            .map(|chunk| chunk.len())
            .collect();
        sizes.extend(chunks.finish().map(|chunk| chunk.len()));
        sizes
    }

    #[test]
    fn a_chunk_ends_at_its_bytes_and_at_its_count() {
        assert_eq!(chunks_of(0, 2_000), Vec::<usize>::new());
        // 12 bytes of JSON and a comma each; 130 bytes beside the envelope.
        assert_eq!(chunks_of(25, ENVELOPE_BYTES + 130), [10, 10, 5]);
        assert_eq!(chunks_of(limits::ITEMS_PER_EVENT + 1, 10_000_000), [limits::ITEMS_PER_EVENT, 1]);
    }

    #[test]
    fn what_cannot_be_sent_is_named() {
        let text = |result: Result<_, JobFailure>| match result.map(|_: Option<_>| ()).unwrap_err() {
            JobFailure::Failed { error, .. } => {
                assert!(!error.retryable);
                error.to_string()
            }
            other => format!("{other:?}"),
        };
        let mut chunks = Chunks::new("rows", ENVELOPE_BYTES + 20).unwrap();
        assert_eq!(
            text(chunks.push(3, &"x".repeat(50))),
            "invalid_items: items of \"rows\", value 3 has 52 bytes of JSON; the limit is 20"
        );
        let mut chunks = Chunks::new("rows", 10_000).unwrap();
        assert_eq!(
            text(chunks.push(4, &serde_json::json!({"name": "a\0"}))),
            "invalid_items: items of \"rows\", value 4: /name holds a NUL character, which cannot be stored"
        );
        assert!(chunks.push(5, &"a backslash before u0000: \\u0000").is_ok(), "an escaped backslash is no NUL");
        assert!(Chunks::new("", 10_000).is_err());
    }
}
