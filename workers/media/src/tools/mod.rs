//! ffmpeg and ffprobe as child processes: without a shell, with a limit on time and on what is kept of their output.
//!
//! A file is named as `file:/path`, so that no name is taken for an option or an address. Downloads are not trusted: a file
//! may be read by the demuxers of video containers only, and none of them may open anything but files. A playlist that
//! calls itself a video would otherwise make ffmpeg fetch addresses.

mod clip;
mod cuts;
mod encoder;
mod error;
mod pictures;
mod probe;
mod run;

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use tokio::sync::OnceCell;

pub use cuts::MIN_SCORE;
pub use encoder::Encoder;
pub use error::ToolError;
pub use pictures::Sprite;
pub use probe::Probe;

/// The demuxers of video containers.
const FORMATS: &str = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,m4v,flv,asf,ogg";

/// A program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// It decodes and encodes.
    Ffmpeg,
    /// It tells what is in a file.
    Ffprobe,
}

impl Program {
    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ffmpeg => "ffmpeg",
            Self::Ffprobe => "ffprobe",
        }
    }

    const fn variable(self) -> &'static str {
        match self {
            Self::Ffmpeg => "DROVER_MEDIA_FFMPEG",
            Self::Ffprobe => "DROVER_MEDIA_FFPROBE",
        }
    }
}

/// Both programs. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Tools {
    ffmpeg: PathBuf,
    ffprobe: PathBuf,
    limit: Duration,
    encoder: Arc<OnceCell<Encoder>>,
}

impl Tools {
    /// Programs by path, or by a name that is looked up in `PATH`. `limit`: how long ffmpeg may work on one file.
    #[must_use]
    pub fn new(ffmpeg: &Path, ffprobe: &Path, limit: Duration) -> Self {
        Self { ffmpeg: ffmpeg.to_path_buf(), ffprobe: ffprobe.to_path_buf(), limit, encoder: Arc::default() }
    }

    fn path(&self, program: Program) -> &Path {
        match program {
            Program::Ffmpeg => &self.ffmpeg,
            Program::Ffprobe => &self.ffprobe,
        }
    }

    /// Whether both programs are there, for whoever starts the worker.
    ///
    /// # Errors
    /// [`ToolError::Missing`], with the way out.
    pub fn check(&self) -> Result<(), ToolError> {
        for program in [Program::Ffmpeg, Program::Ffprobe] {
            let path = self.path(program);
            let mut command = std::process::Command::new(path);
            command.arg("-version").stdin(std::process::Stdio::null());
            command.output().map_err(|source| ToolError::missing(program, path, source))?;
        }
        Ok(())
    }
}

/// `file:/path`, which is taken for neither an option nor another protocol.
fn file_url(path: &Path) -> OsString {
    let mut url = OsString::from("file:");
    url.push(path);
    url
}

/// The arguments that read a video of the library.
fn input(path: &Path) -> [OsString; 6] {
    [
        "-protocol_whitelist".into(),
        "file".into(),
        "-format_whitelist".into(),
        FORMATS.into(),
        "-i".into(),
        file_url(path),
    ]
}

/// The arguments that every run of ffmpeg begins with.
fn quiet() -> Vec<OsString> {
    words(&["-hide_banner", "-nostdin", "-loglevel", "error"])
}

fn words(words: &[&str]) -> Vec<OsString> {
    words.iter().map(Into::into).collect()
}
