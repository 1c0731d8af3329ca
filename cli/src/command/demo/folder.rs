//! A folder with everything of the demo.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use tempfile::TempDir;

use crate::failure::Failure;

/// It goes with this.
pub(super) struct Folder(TempDir);

impl Folder {
    pub(super) fn new() -> Result<Self, Failure> {
        let unusable = |error: std::io::Error| Failure::Start(format!("no temporary folder can be made: {error}"));
        let folder = tempfile::Builder::new().prefix("drover-demo-").tempdir().map_err(unusable)?;
        // Postgres, which may run as another user, must get through to its own folder.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o711)).map_err(unusable)?;
        Ok(Self(folder))
    }

    pub(super) fn root(&self) -> &Path {
        self.0.path()
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.root().join(name)
    }

    /// The folder stays.
    pub(super) fn keep(&mut self) -> PathBuf {
        self.0.disable_cleanup(true);
        self.root().to_owned()
    }
}
