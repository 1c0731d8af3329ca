//! Where the worker may read and write.

use std::path::{Component, Path, PathBuf};

use crate::text;

/// The environment variable that limits the worker to folders: a list joined by `:`. Unset or empty: anywhere.
pub const ROOTS_VARIABLE: &str = "DROVER_IMPORT_ROOTS";

/// The folders within which every path of a job must lie.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roots(Vec<PathBuf>);

/// Why a path is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// It depends on where the worker was started.
    #[error(
        "{field}: {path:?} is not an absolute path; give the full path as the worker's machine knows it, such as \
         /data/import"
    )]
    NotAbsolute {
        /// The parameter.
        field: String,
        /// Its value.
        path: String,
    },
    /// It climbs up.
    #[error("{field}: {path:?} contains `..`; give the path without it")]
    Climbs {
        /// The parameter.
        field: String,
        /// Its value.
        path: String,
    },
    /// It contains a NUL character.
    #[error("{field}: the path contains a NUL character")]
    Nul {
        /// The parameter.
        field: String,
    },
    /// It lies outside of the allowed folders.
    #[error(
        "{field}: {path:?} lies outside of the folders this worker may use ({roots}); choose a path below one of \
         them or change {ROOTS_VARIABLE}"
    )]
    Outside {
        /// The parameter.
        field: String,
        /// Its value.
        path: String,
        /// The folders.
        roots: String,
    },
    /// It cannot be resolved.
    #[error("{field}: cannot resolve {path:?}: {reason}")]
    Unresolvable {
        /// The parameter.
        field: String,
        /// Its value.
        path: String,
        /// The system's words.
        reason: String,
    },
}

/// The variable's value is unusable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{ROOTS_VARIABLE}: {root:?} {reason}; give absolute paths of existing folders, joined by `:`")]
pub struct RootsError {
    root: String,
    reason: String,
}

impl Roots {
    /// Any path is allowed.
    #[must_use]
    pub const fn anywhere() -> Self {
        Self(Vec::new())
    }

    /// The folders that the environment names.
    ///
    /// # Errors
    /// [`RootsError`] if one of them does not exist.
    pub fn from_env() -> Result<Self, RootsError> {
        match std::env::var_os(ROOTS_VARIABLE) {
            None => Ok(Self::anywhere()),
            Some(list) => Self::new(std::env::split_paths(&list).filter(|root| !root.as_os_str().is_empty())),
        }
    }

    /// These folders; none means anywhere.
    ///
    /// # Errors
    /// [`RootsError`] if one of them is not absolute or does not exist.
    pub fn new(roots: impl IntoIterator<Item = PathBuf>) -> Result<Self, RootsError> {
        let resolve = |root: PathBuf| {
            let error = |reason: String| RootsError { root: text::path(&root), reason };
            if !root.is_absolute() {
                return Err(error("is not absolute".to_owned()));
            }
            root.canonicalize().map_err(|cause| error(format!("cannot be used ({cause})")))
        };
        roots.into_iter().map(resolve).collect::<Result<_, _>>().map(Self)
    }

    /// Checks the path of a parameter. Links in it count as what they lead to.
    ///
    /// # Errors
    /// [`PathError`], naming the field, the path and the way out.
    pub fn check(&self, field: &str, path: &str) -> Result<PathBuf, PathError> {
        let (field, shown) = (field.to_owned(), text::quotable(path, 1_000));
        if path.contains('\0') {
            return Err(PathError::Nul { field });
        }
        let path = Path::new(path);
        if !path.is_absolute() {
            return Err(PathError::NotAbsolute { field, path: shown });
        }
        if path.components().any(|part| part == Component::ParentDir) {
            return Err(PathError::Climbs { field, path: shown });
        }
        if !self.0.is_empty() {
            let real = resolve_existing(path).map_err(|error| PathError::Unresolvable {
                field: field.clone(),
                path: shown.clone(),
                reason: error.to_string(),
            })?;
            if !self.0.iter().any(|root| real.starts_with(root)) {
                let roots = self.0.iter().map(|root| text::path(root)).collect::<Vec<_>>().join(", ");
                return Err(PathError::Outside { field, path: shown, roots });
            }
        }
        Ok(path.to_path_buf())
    }
}

/// The path with the links of its existing part resolved; what does not exist yet is appended as it is.
fn resolve_existing(path: &Path) -> std::io::Result<PathBuf> {
    let mut missing = Vec::new();
    let mut existing = path;
    loop {
        match existing.canonicalize() {
            Ok(real) => return Ok(missing.iter().rev().fold(real, |path, part| path.join(part))),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && existing.symlink_metadata().is_err() => {
                let (Some(parent), Some(name)) = (existing.parent(), existing.file_name()) else { return Err(error) };
                missing.push(name);
                existing = parent;
            }
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn reason(roots: &Roots, path: &str) -> String {
        roots.check("output_path", path).unwrap_err().to_string()
    }

    #[test]
    fn paths_are_absolute_and_do_not_climb() {
        let anywhere = Roots::anywhere();
        assert_eq!(anywhere.check("f", "/a/b").unwrap(), Path::new("/a/b"));
        assert!(reason(&anywhere, "a/b").starts_with("output_path: \"a/b\" is not an absolute path"));
        assert!(reason(&anywhere, "/a/../b").contains("`..`"));
        assert!(reason(&anywhere, "/a\0").contains("NUL"));
    }

    #[test]
    fn roots_hold_also_for_links_and_for_what_does_not_exist_yet() {
        let (inside, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let root = inside.path().canonicalize().unwrap();
        let roots = Roots::new([root.clone()]).unwrap();
        let below = |name: &str| root.join(name).to_str().unwrap().to_owned();
        assert!(roots.check("f", &below("not/yet")).is_ok());
        assert!(roots.check("f", root.to_str().unwrap()).is_ok());

        std::os::unix::fs::symlink(outside.path(), root.join("link")).unwrap();
        let message = reason(&roots, &below("link/file"));
        assert!(
            message.contains("outside") && message.contains(root.to_str().unwrap()) && message.contains(ROOTS_VARIABLE)
        );
        std::os::unix::fs::symlink("/nowhere-at-all", root.join("dangling")).unwrap();
        assert!(reason(&roots, &below("dangling/file")).contains("cannot resolve"));
        assert!(reason(&roots, &format!("{}-sibling", root.display())).contains("outside"));
    }

    #[test]
    fn a_root_must_exist() {
        assert!(Roots::new([PathBuf::from("/nowhere-at-all")]).unwrap_err().to_string().contains("/nowhere-at-all"));
        assert!(Roots::new([PathBuf::from("relative")]).unwrap_err().to_string().contains("not absolute"));
    }
}
