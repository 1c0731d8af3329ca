//! The media worker's own settings: from the command line or the environment.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use clap::{Args, FromArgMatches};
use secrecy::SecretString;

use crate::{
    folders::{FolderError, Folders},
    limits::{CONNECTIONS, FFMPEG_SECONDS},
    store::{Store, StoreError},
    tools::Tools,
};

/// Where the worker's files, its database and its programs are.
#[derive(Clone, Debug, Args)]
pub struct MediaArgs {
    /// The library's Postgres database, postgres://…; the worker keeps its tables in the schema `media`
    #[arg(long, value_name = "URL", env = "DROVER_MEDIA_DATABASE_URL", hide_env_values = true)]
    pub database_url: Option<SecretString>,
    /// A file that holds that address instead
    #[arg(long, value_name = "FILE", env = "DROVER_MEDIA_DATABASE_URL_FILE", conflicts_with = "database_url")]
    pub database_url_file: Option<PathBuf>,
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
    /// The address under which an orchestrator (section [files]) or a web server serves the folder of the previews, such as
    /// /files/media; without it results name no addresses of previews
    #[arg(long, value_name = "URL", env = "DROVER_MEDIA_FILES_URL", value_parser = files_url)]
    pub files_url: Option<String>,
}

/// A path of the orchestrator's own address, or one of elsewhere.
fn files_url(text: &str) -> Result<String, String> {
    let is_path = text.starts_with('/') && !text.starts_with("//");
    let is_url = text.starts_with("http://") || text.starts_with("https://");
    if (is_path || is_url) && text.chars().all(|c| c.is_ascii_graphic()) {
        return Ok(text.trim_end_matches('/').to_owned());
    }
    Err("it begins with / or https://, such as /files/media, and has no spaces".into())
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
    /// The file with the address of the database.
    #[error("--database-url-file: {path:?} cannot be read: {reason}")]
    Secret {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        reason: std::io::Error,
    },
    /// A folder.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl MediaArgs {
    /// What the environment says, for a program that has options of its own.
    ///
    /// # Errors
    /// When a variable cannot be understood.
    pub fn from_env() -> Result<Self, clap::Error> {
        let command = Self::augment_args(clap::Command::new("drover-media-worker"));
        Self::from_arg_matches(&command.try_get_matches_from(["drover-media-worker"])?)
    }

    /// The programs. Neither is asked yet.
    #[must_use]
    pub fn tools(&self) -> Tools {
        Tools::new(&self.ffmpeg, &self.ffprobe, Duration::from_secs(self.ffmpeg_seconds))
    }

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
        let from_file = self.database_url_file.as_deref().map(secret_in).transpose()?;
        let url =
            given(self.database_url.as_ref().or(from_file.as_ref()), "--database-url", "DROVER_MEDIA_DATABASE_URL")?;
        let downloads = given(self.downloads.as_ref(), "--downloads", "DROVER_MEDIA_DOWNLOADS")?;
        let library = given(self.library.as_ref(), "--library", "DROVER_MEDIA_LIBRARY")?;
        let generated = given(self.generated.as_ref(), "--generated", "DROVER_MEDIA_GENERATED")?;
        Ok(Media {
            folders: Folders::new(downloads, library, generated)?.served_at(self.files_url.as_deref()),
            store: Store::new(url, CONNECTIONS)?,
            tools: self.tools(),
        })
    }
}

fn secret_in(path: &Path) -> Result<SecretString, MediaError> {
    let text = std::fs::read_to_string(path).map_err(|reason| MediaError::Secret { path: path.to_owned(), reason })?;
    Ok(text.trim_end_matches(['\r', '\n']).into())
}
