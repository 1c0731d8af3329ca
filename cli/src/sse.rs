//! Reads a stream of server-sent events (`text/event-stream`).

/// Longest line or event, in bytes: a job's last event carries its whole result.
const LIMIT_BYTES: usize = 64 * 1024 * 1024;

/// An event of the stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Event {
    /// Its name; `message` when the stream gives none.
    pub(crate) name: String,
    /// Its lines of data, joined by newlines.
    pub(crate) data: String,
}

/// The stream is not what it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an event of the stream has more than {LIMIT_BYTES} bytes")]
pub(crate) struct TooLong;

/// Cuts bytes into events, however they are split on the way.
#[derive(Debug, Default)]
pub(crate) struct Parser {
    /// The line that is not yet ended.
    line: Vec<u8>,
    /// The last byte was a carriage return: a newline that follows belongs to it.
    after_return: bool,
    name: String,
    data: Option<String>,
}

impl Parser {
    /// Takes the next bytes and gives the events that they complete.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Result<Vec<Event>, TooLong> {
        let mut events = Vec::new();
        for &byte in bytes {
            let ends_return = self.after_return && byte == b'\n';
            self.after_return = byte == b'\r';
            match byte {
                b'\n' if ends_return => {}
                b'\n' | b'\r' => events.extend(self.end_line()),
                _ => self.line.push(byte),
            }
        }
        let held = self.line.len() + self.data.as_ref().map_or(0, String::len);
        if held > LIMIT_BYTES { Err(TooLong) } else { Ok(events) }
    }

    fn end_line(&mut self) -> Option<Event> {
        let line = std::mem::take(&mut self.line);
        let line = String::from_utf8_lossy(&line);
        let line = line.trim_start_matches('\u{feff}');
        if line.is_empty() {
            let name = std::mem::take(&mut self.name);
            let data = self.data.take()?;
            return Some(Event { name: if name.is_empty() { "message".into() } else { name }, data });
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.name),
            "data" => match &mut self.data {
                Some(data) => {
                    data.push('\n');
                    data.push_str(value);
                }
                None => self.data = Some(value.into()),
            },
            // Comments (an empty field), `id` and `retry`: the server sends the whole state on each connection.
            _ => {}
        }
        None
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn event(name: &str, data: &str) -> Event {
        Event { name: name.into(), data: data.into() }
    }

    #[test]
    fn events_are_the_same_however_the_bytes_are_cut() {
        let stream = "\u{feff}: keep-alive\n\nevent: job\nid: 7\ndata: {\"a\":\"ü\"}\n\nevent:end\r\ndata:x\r\ndata: y\r\n\r\n\
                      data\n\nretry: 10\n\nevent: empty\n\n";
        let expected = [event("job", "{\"a\":\"ü\"}"), event("end", "x\ny"), event("message", "")];
        for size in 1..=stream.len() {
            let mut parser = Parser::default();
            let chunks = stream.as_bytes().chunks(size);
            let events: Vec<Event> = chunks.flat_map(|chunk| parser.push(chunk).unwrap()).collect();
            assert_eq!(events, expected, "in chunks of {size}");
        }
    }

    #[test]
    fn an_event_without_its_empty_line_is_not_given() {
        let mut parser = Parser::default();
        assert_eq!(parser.push(b"event: job\ndata: 1\n"), Ok(vec![]));
        assert_eq!(parser.push(b"\r\n"), Ok(vec![event("job", "1")]));
    }

    #[test]
    fn an_endless_line_is_refused() {
        let mut parser = Parser::default();
        let chunk = vec![b'x'; 1024 * 1024];
        let refused = (0..=LIMIT_BYTES / chunk.len()).any(|_| parser.push(&chunk).is_err());
        assert!(refused);
    }
}
