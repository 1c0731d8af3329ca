//! Cursors: where the next page of a list begins. Clients pass them on as they came; a cursor of another list, or one that
//! was tampered with, is refused rather than read as something else.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use drover_protocol::{JobId, JobType};
use uuid::Uuid;

use crate::store::Place;

/// A place in a list, after which the next page begins.
pub(crate) trait Cursor: Sized {
    /// Tells the lists apart.
    const LIST: u8;
    /// The place, in bytes.
    fn bytes(&self) -> Vec<u8>;
    /// Reads what [`Cursor::bytes`] wrote.
    fn read(bytes: &[u8]) -> Option<Self>;

    /// The cursor as the client sees it.
    fn encode(&self) -> String {
        let mut bytes = vec![Self::LIST];
        bytes.extend(self.bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads what a client passed on.
    fn decode(text: &str) -> Option<Self> {
        match URL_SAFE_NO_PAD.decode(text).ok()?.split_first()? {
            (list, bytes) if *list == Self::LIST => Self::read(bytes),
            _ => None,
        }
    }
}

/// Among jobs: the last one shown.
impl Cursor for JobId {
    const LIST: u8 = b'j';

    fn bytes(&self) -> Vec<u8> {
        self.0.as_bytes().to_vec()
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        Uuid::from_slice(bytes).ok().map(Self)
    }
}

/// Among the jobs that wait for a worker: the last one done.
impl Cursor for Place {
    const LIST: u8 = b'w';

    fn bytes(&self) -> Vec<u8> {
        [self.id.0.as_bytes(), self.job_type.as_bytes()].concat()
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (id, job_type) = bytes.split_at_checked(16)?;
        let job_type = JobType::new(std::str::from_utf8(job_type).ok()?).ok()?;
        Some(Self { job_type: job_type.into(), id: JobId(Uuid::from_slice(id).ok()?) })
    }
}

/// Among job types: the one to go on with.
impl Cursor for JobType {
    const LIST: u8 = b't';

    fn bytes(&self) -> Vec<u8> {
        self.as_str().as_bytes().to_vec()
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        Self::new(std::str::from_utf8(bytes).ok()?).ok()
    }
}

/// Among the sub-jobs of a workflow: index of the step, index of the batch or -1.
impl Cursor for (i32, i32) {
    const LIST: u8 = b's';

    fn bytes(&self) -> Vec<u8> {
        [self.0.to_be_bytes(), self.1.to_be_bytes()].concat()
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (step, batch) = bytes.split_at_checked(4)?;
        Some((i32::from_be_bytes(step.try_into().ok()?), i32::from_be_bytes(batch.try_into().ok()?)))
    }
}

/// Among the values of an items list: number of the chunk, position in it.
impl Cursor for (i64, i64) {
    const LIST: u8 = b'i';

    fn bytes(&self) -> Vec<u8> {
        [self.0.to_be_bytes(), self.1.to_be_bytes()].concat()
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (chunk, position) = bytes.split_at_checked(8)?;
        Some((i64::from_be_bytes(chunk.try_into().ok()?), i64::from_be_bytes(position.try_into().ok()?)))
    }
}

/// Among the dead letters that a request about many means: those after the last one done, up to the last one that was there
/// at its beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) after: i64,
    pub(crate) upto: i64,
}

impl Cursor for Range {
    const LIST: u8 = b'r';

    fn bytes(&self) -> Vec<u8> {
        [self.after.to_be_bytes(), self.upto.to_be_bytes()].concat()
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (after, upto) = bytes.split_at_checked(8)?;
        let number = |bytes: &[u8]| Some(i64::from_be_bytes(bytes.try_into().ok()?));
        Some(Self { after: number(after)?, upto: number(upto)? })
    }
}

/// Among dead letters: the last one shown.
impl Cursor for i64 {
    const LIST: u8 = b'd';

    fn bytes(&self) -> Vec<u8> {
        self.to_be_bytes().to_vec()
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        Some(Self::from_be_bytes(bytes.try_into().ok()?))
    }
}

/// A page of what was asked for with one row more than the page has: the further row says that there is a next page.
pub(crate) fn page<C: Cursor, T>(mut rows: Vec<(C, T)>, limit: i64) -> (Vec<T>, Option<String>) {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = rows.len() > limit;
    rows.truncate(limit);
    let next = rows.last().filter(|_| more).map(|(place, _)| place.encode());
    (rows.into_iter().map(|(_, row)| row).collect(), next)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn comes_back<C: Cursor + PartialEq + std::fmt::Debug>(place: C) {
        let text = place.encode();
        assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'), "{text}");
        assert_eq!(C::decode(&text), Some(place), "{text}");
    }

    #[test]
    fn a_cursor_comes_back_as_it_was() {
        comes_back(JobId(Uuid::now_v7()));
        comes_back(JobId(Uuid::max()));
        comes_back(Place { job_type: "a.type-of_64".into(), id: JobId(Uuid::now_v7()) });
        comes_back(JobType::new("a.type-of_64").unwrap());
        for number in [i64::MIN, -1, 0, 7, i64::MAX] {
            comes_back(number);
            comes_back((number, 3_i64));
            comes_back(Range { after: number, upto: 3 });
        }
        for number in [i32::MIN, -1, 0, i32::MAX] {
            comes_back((number, -1));
        }
    }

    #[test]
    fn what_is_no_cursor_of_the_list_is_refused() {
        let id = JobId(Uuid::now_v7());
        assert_eq!(i64::decode(&id.encode()), None, "of another list");
        assert_eq!(<(i32, i32)>::decode(&7_i64.encode()), None, "of another list with as many bytes");
        let text = id.encode();
        for bad in
            ["", "x", "%", "AAAA", "..", &id.to_string(), &text[1..], &text[..text.len() - 2], &format!("{text}A")]
        {
            assert_eq!(JobId::decode(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn only_a_full_page_with_more_behind_it_has_a_next() {
        let rows = |count: i64| (0..count).map(|id| (id, id)).collect::<Vec<_>>();
        assert_eq!(page(rows(0), 2), (vec![], None));
        assert_eq!(page(rows(2), 2), (vec![0, 1], None), "exactly full");
        assert_eq!(page(rows(3), 2), (vec![0, 1], Some(1_i64.encode())));
    }
}
