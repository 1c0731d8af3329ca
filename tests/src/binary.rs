//! Finding the workspace's binaries beside the test that runs.

use anyhow::{Context, bail};
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use std::{env, fs};

/// The path of a binary of the workspace, in the build folder of the running test or binary.
///
/// # Errors
/// It is missing, or older than its sources. Cargo builds the binaries of other packages only when it is told to: the
/// message has the command.
pub fn binary(name: &str) -> anyhow::Result<PathBuf> {
    let folder = build_folder()?;
    let path = folder.join(name);
    let release = if folder.ends_with("release") { " --release" } else { "" };
    let command = format!("run `cargo build --workspace --bins{release}`");
    if !path.is_file() {
        bail!("{} is missing: {command}", path.display());
    }
    if let Some(source) = newer_source(&path) {
        bail!("{} is older than {source}: {command}", path.display());
    }
    Ok(path)
}

/// `target/debug`, from `target/debug/deps/this_test-…` or from `target/debug/this-binary`.
pub(crate) fn build_folder() -> anyhow::Result<PathBuf> {
    let program = env::current_exe()?;
    folder_of(&program).map(Path::to_owned).with_context(|| format!("{} has no parent", program.display()))
}

fn folder_of(program: &Path) -> Option<&Path> {
    let folder = program.parent()?;
    if folder.ends_with("deps") { folder.parent() } else { Some(folder) }
}

/// The first of the binary's sources that changed after it was built, by the list that Cargo writes beside it.
fn newer_source(binary: &Path) -> Option<String> {
    let built = modified(binary)?;
    let list = fs::read_to_string(binary.with_extension("d")).ok()?;
    let sources = list.lines().next()?.split_once(": ")?.1.replace("\\ ", "\0");
    let sources = sources.split(' ').map(|source| source.replace('\0', " "));
    sources.into_iter().find(|source| modified(Path::new(source)).is_some_and(|changed| changed > built))
}

fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|data| data.modified()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::time::Duration;

    #[test]
    fn a_missing_binary_is_named_with_the_command_that_builds_it() {
        let message = binary("no-such-binary").expect_err("it is missing").to_string();
        assert!(message.contains("no-such-binary is missing: run `cargo build --workspace --bins"), "{message}");
    }

    #[test]
    fn tests_and_binaries_find_the_same_folder() {
        for program in ["/t/debug/deps/a_test-1f", "/t/debug/a-binary"] {
            assert_eq!(folder_of(Path::new(program)), Some(Path::new("/t/debug")), "{program}");
        }
    }

    #[test]
    fn a_source_that_changed_after_the_build_is_found() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        for name in ["drover", "old.rs", "with space.rs"] {
            fs::write(path(name), "").expect("write");
        }
        let source = path("with space.rs");
        let escaped = source.to_string_lossy().replace(' ', "\\ ");
        let list = format!("{}: {} {escaped}\n", path("drover").display(), path("old.rs").display());
        fs::write(path("drover.d"), list).expect("write");

        let later = SystemTime::now() + Duration::from_secs(10);
        File::options().write(true).open(path("drover")).and_then(|file| file.set_modified(later)).expect("set");
        assert_eq!(newer_source(&path("drover")), None);
        let latest = later + Duration::from_secs(10);
        File::options().write(true).open(&source).and_then(|file| file.set_modified(latest)).expect("set");
        assert_eq!(newer_source(&path("drover")).as_deref(), source.to_str());
    }
}
