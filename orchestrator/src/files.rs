//! Files out of folders of the configuration: for reading, and nothing beside or beyond what is in them.

use std::{fs::File, io, path::Path};

use nix::{
    errno::Errno,
    fcntl::{OFlag, open as open_at_path, openat},
    sys::stat::Mode,
};

/// Most folders on the way to a file.
const DEPTH: usize = 32;

/// Opens a file below `folder`. `None`: there is none that may be shown. Each name of the path is opened within what was opened
/// before it, and none that is a link: whoever writes into the folder, also just now, can lead nowhere else. Hidden files are those
/// that somebody is still writing.
///
/// # Errors
/// When the system cannot open it for a reason of its own.
pub(crate) fn open(folder: &Path, path: &str) -> io::Result<Option<File>> {
    let names: Vec<&str> = path.split('/').collect();
    // `.` and `..` begin with a point, too.
    if names.len() > DEPTH || names.iter().any(|name| name.is_empty() || name.starts_with('.')) {
        return Ok(None);
    }
    match descend(folder, &names) {
        Ok(file) => Ok(file.metadata()?.is_file().then_some(file)),
        Err(Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP | Errno::EINVAL | Errno::ENAMETOOLONG | Errno::ENXIO) => {
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

fn descend(folder: &Path, names: &[&str]) -> Result<File, Errno> {
    let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC;
    let mut at = open_at_path(folder, flags | OFlag::O_DIRECTORY, Mode::empty())?;
    for (index, name) in names.iter().enumerate() {
        // A pipe would keep us waiting for whoever writes into it.
        let kind = if index + 1 == names.len() { OFlag::O_NONBLOCK } else { OFlag::O_DIRECTORY };
        at = openat(&at, *name, flags | OFlag::O_NOFOLLOW | kind, Mode::empty())?;
    }
    Ok(at.into())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::{fs, io::Read as _, os::unix::fs::symlink};

    use super::*;

    fn read(folder: &Path, path: &str) -> Option<String> {
        let mut text = String::new();
        open(folder, path).unwrap()?.read_to_string(&mut text).unwrap();
        Some(text)
    }

    #[test]
    fn only_files_that_are_in_the_folder_are_opened() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("shown");
        let odd = "a \"b\"\n<c>%2e.jpg";
        fs::create_dir_all(folder.join("7/..x")).unwrap();
        fs::write(root.path().join("secret"), "secret").unwrap();
        for name in ["a.jpg", "7/b.jpg", "7/.draft", odd] {
            fs::write(folder.join(name), name).unwrap();
        }
        for good in ["a.jpg", "7/b.jpg", odd] {
            assert_eq!(read(&folder, good).as_deref(), Some(good));
        }
        let absolute = root.path().join("secret").display().to_string();
        let long = "x".repeat(300);
        let deep = "7/".repeat(40) + "b.jpg";
        for bad in [
            "",
            "/",
            "7",
            "7/",
            "a.jpg/",
            "a.jpg/b",
            "./a.jpg",
            "../secret",
            "7/../a.jpg",
            "7/../../secret",
            "7//b.jpg",
            "7/.draft",
            "/a.jpg",
            &absolute,
            "a.jpg\0",
            "\0",
            "absent",
            &long,
            &deep,
            "..",
            ".",
        ] {
            assert_eq!(read(&folder, bad), None, "{bad:?}");
        }
        assert_eq!(read(&root.path().join("absent"), "a.jpg"), None);
    }

    #[test]
    fn links_and_pipes_are_not_opened() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("shown");
        fs::create_dir_all(folder.join("7")).unwrap();
        fs::create_dir(root.path().join("beside")).unwrap();
        fs::write(root.path().join("beside/secret"), "secret").unwrap();
        fs::write(folder.join("a.jpg"), "a").unwrap();
        symlink(root.path().join("beside"), folder.join("out")).unwrap();
        symlink("../../beside/secret", folder.join("7/out.jpg")).unwrap();
        symlink("a.jpg", folder.join("within.jpg")).unwrap();
        symlink("loop", folder.join("loop")).unwrap();
        nix::unistd::mkfifo(&folder.join("pipe"), Mode::S_IRWXU).unwrap();
        for bad in ["out/secret", "7/out.jpg", "within.jpg", "loop", "pipe"] {
            assert_eq!(read(&folder, bad), None, "{bad}");
        }
        // The folder itself may be named by a link: it is the configuration's.
        symlink(&folder, root.path().join("named")).unwrap();
        assert_eq!(read(&root.path().join("named"), "a.jpg").as_deref(), Some("a"));
    }
}
