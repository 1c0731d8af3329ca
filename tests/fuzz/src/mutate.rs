//! What is made of known inputs.

use proptest::{collection::vec, prelude::*, sample::Index};

/// What parsers have stumbled over.
const DICTIONARY: &[&[u8]] = &[
    b"\0",
    b"\\u0000",
    b"\\ud800",
    b"\xff",
    b"\xef\xbb\xbf",
    b"\r\n",
    b"\"",
    b"'",
    b"${",
    b"}",
    b"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
    b"{\"a\":{\"a\":{\"a\":{\"a\":",
    b"null",
    b"-1",
    b"1e999",
    b"18446744073709551616",
    b"-9223372036854775809",
    b"0.1e-400",
    b"NaN",
    b"9999-12-31T23:59:60Z",
    b"0000-01-01T00:00:00Z",
    b"%00",
    b"%ff",
    b"&a: *a",
    b"<<: *a",
    b"!!binary",
    b"? :",
    b"\xe2\x80\xae",
    b"\xf0\x9f\x90\x82",
];
/// Most bytes of an input from nothing; more shows nothing that mutation does not.
const ARBITRARY_BYTES: usize = 256;
/// Most changes to one input.
const CHANGES: usize = 6;
/// No input grows beyond this: time is better spent on many.
const MOST_BYTES: usize = 64 * 1024;

#[derive(Clone, Debug)]
enum Change {
    Flip(Index, u8),
    Insert(Index, u8),
    Delete(Index, Index),
    Double(Index, Index),
    Word(Index, &'static [u8]),
    Splice(Index, Index, Index),
}

/// Inputs made of known ones, with a few from nothing. What fails shrinks to fewer changes and fewer bytes.
pub fn inputs(known: Vec<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let changed = (any::<Index>(), vec(change(), 0..=CHANGES)).prop_map(move |(which, changes)| {
        let mut bytes = which.get(&known).clone();
        for change in changes {
            apply(&mut bytes, change, &known);
            bytes.truncate(MOST_BYTES);
        }
        bytes
    });
    prop_oneof![9 => changed, 1 => vec(any::<u8>(), 0..ARBITRARY_BYTES)]
}

fn change() -> impl Strategy<Value = Change> {
    let at = any::<Index>;
    prop_oneof![
        (at(), any::<u8>()).prop_map(|(at, bits)| Change::Flip(at, bits)),
        (at(), any::<u8>()).prop_map(|(at, byte)| Change::Insert(at, byte)),
        (at(), at()).prop_map(|(from, to)| Change::Delete(from, to)),
        (at(), at()).prop_map(|(from, to)| Change::Double(from, to)),
        (at(), prop::sample::select(DICTIONARY)).prop_map(|(at, word)| Change::Word(at, word)),
        (at(), at(), at()).prop_map(|(at, other, from)| Change::Splice(at, other, from)),
    ]
}

fn apply(bytes: &mut Vec<u8>, change: Change, known: &[Vec<u8>]) {
    let place = |index: &Index, bytes: &[u8]| index.index(bytes.len() + 1);
    let range = |one: &Index, other: &Index, bytes: &[u8]| {
        let (one, other) = (place(one, bytes), place(other, bytes));
        one.min(other)..one.max(other)
    };
    match change {
        Change::Flip(at, bits) => {
            let at = place(&at, bytes);
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= bits;
            }
        }
        Change::Insert(at, byte) => bytes.insert(place(&at, bytes), byte),
        Change::Delete(from, to) => drop(bytes.drain(range(&from, &to, bytes))),
        Change::Double(from, to) => {
            let range = range(&from, &to, bytes);
            let (end, part) = (range.end, bytes[range].to_vec());
            bytes.splice(end..end, part);
        }
        Change::Word(at, word) => {
            let at = place(&at, bytes);
            bytes.splice(at..at, word.iter().copied());
        }
        Change::Splice(at, other, from) => {
            let other = other.get(known);
            bytes.truncate(place(&at, bytes));
            bytes.extend_from_slice(&other[place(&from, other)..]);
        }
    }
}
