//! A short clip out of a video.

use std::{ffi::OsString, fmt::Write, path::Path};

use drover_worker::JobContext;

use super::{Encoder, Program, ToolError, Tools, file_url, input, pictures::scaled, quiet, words};

/// Width of a clip, in pixels; a smaller video keeps its own.
const WIDTH: u32 = 640;
/// Frames per second of a clip.
const RATE: u32 = 25;
/// Parts that a clip is made of, and the length of each.
const PARTS: u32 = 4;
const PART_SECONDS: f64 = 1.5;

/// Where the parts begin, and how long each is: spread over the video, or all of it when it is short.
fn parts(duration_seconds: f64) -> (Vec<f64>, f64) {
    if duration_seconds <= f64::from(PARTS) * PART_SECONDS {
        return (vec![0.0], duration_seconds);
    }
    let each = duration_seconds / f64::from(PARTS);
    let begins = (0..PARTS).map(|part| f64::from(part) * each + (each - PART_SECONDS) / 2.0);
    (begins.collect(), PART_SECONDS)
}

impl Tools {
    /// The ending that the files of clips have.
    ///
    /// # Errors
    /// [`ToolError`], if ffmpeg has no encoder for them.
    pub async fn clip_ending(&self, ctx: &JobContext) -> Result<&'static str, ToolError> {
        self.encoder(ctx).await.map(Encoder::ending)
    }

    /// Writes a clip of a few seconds, without sound. `share`: hears how much of it is done, 0 to 1.
    ///
    /// # Errors
    /// [`ToolError`].
    pub async fn clip(
        &self,
        ctx: &JobContext,
        path: &Path,
        duration_seconds: f64,
        size: (u32, u32),
        to: &Path,
        mut share: impl FnMut(f64) + Send,
    ) -> Result<(), ToolError> {
        let encoder = self.encoder(ctx).await?;
        let (begins, seconds) = parts(duration_seconds);
        let mut arguments = quiet();
        arguments.extend(words(&["-progress", "pipe:1", "-nostats"]));
        for begin in &begins {
            arguments.extend(["-ss", &format!("{begin:.3}"), "-t", &format!("{seconds:.3}")].map(OsString::from));
            arguments.extend(input(path));
        }
        arguments.extend(words(&[
            "-filter_complex",
            &filter(begins.len(), size),
            "-map",
            "[out]",
            "-an",
            "-sn",
            "-dn",
        ]));
        arguments.extend(encoder.arguments());
        arguments.extend(words(&["-y"]));
        arguments.push(file_url(to));
        let total_us = begins.iter().map(|_| seconds * 1e6).sum::<f64>();
        self.run(ctx, Program::Ffmpeg, arguments, |line| {
            if let Some(done) = line.strip_prefix("out_time_us=").and_then(|text| text.trim().parse::<f64>().ok()) {
                share((done / total_us).clamp(0.0, 1.0));
            }
        })
        .await
    }
}

fn filter(inputs: usize, size: (u32, u32)) -> String {
    let width = (size.0.min(WIDTH) / 2 * 2).max(2);
    let height = scaled(width, size.0, size.1);
    let mut filter = String::new();
    for index in 0..inputs {
        // Writing to a String does not fail.
        let _ = write!(filter, "[{index}:v:0]scale={width}:{height},setsar=1,fps={RATE}[part{index}];");
    }
    for index in 0..inputs {
        let _ = write!(filter, "[part{index}]");
    }
    let _ = write!(filter, "concat=n={inputs}:v=1:a=0[out]");
    filter
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_video_is_its_own_clip_and_a_long_one_gives_parts() {
        assert_eq!(parts(5.0), (vec![0.0], 5.0));
        assert_eq!(parts(100.0), (vec![11.75, 36.75, 61.75, 86.75], 1.5));
        assert_eq!(
            filter(2, (1921, 1080)),
            "[0:v:0]scale=640:358,setsar=1,fps=25[part0];[1:v:0]scale=640:358,setsar=1,fps=25[part1];\
             [part0][part1]concat=n=2:v=1:a=0[out]"
        );
    }
}
