//! The media worker of the system, where this machine has ffmpeg.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use drover_media_worker::config::{Media, MediaArgs};
use secrecy::SecretString;

/// The name of the folder of the previews in `[files]`, and the address that it makes.
pub(super) const FILES: &str = "media";
const FILES_URL: &str = "/files/media";

/// Whether there is a media worker, and where its folders are.
#[derive(Debug)]
pub(crate) enum MediaSetup {
    /// There is none.
    Without,
    /// Below this folder, whatever the environment says; the system does not start without it.
    Within(PathBuf),
    /// Where the environment says, else below the data folder. Without it the system starts all the same.
    IfPossible,
}

/// What came of it.
pub(super) enum Found {
    /// Nobody asked for it.
    Nothing,
    /// It can work.
    Media(Media),
    /// Why it cannot.
    Missing(String),
}

impl Found {
    /// Looks for ffmpeg, and opens folders and library. Nothing is asked of the database yet.
    pub(super) async fn look(setup: &MediaSetup, data_dir: &Path, database: &SecretString) -> Self {
        let folder = match setup {
            MediaSetup::Without => return Self::Nothing,
            MediaSetup::Within(folder) => folder.clone(),
            MediaSetup::IfPossible => data_dir.join("media"),
        };
        let (is_fixed, database) = (matches!(setup, MediaSetup::Within(_)), database.clone());
        // It starts programs and waits for them.
        let opened = tokio::task::spawn_blocking(move || open(&folder, is_fixed, database)).await;
        match opened.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic())) {
            Ok(media) => Self::Media(media),
            Err(reason) => Self::Missing(reason),
        }
    }

    /// Brings the library's tables up to date; where that cannot be, there is no library.
    pub(super) async fn migrated(self) -> Self {
        match self {
            Self::Media(media) => match media.store.migrate().await {
                Ok(()) => Self::Media(media),
                Err(error) => Self::Missing(error.to_string()),
            },
            other => other,
        }
    }
}

fn open(folder: &Path, is_fixed: bool, database: SecretString) -> Result<Media, String> {
    let mut args = settings()?;
    args.tools().check().map_err(|error| error.to_string())?;
    if is_fixed {
        (args.downloads, args.library, args.generated) = (None, None, None);
    }
    let places =
        [("downloads", &mut args.downloads), ("library", &mut args.library), ("generated", &mut args.generated)];
    for (name, place) in places {
        if place.is_none() {
            let made = folder.join(name);
            fs::create_dir_all(&made).map_err(|error| unusable(&made, &error))?;
            *place = Some(made);
        }
    }
    (args.database_url, args.files_url) = (Some(database), Some(FILES_URL.into()));
    args.open().map_err(|error| error.to_string())
}

/// What the environment says of programs and folders.
pub(crate) fn settings() -> Result<MediaArgs, String> {
    MediaArgs::from_env().map_err(|error| {
        let text = error.to_string();
        text.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned()
    })
}

fn unusable(folder: &Path, error: &io::Error) -> String {
    format!("the folder {} cannot be made: {error}", folder.display())
}
