//! What ffprobe tells of a file.

use std::path::Path;

use drover_worker::JobContext;
use serde::Deserialize;

use super::{Program, ToolError, Tools, input, words};

/// Only what is needed: tags may be long.
const ENTRIES: &str = "format=format_name,duration,bit_rate:stream=codec_type,codec_name,width,height,avg_frame_rate,\
                       duration:stream_disposition=attached_pic:stream_side_data=rotation";

/// The technical data of a video.
#[derive(Clone, Debug, PartialEq)]
pub struct Probe {
    /// Names of the container's format.
    pub container: String,
    /// Its length.
    pub duration_seconds: f64,
    /// Codec of its first video stream.
    pub video_codec: String,
    /// Codec of its first audio stream.
    pub audio_codec: Option<String>,
    /// Width in pixels, as it is shown.
    pub width: u32,
    /// Height in pixels, as it is shown.
    pub height: u32,
    /// Frames per second.
    pub frame_rate: Option<f64>,
    /// Bits per second of the whole file.
    pub bit_rate: Option<u64>,
}

#[derive(Deserialize)]
struct Told {
    #[serde(default)]
    streams: Vec<Stream>,
    format: Option<Format>,
}

#[derive(Deserialize)]
struct Format {
    format_name: Option<String>,
    duration: Option<String>,
    bit_rate: Option<String>,
}

#[derive(Deserialize)]
struct Stream {
    codec_type: Option<String>,
    codec_name: Option<String>,
    width: Option<u32>,
    height: Option<u32>,
    avg_frame_rate: Option<String>,
    duration: Option<String>,
    #[serde(default)]
    disposition: Disposition,
    #[serde(default)]
    side_data_list: Vec<SideData>,
}

#[derive(Default, Deserialize)]
struct Disposition {
    #[serde(default)]
    attached_pic: u8,
}

#[derive(Deserialize)]
struct SideData {
    rotation: Option<f64>,
}

impl Tools {
    /// Reads the technical data of a video.
    ///
    /// # Errors
    /// [`ToolError`]: also where there is no video in the file, or no length.
    pub async fn probe(&self, ctx: &JobContext, path: &Path) -> Result<Probe, ToolError> {
        let mut arguments = words(&["-loglevel", "error", "-of", "json", "-show_entries", ENTRIES]);
        arguments.extend(input(path));
        let output = self.output(ctx, Program::Ffprobe, arguments).await?;
        read(&output).map_err(|what| ToolError::Output { program: Program::Ffprobe.as_str(), what })
    }
}

fn read(output: &str) -> Result<Probe, String> {
    let told: Told = serde_json::from_str(output).map_err(|error| format!("its output cannot be read: {error}"))?;
    let is = |stream: &&Stream, kind: &str| stream.codec_type.as_deref() == Some(kind);
    let video = told.streams.iter().find(|stream| is(stream, "video") && stream.disposition.attached_pic == 0);
    let Some(video) = video else { return Err("there is no video in the file".into()) };
    let audio = told.streams.iter().find(|stream| is(stream, "audio"));
    let format = told.format.as_ref();
    let seconds = |text: Option<&String>| text.and_then(|text| positive(text));
    let duration = seconds(format.and_then(|format| format.duration.as_ref())).or(seconds(video.duration.as_ref()));
    let duration_seconds = duration.ok_or("the file does not tell how long it is; copy it anew: ffmpeg -c copy")?;
    let codec = video.codec_name.clone().ok_or("its video has a codec that is not known")?;
    let size = video.width.zip(video.height).filter(|(width, height)| *width > 0 && *height > 0);
    let (width, height) = size.ok_or("its video has no size")?;
    let turned = video.side_data_list.iter().filter_map(|data| data.rotation).any(|degrees| {
        let quarter = degrees.rem_euclid(180.0);
        (45.0..135.0).contains(&quarter)
    });
    let (width, height) = if turned { (height, width) } else { (width, height) };
    Ok(Probe {
        container: format.and_then(|format| format.format_name.clone()).unwrap_or_default(),
        duration_seconds,
        video_codec: codec,
        audio_codec: audio.and_then(|stream| stream.codec_name.clone()),
        width,
        height,
        frame_rate: video.avg_frame_rate.as_deref().and_then(rate),
        bit_rate: format.and_then(|format| format.bit_rate.as_ref()).and_then(|text| text.parse().ok()),
    })
}

fn positive(text: &str) -> Option<f64> {
    text.parse().ok().filter(|number: &f64| number.is_finite() && *number > 0.0)
}

/// `30000/1001`
fn rate(text: &str) -> Option<f64> {
    let (frames, seconds) = text.split_once('/')?;
    Some(positive(frames)? / positive(seconds)?)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_phone_video_is_as_it_is_shown_and_a_cover_is_no_video() {
        let told = r#"{"streams": [
            {"codec_type": "video", "codec_name": "mjpeg", "width": 9, "height": 9, "disposition": {"attached_pic": 1}},
            {"codec_type": "audio", "codec_name": "aac"},
            {"codec_type": "video", "codec_name": "hevc", "width": 1920, "height": 1080, "avg_frame_rate": "30000/1001",
             "side_data_list": [{"side_data_type": "x"}, {"rotation": -90}]}],
            "format": {"format_name": "mov,mp4", "duration": "12.5", "bit_rate": "1000"}}"#;
        let probe = read(told).unwrap();
        assert_eq!((probe.width, probe.height, probe.video_codec.as_str()), (1080, 1920, "hevc"));
        assert_eq!((probe.duration_seconds, probe.bit_rate), (12.5, Some(1000)));
        assert_eq!(probe.audio_codec.as_deref(), Some("aac"));
        assert!((probe.frame_rate.unwrap() - 29.97).abs() < 0.001);
    }

    #[test]
    fn what_is_missing_is_named() {
        let video = r#"{"codec_type": "video", "codec_name": "vp9", "width": 2, "height": 2, "avg_frame_rate": "0/0"}"#;
        for (told, part) in [
            ("{}".to_owned(), "no video"),
            (format!(r#"{{"streams": [{video}], "format": {{"duration": "N/A"}}}}"#), "how long"),
            ("nonsense".to_owned(), "cannot be read"),
        ] {
            assert!(read(&told).unwrap_err().contains(part), "{told}");
        }
        let of_stream = video.replace("\"width\"", "\"duration\": \"3\", \"width\"");
        let probe = read(&format!(r#"{{"streams": [{of_stream}]}}"#)).unwrap();
        assert_eq!((probe.duration_seconds, probe.frame_rate), (3.0, None));
    }
}
