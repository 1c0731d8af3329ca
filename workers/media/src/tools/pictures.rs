//! Pictures of a video: one for a list, and many for the line under a player.

use std::{ffi::OsString, fmt::Write, path::Path};

use drover_worker::JobContext;

use super::{Program, ToolError, Tools, file_url, input, quiet, words};

/// Width of a thumbnail, in pixels; a smaller video keeps its own.
const THUMBNAIL_WIDTH: u32 = 640;
/// Width of a picture in a sprite sheet, in pixels.
const TILE_WIDTH: u32 = 160;
/// Most pictures in a sprite sheet.
const TILES: u32 = 81;
/// Of a longer video only key frames are decoded for the sheet: a picture need not be exact to the second there.
const KEY_FRAMES_FROM_SECONDS: f64 = 120.0;

/// The layout of a sprite sheet.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sprite {
    tiles: u32,
    columns: u32,
    tile_height: u32,
    seconds: f64,
}

impl Sprite {
    /// A picture for each second, at most 81 in all.
    #[must_use]
    pub fn of(duration_seconds: f64, width: u32, height: u32) -> Self {
        let tiles = (1..TILES).find(|tiles| f64::from(*tiles) + 0.5 >= duration_seconds).unwrap_or(TILES);
        let columns = (1..=tiles).find(|columns| columns * columns >= tiles).unwrap_or(1);
        let tile_height = scaled(TILE_WIDTH, width, height);
        Self { tiles, columns, tile_height, seconds: duration_seconds.max(0.001) }
    }

    fn rows(self) -> u32 {
        self.tiles.div_ceil(self.columns)
    }

    /// ffmpeg's filter for the sheet.
    fn filter(self) -> String {
        let Self { tiles, columns, tile_height, seconds } = self;
        let rate = f64::from(tiles) / seconds;
        format!("fps={rate:.9},scale={TILE_WIDTH}:{tile_height},setsar=1,tile={columns}x{}", self.rows())
    }

    /// The WebVTT file that says which part of the sheet is when. `sheet`: its name, beside this file.
    #[must_use]
    pub fn webvtt(self, sheet: &str) -> String {
        let each = self.seconds / f64::from(self.tiles);
        let mut text = String::from("WEBVTT\n");
        for tile in 0..self.tiles {
            let (from, to) = (f64::from(tile) * each, f64::from(tile + 1) * each);
            let (x, y) = (tile % self.columns * TILE_WIDTH, tile / self.columns * self.tile_height);
            let (from, to, height) = (timestamp(from), timestamp(to), self.tile_height);
            // Writing to a String does not fail.
            let _ = write!(text, "\n{from} --> {to}\n{sheet}#xywh={x},{y},{TILE_WIDTH},{height}\n");
        }
        text
    }
}

/// `00:01:02.500`
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "not negative, and no video has more")]
fn timestamp(seconds: f64) -> String {
    let milliseconds = (seconds * 1_000.0).round() as u64;
    let (seconds, rest) = (milliseconds / 1_000, milliseconds % 1_000);
    format!("{:02}:{:02}:{:02}.{rest:03}", seconds / 3_600, seconds / 60 % 60, seconds % 60)
}

/// The height that goes with a width: even, as encoders want it.
pub(super) fn scaled(to_width: u32, width: u32, height: u32) -> u32 {
    let exact = u64::from(to_width) * u64::from(height) / u64::from(width.max(1));
    u32::try_from(exact / 2 * 2).unwrap_or(u32::MAX).clamp(2, 8_192)
}

impl Tools {
    /// Writes a picture from the first fifth of a video as JPEG.
    ///
    /// # Errors
    /// [`ToolError`].
    pub async fn thumbnail(
        &self,
        ctx: &JobContext,
        path: &Path,
        duration_seconds: f64,
        size: (u32, u32),
        to: &Path,
    ) -> Result<(), ToolError> {
        let width = size.0.min(THUMBNAIL_WIDTH);
        let filter = format!("scale={width}:{},setsar=1", scaled(width, size.0, size.1));
        let at = |seconds: f64| [OsString::from("-ss"), format!("{seconds:.3}").into()];
        self.picture(ctx, path, at(duration_seconds / 5.0), &filter, to).await?;
        if !is_empty(to).await {
            return Ok(());
        }
        // Some files have no picture after the place that was asked for, or lie about their length.
        self.picture(ctx, path, at(0.0), &filter, to).await?;
        needs_picture(to).await
    }

    /// Writes a sprite sheet of a video as JPEG.
    ///
    /// # Errors
    /// [`ToolError`].
    pub async fn sprite(&self, ctx: &JobContext, path: &Path, sprite: Sprite, to: &Path) -> Result<(), ToolError> {
        let key_frames: &[&str] =
            if sprite.seconds > KEY_FRAMES_FROM_SECONDS { &["-skip_frame", "nokey"] } else { &[] };
        self.picture(ctx, path, words(key_frames), &sprite.filter(), to).await?;
        needs_picture(to).await
    }

    async fn picture(
        &self,
        ctx: &JobContext,
        path: &Path,
        before: impl IntoIterator<Item = OsString> + Send,
        filter: &str,
        to: &Path,
    ) -> Result<(), ToolError> {
        let mut arguments = quiet();
        arguments.extend(before);
        arguments.extend(input(path));
        arguments.extend(words(&["-map", "0:v:0", "-an", "-sn", "-dn", "-vf", filter, "-frames:v", "1"]));
        // The muxer of single JPEGs: that of picture series takes `%` in a name for a number.
        arguments.extend(words(&["-c:v", "mjpeg", "-q:v", "4", "-f", "mjpeg", "-y"]));
        arguments.push(file_url(to));
        self.run(ctx, Program::Ffmpeg, arguments, |_| ()).await
    }
}

async fn is_empty(path: &Path) -> bool {
    tokio::fs::metadata(path).await.map_or(true, |metadata| metadata.len() == 0)
}

async fn needs_picture(path: &Path) -> Result<(), ToolError> {
    if is_empty(path).await {
        let what = "it found no picture in the video".to_owned();
        return Err(ToolError::Output { program: Program::Ffmpeg.as_str(), what });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sheet_has_a_picture_a_second_up_to_its_limit() {
        let sprite = Sprite::of(6.0, 640, 360);
        assert_eq!((sprite.tiles, sprite.columns, sprite.rows(), sprite.tile_height), (6, 3, 2, 90));
        assert_eq!(sprite.filter(), "fps=1.000000000,scale=160:90,setsar=1,tile=3x2");
        let vtt = sprite.webvtt("sprite.jpg");
        assert!(vtt.starts_with("WEBVTT\n\n00:00:00.000 --> 00:00:01.000\nsprite.jpg#xywh=0,0,160,90\n\n"), "{vtt}");
        assert!(vtt.ends_with("00:00:05.000 --> 00:00:06.000\nsprite.jpg#xywh=320,90,160,90\n"), "{vtt}");
        let long = Sprite::of(7_200.0, 1080, 1920);
        assert_eq!((long.tiles, long.columns, long.rows(), long.tile_height), (81, 9, 9, 284));
        assert_eq!(Sprite::of(0.04, 2, 2).tiles, 1);
        assert_eq!(timestamp(3_723.05), "01:02:03.050");
    }
}
