//! Makes short videos out of ffmpeg's test pictures: what a drop folder holds on a bad day, with a manifest of what a run
//! must find in it.

use std::{
    fs::{self, File, FileTimes},
    io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, SystemTime},
};

use serde::{Deserialize, Serialize};

use crate::text;

/// A run that leaves short videos out must be told this many seconds: all samples are short, one is shorter.
pub const MINIMUM_SECONDS: u32 = 3;
/// So that no run has to wait until the files have been left alone.
const AGE: Duration = Duration::from_secs(3_600);

/// What a run must find.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// The folder.
    pub folder: String,
    /// Downloads: files and folders.
    pub items: u64,
    /// Videos that come into the library, the corrupt one included, when no short ones are left out.
    pub linked: u64,
    /// For `minimum_seconds`: with `exclude_small_vids` the short video is left out, and the corrupt one fails.
    pub minimum_seconds: u32,
    /// The videos.
    pub videos: Vec<Sample>,
    /// A file that is called a video and is none.
    pub corrupt: String,
    /// A download that is not finished.
    pub unfinished: String,
}

/// A video that was made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// Its path within the folder.
    pub path: String,
    /// Its length.
    pub seconds: u32,
    /// Its width in pixels.
    pub width: u32,
    /// Its height in pixels.
    pub height: u32,
    /// The codec that ffprobe must tell.
    pub codec: String,
    /// Hard cuts, in seconds from the beginning.
    pub cuts: Vec<u32>,
}

/// Why there are no samples.
#[derive(Debug, thiserror::Error)]
pub enum SamplesError {
    /// There is something in the folder.
    #[error("FOLDER: {0} is not empty; name a new folder, so that the manifest tells all that is in it")]
    NotEmpty(String),
    /// The system refused.
    #[error("cannot write {path}: {source}")]
    Io {
        /// The file or folder.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// ffmpeg is not there.
    #[error(
        "{path:?} cannot be started: {source}; install ffmpeg (Debian: apt-get install ffmpeg), or name it with --ffmpeg"
    )]
    Missing {
        /// What was to be started.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// ffmpeg refused.
    #[error("ffmpeg could not make {path}: {reason}")]
    Ffmpeg {
        /// The file.
        path: String,
        /// Its last line.
        reason: String,
    },
}

/// A video to be made: two seconds of each picture.
struct Plan {
    path: &'static str,
    size: (u32, u32),
    /// The codec, and the encoders that make it, the best first; after them what is taken where none is there.
    encoders: &'static [(&'static str, &'static str)],
    /// ffmpeg's sources of pictures.
    pictures: &'static [&'static str],
    /// How long each is shown.
    each: u32,
}

const H264: (&str, &str) = ("h264", "libx264");
const VP9: (&str, &str) = ("vp9", "libvpx-vp9");
const MPEG4: (&str, &str) = ("mpeg4", "mpeg4");

const PLANS: [Plan; 5] = [
    Plan {
        path: "Mountain lake.mp4",
        size: (640, 360),
        encoders: &[H264, MPEG4],
        pictures: &["smptebars", "testsrc2", "color=c=navy"],
        each: 2,
    },
    Plan {
        path: "street dance.webm",
        size: (180, 320),
        encoders: &[VP9, ("vp8", "libvpx")],
        pictures: &["testsrc", "color=c=orange"],
        each: 2,
    },
    Plan { path: "old tape.avi", size: (320, 240), encoders: &[MPEG4], pictures: &["smptebars", "testsrc"], each: 2 },
    Plan {
        path: "holiday trip/beach morning.mkv",
        size: (320, 180),
        encoders: &[H264, MPEG4],
        pictures: &["testsrc2", "color=c=teal", "smptebars"],
        each: 2,
    },
    Plan { path: "teaser.mp4", size: (160, 90), encoders: &[H264, MPEG4], pictures: &["testsrc"], each: 1 },
];

/// Makes the samples in a new or empty folder, in a few seconds.
///
/// # Errors
/// [`SamplesError`]; what was made by then stays.
pub fn generate(folder: &Path, ffmpeg: &Path) -> Result<Manifest, SamplesError> {
    fs::create_dir_all(folder).map_err(failed(folder))?;
    if fs::read_dir(folder).map_err(failed(folder))?.next().is_some() {
        return Err(SamplesError::NotEmpty(text::path(folder)));
    }
    let encoders = output(ffmpeg, &["-hide_banner", "-loglevel", "error", "-encoders"], ffmpeg)?;
    let mut videos = Vec::new();
    for plan in &PLANS {
        videos.extend(make(plan, folder, ffmpeg, &encoders)?);
    }
    let (corrupt, unfinished) = ("damaged.mp4", "late show.mp4.part");
    // A box that says it is long, and then nothing of it: a download that broke off.
    let broken = [b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom\0\x10\0\0mdat".as_slice(), &[0x5a; 4_096]].concat();
    write(&folder.join(corrupt), &broken)?;
    write(&folder.join(unfinished), &[0; 1_024])?;
    let items = videos.len() as u64 + 2;
    Ok(Manifest {
        folder: text::path(folder),
        items,
        linked: videos.len() as u64 + 1,
        minimum_seconds: MINIMUM_SECONDS,
        videos,
        corrupt: corrupt.to_owned(),
        unfinished: unfinished.to_owned(),
    })
}

/// `None`: this ffmpeg has no encoder for it.
fn make(plan: &Plan, folder: &Path, ffmpeg: &Path, encoders: &str) -> Result<Option<Sample>, SamplesError> {
    let has = |name: &str| encoders.lines().any(|line| line.split_whitespace().nth(1) == Some(name));
    let Some((codec, encoder)) = plan.encoders.iter().find(|(_, encoder)| has(encoder)) else { return Ok(None) };
    let path = folder.join(plan.path);
    if let Some(around) = path.parent() {
        fs::create_dir_all(around).map_err(failed(around))?;
    }
    let (width, height) = plan.size;
    let mut arguments: Vec<String> = ["-hide_banner", "-nostdin", "-loglevel", "error"].map(String::from).to_vec();
    for picture in plan.pictures {
        let begin = if picture.contains('=') { ':' } else { '=' };
        let source = format!("{picture}{begin}size={width}x{height}:rate=10:duration={}", plan.each);
        arguments.extend(["-f".into(), "lavfi".into(), "-i".into(), source]);
    }
    let inputs: String = (0..plan.pictures.len()).map(|index| format!("[{index}:v]")).collect();
    let filter = format!("{inputs}concat=n={}:v=1:a=0,format=yuv420p", plan.pictures.len());
    arguments.extend(["-filter_complex".into(), filter, "-c:v".into(), (*encoder).into(), "-g".into(), "10".into()]);
    if *encoder == "libvpx-vp9" {
        arguments.extend(["-deadline", "realtime", "-cpu-used", "8"].map(String::from));
    }
    arguments.extend(["-y".into(), format!("file:{}", path.display())]);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    output(ffmpeg, &arguments, &path)?;
    age(&path)?;
    let shown = u32::try_from(plan.pictures.len()).unwrap_or_default();
    Ok(Some(Sample {
        path: plan.path.to_owned(),
        seconds: shown * plan.each,
        width,
        height,
        codec: (*codec).to_owned(),
        cuts: (1..shown).map(|cut| cut * plan.each).collect(),
    }))
}

fn output(ffmpeg: &Path, arguments: &[&str], path: &Path) -> Result<String, SamplesError> {
    let ran = Command::new(ffmpeg).args(arguments).stdin(Stdio::null()).output();
    let ran = ran.map_err(|source| SamplesError::Missing { path: text::path(ffmpeg), source })?;
    if ran.status.success() {
        return Ok(String::from_utf8_lossy(&ran.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&ran.stderr);
    let reason = said.lines().last().unwrap_or("it gave no reason").to_owned();
    Err(SamplesError::Ffmpeg { path: text::path(path), reason })
}

fn write(path: &Path, content: &[u8]) -> Result<(), SamplesError> {
    fs::write(path, content).map_err(failed(path))?;
    age(path)
}

fn age(path: &Path) -> Result<(), SamplesError> {
    let then = SystemTime::now().checked_sub(AGE).unwrap_or(SystemTime::UNIX_EPOCH);
    let file = File::options().write(true).open(path).map_err(failed(path))?;
    file.set_times(FileTimes::new().set_modified(then)).map_err(failed(path))
}

fn failed(path: &Path) -> impl Fn(io::Error) -> SamplesError {
    let path: PathBuf = path.to_path_buf();
    move |source| SamplesError::Io { path: text::path(&path), source }
}
