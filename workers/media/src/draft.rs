//! Files that are whole or not there: written under a temporary name beside their place, synced, then renamed.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
};

use tempfile::NamedTempFile;

/// What the name of every half-written file begins with.
pub const TEMP_PREFIX: &str = ".drover-tmp-";

/// A half-written file; removed when dropped.
#[derive(Debug)]
pub struct Draft(NamedTempFile);

impl Draft {
    /// An empty file in a folder, which is made where it is missing.
    ///
    /// # Errors
    /// When the folder cannot be written to.
    pub fn new_in(folder: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let mut builder = tempfile::Builder::new();
        // Readable for whom the umask lets; a temporary file would else stay private for ever.
        builder.prefix(TEMP_PREFIX).permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        builder.tempfile_in(folder).map(Self)
    }

    /// Where it is while it is written.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// To write to it.
    pub fn file(&mut self) -> &mut File {
        self.0.as_file_mut()
    }

    /// Gives it its name, in the place of what has that.
    ///
    /// # Errors
    /// When it cannot be written or renamed; then it is removed.
    pub fn finish(self, to: &Path) -> io::Result<()> {
        self.0.as_file().sync_all()?;
        self.0.persist(to).map_err(|error| error.error)?;
        sync_folder_of(to)
    }

    /// Gives it its name, unless something has that.
    ///
    /// # Errors
    /// `AlreadyExists`; or when it cannot be written or renamed. In both cases it is removed.
    pub fn finish_new(self, to: &Path) -> io::Result<()> {
        self.0.as_file().sync_all()?;
        self.0.persist_noclobber(to).map_err(|error| error.error)?;
        sync_folder_of(to)
    }
}

/// Makes the names in a file's folder durable.
///
/// # Errors
/// When the folder cannot be opened or synced.
pub fn sync_folder_of(path: &Path) -> io::Result<()> {
    let folder: PathBuf = path.parent().map_or_else(|| PathBuf::from("/"), Path::to_path_buf);
    File::open(folder)?.sync_all()
}
