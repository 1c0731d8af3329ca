//! Where the worker may read and write: three folders of its configuration. No job names a path.

use std::{
    io,
    path::{Path, PathBuf},
};

use crate::text;

/// The folders, with links in them resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folders {
    /// Where downloads arrive.
    pub downloads: PathBuf,
    /// Where videos are kept.
    pub library: PathBuf,
    /// Where previews are written.
    pub generated: PathBuf,
    /// The address under which somebody serves what is in there; without a slash at its end.
    files_url: Option<String>,
}

/// A folder that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// It depends on where the worker was started.
    #[error("{option}: {path:?} is not an absolute path; give the full path as the worker's machine knows it")]
    NotAbsolute {
        /// The option.
        option: &'static str,
        /// Its value.
        path: String,
    },
    /// It is not there, or no folder.
    #[error("{option}: {path:?} cannot be used ({reason}); give the path of an existing folder")]
    Unusable {
        /// The option.
        option: &'static str,
        /// Its value.
        path: String,
        /// Why.
        reason: io::Error,
    },
    /// Its name cannot be written into the database.
    #[error("{option}: {path:?} is no UTF-8; give a folder whose name is")]
    Encoding {
        /// The option.
        option: &'static str,
        /// Its value.
        path: String,
    },
    /// Files of the one would be taken for files of the other.
    #[error("{one}: {path:?} lies within {other}; give folders beside each other")]
    Nested {
        /// The option.
        one: &'static str,
        /// Its value.
        path: String,
        /// The option of the folder around it.
        other: &'static str,
    },
}

const OPTIONS: [&str; 3] = ["--downloads", "--library", "--generated"];

impl Folders {
    /// Checks that they are there, and apart from each other.
    ///
    /// # Errors
    /// [`FolderError`], naming the option, its value and the way out.
    pub fn new(downloads: &Path, library: &Path, generated: &Path) -> Result<Self, FolderError> {
        let resolved =
            [resolve(OPTIONS[0], downloads)?, resolve(OPTIONS[1], library)?, resolve(OPTIONS[2], generated)?];
        for (one, path) in OPTIONS.into_iter().zip(&resolved) {
            for (other, around) in OPTIONS.into_iter().zip(&resolved) {
                if one != other && path.starts_with(around) {
                    return Err(FolderError::Nested { one, path: text::path(path), other });
                }
            }
        }
        let [downloads, library, generated] = resolved;
        Ok(Self { downloads, library, generated, files_url: None })
    }

    /// What is generated is served under this address, such as `/files/media`.
    #[must_use]
    pub fn served_at(mut self, files_url: Option<&str>) -> Self {
        self.files_url = files_url.map(|url| url.trim_end_matches('/').to_owned());
        self
    }

    /// Whether anybody serves what is generated.
    #[must_use]
    pub const fn are_served(&self) -> bool {
        self.files_url.is_some()
    }

    /// The address of a preview of a scene. `None`: nobody serves it, or the path is none of a preview.
    #[must_use]
    pub fn address(&self, preview: &Path) -> Option<String> {
        let place = preview.strip_prefix(&self.generated).ok()?.to_str()?;
        // Numbers and names of ours: nothing that an address could not hold.
        Some(format!("{}/{place}", self.files_url.as_ref()?))
    }

    /// Where the previews of a scene are.
    #[must_use]
    pub fn of_scene(&self, scene: i64) -> PathBuf {
        self.generated.join(scene.to_string())
    }
}

fn resolve(option: &'static str, path: &Path) -> Result<PathBuf, FolderError> {
    let shown = || text::path(path);
    if !path.is_absolute() {
        return Err(FolderError::NotAbsolute { option, path: shown() });
    }
    let unusable = |reason| FolderError::Unusable { option, path: shown(), reason };
    let real = path.canonicalize().map_err(unusable)?;
    if !real.is_dir() {
        return Err(unusable(io::ErrorKind::NotADirectory.into()));
    }
    if real.to_str().is_none() {
        return Err(FolderError::Encoding { option, path: shown() });
    }
    Ok(real)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn folders_are_there_absolute_and_apart() {
        let root = tempfile::tempdir().unwrap();
        let folder = |name: &str| {
            let path = root.path().join(name);
            fs::create_dir_all(&path).unwrap();
            path
        };
        let (downloads, library, generated) = (folder("in"), folder("library"), folder("generated"));
        assert!(Folders::new(&downloads, &library, &generated).is_ok());
        let reason = |downloads: &Path, library: &Path, generated: &Path| {
            Folders::new(downloads, library, generated).unwrap_err().to_string()
        };
        assert!(reason(Path::new("in"), &library, &generated).starts_with("--downloads: \"in\" is not an absolute"));
        let absent = reason(&downloads, &root.path().join("absent"), &generated);
        assert!(absent.starts_with("--library: ") && absent.contains("existing folder"), "{absent}");
        assert!(reason(&downloads, &library, &folder("library/x")).contains("lies within --library"));
        assert!(reason(&library, &library, &generated).contains("lies within"));
        std::os::unix::fs::symlink(folder("library/y"), root.path().join("link")).unwrap();
        assert!(reason(&root.path().join("link"), &library, &generated).contains("lies within --library"));
        let served = Folders::new(&downloads, &library, &generated).unwrap().served_at(Some("/files/media/"));
        assert_eq!(
            served.address(&served.of_scene(7).join("sprite.vtt")).as_deref(),
            Some("/files/media/7/sprite.vtt")
        );
        assert_eq!(served.address(&library), None);
        assert_eq!(served.clone().served_at(None).address(&served.of_scene(7)), None);
        fs::write(root.path().join("file"), "").unwrap();
        assert!(reason(&root.path().join("file"), &library, &generated).contains("--downloads"));
    }
}
