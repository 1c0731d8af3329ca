//! Text out of names and programs, made fit to be quoted in messages and results.

use std::path::Path;

pub use drover_worker::text::quotable;

/// A path for a person; what is no UTF-8 is shown as `�`.
#[must_use]
pub fn path(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// `1 file`, `2 files`.
#[must_use]
pub fn count(number: u64, one: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {one}s") }
}

/// The name of a file without its folder and ending.
#[must_use]
pub fn title(path: &Path) -> String {
    path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_is_a_name_without_folder_and_ending() {
        assert_eq!(title(Path::new("/a/b.c/Trip \"1\"\n.part.mkv")), "Trip \"1\"\n.part");
    }
}
