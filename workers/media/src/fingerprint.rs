//! What tells the content of a file from others: SHA-256 over its size, its first and its last 64 KiB.
//!
//! Reading all of a library takes a day; this takes two reads a file. The beginning holds a video's index or its first
//! pictures, the end the last ones, and the size differs between most videos: two files that agree in all three are taken for
//! the same content, whatever they are called. A change in the middle that keeps size and both ends goes unnoticed: its time
//! makes the file read anew, but tags, markers and previews stay those of the content before.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::Path,
};

use sha2::{Digest, Sha256};

const PIECE_BYTES: u64 = 64 * 1024;

/// The fingerprint of a file, in hex.
///
/// # Errors
/// When it cannot be read.
pub fn fingerprint(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let size = file.metadata()?.len();
    let mut hash = Sha256::new();
    hash.update(size.to_le_bytes());
    let mut piece = Vec::new();
    file.by_ref().take(PIECE_BYTES).read_to_end(&mut piece)?;
    hash.update(&piece);
    if size > PIECE_BYTES {
        piece.clear();
        file.seek(SeekFrom::Start(size.saturating_sub(PIECE_BYTES).max(PIECE_BYTES)))?;
        file.take(PIECE_BYTES).read_to_end(&mut piece)?;
        hash.update(&piece);
    }
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn size_beginning_and_end_count() {
        let folder = tempfile::tempdir().unwrap();
        let of = |content: &[u8]| {
            let path = folder.path().join("x");
            fs::write(&path, content).unwrap();
            fingerprint(&path).unwrap()
        };
        let long = vec![7; 200_000];
        let with = |at: usize| {
            let mut changed = long.clone();
            changed[at] = 8;
            of(&changed)
        };
        assert_eq!(of(&long), of(&long));
        assert!(with(0) != of(&long) && with(199_999) != of(&long) && of(&long[1..]) != of(&long));
        assert_eq!(with(100_000), of(&long), "the middle is not read");
        assert_ne!(of(b""), of(b"\0"));
    }
}
