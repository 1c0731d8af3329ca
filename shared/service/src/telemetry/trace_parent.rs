//! Where in a trace something stands: W3C's `traceparent`, as HTTP and AMQP headers carry it.

use std::{
    fmt::{self, Display, Formatter},
    str::FromStr,
};

/// Somebody looks at the trace.
const SAMPLED: u8 = 1;

/// A place in a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TraceParent {
    /// The trace; not zero.
    pub trace_id: u128,
    /// The span; not zero.
    pub span_id: u64,
    /// W3C's flags.
    pub flags: u8,
}

/// No `traceparent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a traceparent is 00-<32 hexadecimal digits>-<16 of them>-<2 of them>, in small letters and neither id zero")]
pub struct InvalidTraceParent;

impl TraceParent {
    /// A trace that begins here, and is looked at. An id of zero is none, and becomes one.
    #[must_use]
    pub const fn begin(trace_id: u128, span_id: u64) -> Self {
        let trace_id = if trace_id == 0 { 1 } else { trace_id };
        Self { trace_id, span_id: nonzero(span_id), flags: SAMPLED }
    }

    /// Another span of the same trace.
    #[must_use]
    pub const fn with_span(self, span_id: u64) -> Self {
        Self { span_id: nonzero(span_id), ..self }
    }

    /// Whether somebody looks at the trace.
    #[must_use]
    pub const fn is_sampled(self) -> bool {
        self.flags & SAMPLED != 0
    }
}

const fn nonzero(span_id: u64) -> u64 {
    if span_id == 0 { 1 } else { span_id }
}

impl Display for TraceParent {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "00-{:032x}-{:016x}-{:02x}", self.trace_id, self.span_id, self.flags)
    }
}

impl FromStr for TraceParent {
    type Err = InvalidTraceParent;

    fn from_str(text: &str) -> Result<Self, InvalidTraceParent> {
        let mut parts = text.split('-');
        let mut part = |digits: usize| {
            let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
            let fits = |part: &&str| part.len() == digits && part.bytes().all(is_digit);
            parts.next().filter(fits).ok_or(InvalidTraceParent)
        };
        let (version, trace_id, span_id, flags) = (part(2)?, part(32)?, part(16)?, part(2)?);
        // A later version may say more behind what this one knows.
        if version == "ff" || version == "00" && parts.next().is_some() {
            return Err(InvalidTraceParent);
        }
        let trace_id = u128::from_str_radix(trace_id, 16).map_err(|_| InvalidTraceParent)?;
        let span_id = u64::from_str_radix(span_id, 16).map_err(|_| InvalidTraceParent)?;
        let flags = u8::from_str_radix(flags, 16).map_err(|_| InvalidTraceParent)?;
        if trace_id == 0 || span_id == 0 { Err(InvalidTraceParent) } else { Ok(Self { trace_id, span_id, flags }) }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    const TEXT: &str = "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01";

    #[test]
    fn it_is_read_and_written_as_w3c_says() {
        let place: TraceParent = TEXT.parse().unwrap();
        assert_eq!(place.span_id, 0x00f0_67aa_0ba9_02b7);
        assert!(place.is_sampled());
        assert_eq!(place.to_string(), TEXT);
        let child = place.with_span(0);
        assert_eq!((child.trace_id, child.span_id), (place.trace_id, 1));
        let later: TraceParent = TEXT.replacen("00", "01", 1).parse::<TraceParent>().unwrap();
        assert_eq!(later, place);
        assert!(format!("{}-more", TEXT.replacen("00", "01", 1)).parse::<TraceParent>().is_ok());
        assert!(!TEXT.replace("-01", "-00").parse::<TraceParent>().unwrap().is_sampled());
    }

    #[test]
    fn what_is_none_is_refused() {
        for text in [
            "",
            "00-1",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0AF7651916CD43DD8448EB211C80319C-00f067aa0ba902b7-01",
            "ff-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01",
            "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01-x",
            "00-+af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01",
        ] {
            assert_eq!(text.parse::<TraceParent>(), Err(InvalidTraceParent), "{text}");
        }
    }
}
