//! The files to begin with.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// Where the inputs of a target are.
#[must_use]
pub fn corpus_folder(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target)
}

/// The inputs of a target by the names of their files, in order of these names.
///
/// # Errors
/// When the folder or a file cannot be read, or there is none.
pub fn corpus(target: &str) -> io::Result<Vec<(String, Vec<u8>)>> {
    let folder = corpus_folder(target);
    let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", folder.display()));
    let mut inputs = Vec::new();
    for entry in fs::read_dir(&folder).map_err(named)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        inputs.push((name, fs::read(&path).map_err(named)?));
    }
    if inputs.is_empty() {
        return Err(named(io::Error::other("there is no input to begin with")));
    }
    inputs.sort();
    Ok(inputs)
}
