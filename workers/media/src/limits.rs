//! The limits of the media worker. Every buffer, list and run of a program has one, so that no file makes a worker grow.

use std::time::Duration;

/// Longest run of ffmpeg on one file unless configured otherwise.
pub const FFMPEG_SECONDS: u64 = 3_600;
/// Longest run of ffprobe on one file: it reads a header, and a disk that sleeps takes seconds.
pub const PROBE: Duration = Duration::from_secs(60);
/// How long a program may take to end by itself after a cancel. Shorter than the worker's grace period.
pub const CANCEL: Duration = Duration::from_secs(3);
/// How much of what a program says is kept: the end of it, in bytes.
pub const STDERR_BYTES: usize = 16 * 1024;
/// Longest line of a program's output that is looked at, in bytes; the rest of a longer one is passed over.
pub const LINE_BYTES: usize = 4 * 1024;
/// Most of a program's output that is kept where all of it is wanted, in bytes.
pub const OUTPUT_BYTES: usize = 1024 * 1024;
/// Longest message of one error, in bytes.
pub const MESSAGE_BYTES: usize = 400;
/// Errors listed in a result; the rest is counted.
pub const ERRORS: usize = 100;
/// Paths listed in a result; the rest is counted.
pub const PATHS: usize = 300;
/// Scenes whose previews are linked in a result.
pub const LINKED_SCENES: usize = 100;
/// Most files of a library, and of a drop folder: their list is held in memory while it is worked off.
pub const FILES: usize = 1_000_000;
/// Most scenes of one analysis, or of one job that makes previews.
pub const SCENES_PER_JOB: usize = 10_000;
/// Most changes that are proposed for one scene.
pub const CHANGES_PER_SCENE: usize = 200;
/// Most cuts that are kept of one content: the strongest.
pub const CUTS: usize = 5_000;
/// Most words out of a name that become tags.
pub const NAME_TAGS: usize = 10;
/// Files that are probed at once.
pub const PROBES: usize = 4;
/// Rows per statement where lists are read in pages.
pub const PAGE: i64 = 1_000;
/// Most connections to the database.
pub const CONNECTIONS: usize = 4;
