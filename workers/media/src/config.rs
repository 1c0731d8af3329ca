//! The media worker's own settings: from the command line or the environment.

use std::{path::PathBuf, time::Duration};

use secrecy::SecretString;

use crate::{
    folders::{FolderError, Folders},
    limits::{CONNECTIONS, FFMPEG_SECONDS},
    store::{Store, StoreError},
    tools::Tools,
};

/// Where the worker's files, its database and its programs are.
#[derive(Clone, Debug, clap::Args)]
pub struct MediaArgs {
    /// The library's Postgres database, postgres://…; the worker keeps its tables in the schema `media`
    #[arg(long, value_name = "URL", env = "DROVER_MEDIA_DATABASE_URL", hide_env_values = true)]
    pub database_url: Option<SecretString>,
    /// Folder in which downloads arrive
    #[arg(long, value_name = "FOLDER", env = "DROVER_MEDIA_DOWNLOADS")]
    pub downloads: Option<PathBuf>,
    /// Folder in which videos are kept; hard links need it on the device of the downloads, otherwise files are copied
    #[arg(long, value_name = "FOLDER", env = "DROVER_MEDIA_LIBRARY")]
    pub library: Option<PathBuf>,
    /// Folder into which previews are written
    #[arg(long, value_name = "FOLDER", env = "DROVER_MEDIA_GENERATED")]
    pub generated: Option<PathBuf>,
    /// The program ffmpeg
    #[arg(long, value_name = "FILE", env = "DROVER_MEDIA_FFMPEG", default_value = "ffmpeg")]
    pub ffmpeg: PathBuf,
    /// The program ffprobe, which comes with ffmpeg
    #[arg(long, value_name = "FILE", env = "DROVER_MEDIA_FFPROBE", default_value = "ffprobe")]
    pub ffprobe: PathBuf,
    /// How long ffmpeg may work on one file, in seconds
    #[arg(long, value_name = "SECONDS", env = "DROVER_MEDIA_FFMPEG_SECONDS", default_value_t = FFMPEG_SECONDS,
          value_parser = clap::value_parser!(u64).range(1..=604_800))]
    pub ffmpeg_seconds: u64,
}

/// What every job of this worker works with. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Media {
    /// The library's database.
    pub store: Store,
    /// Its folders.
    pub folders: Folders,
    /// ffmpeg and ffprobe.
    pub tools: Tools,
}

/// Settings that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum MediaError {
    /// One is missing.
    #[error("{option} is missing: give it, or set {variable}; --help says what it is")]
    Missing {
        /// The option.
        option: &'static str,
        /// The environment variable.
        variable: &'static str,
    },
    /// A folder.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl MediaArgs {
    /// Checks the settings. Neither the database nor a program is asked yet.
    ///
    /// # Errors
    /// [`MediaError`], naming the option and the way out.
    pub fn open(&self) -> Result<Media, MediaError> {
        fn given<'a, T>(
            value: Option<&'a T>,
            option: &'static str,
            variable: &'static str,
        ) -> Result<&'a T, MediaError> {
            value.ok_or(MediaError::Missing { option, variable })
        }
        let url = given(self.database_url.as_ref(), "--database-url", "DROVER_MEDIA_DATABASE_URL")?;
        let downloads = given(self.downloads.as_ref(), "--downloads", "DROVER_MEDIA_DOWNLOADS")?;
        let library = given(self.library.as_ref(), "--library", "DROVER_MEDIA_LIBRARY")?;
        let generated = given(self.generated.as_ref(), "--generated", "DROVER_MEDIA_GENERATED")?;
        Ok(Media {
            folders: Folders::new(downloads, library, generated)?,
            store: Store::new(url, CONNECTIONS)?,
            tools: Tools::new(&self.ffmpeg, &self.ffprobe, Duration::from_secs(self.ffmpeg_seconds)),
        })
    }
}
