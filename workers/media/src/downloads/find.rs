//! The first look: which downloads there are.

use std::{
    collections::HashMap,
    fs::Metadata,
    io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use chrono::{DateTime, SubsecRound, Utc};
use walkdir::{DirEntry, WalkDir};

use crate::{
    fault::{Fault, FaultKind},
    limits::FILES,
    text,
};

/// Endings of video files.
const VIDEOS: [&str; 20] = [
    "3gp", "asf", "avi", "divx", "flv", "m2ts", "m4v", "mkv", "mov", "mp4", "mpeg", "mpg", "mts", "ogm", "ogv", "ts",
    "vob", "webm", "wmv", "xvid",
];
/// Endings that browsers and download programs give to what they have not finished, or to a note beside that.
const PARTIALS: [&str; 14] = [
    "!qb",
    "!ut",
    "aria2",
    "bc!",
    "crdownload",
    "download",
    "filepart",
    "incomplete",
    "opdownload",
    "part",
    "partial",
    "temp",
    "tmp",
    "unfinished",
];

/// A download: a file, or a folder of files, directly in the drop folder.
#[derive(Clone, Debug)]
pub struct Item {
    /// Its path.
    pub path: PathBuf,
    /// Its videos, in order.
    pub videos: Vec<Look>,
    /// The file that shows that it is not finished.
    pub partial: Option<PathBuf>,
    /// What keeps it from being looked at.
    pub faults: Vec<(PathBuf, Fault)>,
}

/// A file as it was at a look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    /// Its path.
    pub path: PathBuf,
    /// Its size in bytes.
    pub size_bytes: u64,
    /// When it was changed, to the microsecond, as the database keeps it.
    pub modified_at: DateTime<Utc>,
    /// Its device and number there.
    pub inode: (u64, u64),
}

impl Look {
    /// A file as its metadata tell.
    ///
    /// # Errors
    /// When the system does not tell when it was changed.
    pub fn of(path: &Path, metadata: &Metadata) -> io::Result<Self> {
        let modified_at = DateTime::<Utc>::from(metadata.modified()?).trunc_subsecs(6);
        let inode = (metadata.dev(), metadata.ino());
        Ok(Self { path: path.to_path_buf(), size_bytes: metadata.len(), modified_at, inode })
    }

    /// Whether it is still the same.
    #[must_use]
    pub fn is_unchanged(&self, now: &Self) -> bool {
        (self.size_bytes, self.modified_at, self.inode) == (now.size_bytes, now.modified_at, now.inode)
    }
}

/// Whether a file is a video, by its ending.
#[must_use]
pub fn is_video(path: &Path) -> bool {
    has_ending(path, &VIDEOS)
}

fn has_ending(path: &Path, endings: &[&str]) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str()).map(str::to_ascii_lowercase);
    ending.is_some_and(|ending| endings.contains(&ending.as_str()))
}

/// The downloads of a folder, sorted by name. Hidden files, links and files of other kinds are none.
///
/// # Errors
/// When the folder cannot be read, or holds more than a million files.
pub fn find(folder: &Path, is_cancelled: impl Fn() -> bool) -> io::Result<Vec<Item>> {
    // A walk of what is no folder finds nothing, and says nothing.
    std::fs::read_dir(folder)?;
    let mut items = Vec::new();
    let mut files = 0;
    for entry in WalkDir::new(folder).min_depth(1).max_depth(1).sort_by_file_name() {
        let entry = entry?;
        if is_hidden(&entry) || entry.path_is_symlink() {
            continue;
        }
        let item = read(&entry, &is_cancelled);
        files += item.videos.len() + item.faults.len() + 1;
        if files > FILES {
            let message = format!("it holds more than {FILES} files; move some of them elsewhere");
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
        }
        if !item.videos.is_empty() || item.partial.is_some() || !item.faults.is_empty() {
            items.push(item);
        }
    }
    Ok(join_partials(items))
}

fn is_hidden(entry: &DirEntry) -> bool {
    entry.depth() > 0 && std::os::unix::ffi::OsStrExt::as_bytes(entry.file_name()).starts_with(b".")
}

fn read(top: &DirEntry, is_cancelled: &impl Fn() -> bool) -> Item {
    let mut item = Item { path: top.path().to_path_buf(), videos: Vec::new(), partial: None, faults: Vec::new() };
    let below = WalkDir::new(top.path()).sort_by_file_name().into_iter();
    for entry in below.filter_entry(|entry| entry.depth() == 0 || !is_hidden(entry)) {
        if is_cancelled() || item.videos.len() > FILES {
            break;
        }
        match entry {
            Ok(entry) if entry.file_type().is_file() => file(&entry, &mut item),
            Ok(_) => {}
            Err(error) => {
                let path = error.path().unwrap_or(top.path()).to_path_buf();
                item.faults.push((path, Fault::io("read it", &error.into())));
            }
        }
    }
    item
}

fn file(entry: &DirEntry, item: &mut Item) {
    let path = entry.path();
    if has_ending(path, &PARTIALS) {
        item.partial.get_or_insert_with(|| path.to_path_buf());
    }
    if !is_video(path) {
        return;
    }
    if path.to_str().is_none() {
        let message = "its name is no UTF-8, which the library's database cannot hold; rename it";
        item.faults.push((path.to_path_buf(), Fault::new(FaultKind::Name, message)));
        return;
    }
    let metadata = entry.metadata().map_err(io::Error::from);
    match metadata.and_then(|metadata| Look::of(path, &metadata)) {
        Ok(look) => item.videos.push(look),
        Err(error) => item.faults.push((path.to_path_buf(), Fault::io("read it", &error))),
    }
}

/// `a.mp4.aria2` beside `a.mp4` is no download of its own, but says that `a.mp4` is not finished.
fn join_partials(items: Vec<Item>) -> Vec<Item> {
    let (notes, mut items): (Vec<Item>, Vec<Item>) =
        items.into_iter().partition(|item| item.partial.as_deref() == Some(&item.path) && item.videos.is_empty());
    let mut by_path: HashMap<PathBuf, &mut Item> = items.iter_mut().map(|item| (item.path.clone(), item)).collect();
    let mut alone = Vec::new();
    for note in notes {
        match by_path.get_mut(&note.path.with_extension("")) {
            Some(item) => item.partial = item.partial.take().or(note.partial),
            None => alone.push(note),
        }
    }
    items.extend(alone);
    items.sort_by(|a, b| a.path.cmp(&b.path));
    items
}

/// For messages.
impl std::fmt::Display for Item {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&text::path(&self.path))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn downloads_are_files_and_folders_with_videos_or_what_becomes_some() {
        let root = tempfile::tempdir().unwrap();
        for name in [
            "a.MP4",
            "b.mp4.part",
            "c.mkv",
            "c.mkv.aria2",
            "trip/1.webm",
            "trip/deep/2.mov",
            "trip/read me.txt",
            "half/x.avi",
            "half/y.avi.crdownload",
            "notes.txt",
            "empty/z.nfo",
            ".hidden.mp4",
            "trip/.hidden/3.mp4",
        ] {
            let path = root.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, name).unwrap();
        }
        std::os::unix::fs::symlink(root.path().join("a.MP4"), root.path().join("link.mp4")).unwrap();
        let found = find(root.path(), || false).unwrap();
        let name = |path: &Path| path.strip_prefix(root.path()).unwrap().display().to_string();
        let seen: Vec<(String, usize, Option<String>)> =
            found.iter().map(|item| (name(&item.path), item.videos.len(), item.partial.as_deref().map(name))).collect();
        let expected = [
            ("a.MP4", 1, None),
            ("b.mp4.part", 0, Some("b.mp4.part")),
            ("c.mkv", 1, Some("c.mkv.aria2")),
            ("half", 1, Some("half/y.avi.crdownload")),
            ("trip", 2, None),
        ];
        assert_eq!(seen, expected.map(|(name, videos, partial)| (name.to_owned(), videos, partial.map(str::to_owned))));
        assert!(find(&root.path().join("absent"), || false).is_err());
        assert!(find(&root.path().join("notes.txt"), || false).is_err(), "no folder, which is not an empty one");
    }
}
