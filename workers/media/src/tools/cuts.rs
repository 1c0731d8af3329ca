//! Changes of scene within a video.

use std::path::Path;

use drover_worker::JobContext;

use super::{Program, ToolError, Tools, input, quiet, words};
use crate::{limits::CUTS, store::Cut};

/// Below this a change of the picture is movement, and not kept.
pub const MIN_SCORE: f64 = 0.1;
/// The scene filter compares each picture with the one before; `metadata` writes the time and score of every one, which is
/// also how far it is; `direct`: as it comes, and not a buffer later. Small pictures are compared faster, and no worse.
const FILTER: &str = "scale=320:-2,select='gte(scene,0)',metadata=mode=print:file=-:direct=1";

impl Tools {
    /// Finds the cuts of a video, in their order. `at`: hears the seconds that were looked at.
    ///
    /// # Errors
    /// [`ToolError`].
    pub async fn cuts(
        &self,
        ctx: &JobContext,
        path: &Path,
        mut at: impl FnMut(f64) + Send,
    ) -> Result<Vec<Cut>, ToolError> {
        let mut arguments = quiet();
        arguments.extend(input(path));
        arguments.extend(words(&["-map", "0:v:0", "-an", "-sn", "-dn", "-vf", FILTER, "-f", "null", "-"]));
        let mut reading = Reading::default();
        self.run(ctx, Program::Ffmpeg, arguments, |line| {
            if let Some(seconds) = reading.line(line) {
                at(seconds);
            }
        })
        .await?;
        Ok(reading.finish())
    }
}

/// Reads pairs of lines: `frame:50 pts:25600 pts_time:2` and `lavfi.scene_score=0.881658`.
#[derive(Default)]
struct Reading {
    seconds: f64,
    cuts: Vec<Cut>,
}

impl Reading {
    /// The time of a picture, if the line tells one.
    fn line(&mut self, line: &str) -> Option<f64> {
        if let Some((_, time)) = line.split_once("pts_time:") {
            self.seconds = time.trim().parse().ok().filter(|seconds: &f64| seconds.is_finite() && *seconds >= 0.0)?;
            return Some(self.seconds);
        }
        let score = line.strip_prefix("lavfi.scene_score=")?.trim().parse().ok()?;
        // The first picture follows upon none.
        if score >= MIN_SCORE && self.seconds > 0.0 {
            self.cuts.push(Cut { at_ms: milliseconds(self.seconds), score });
            if self.cuts.len() > 2 * CUTS {
                self.keep_strongest();
            }
        }
        None
    }

    fn keep_strongest(&mut self) {
        self.cuts.sort_by(|a, b| b.score.total_cmp(&a.score));
        self.cuts.truncate(CUTS);
    }

    fn finish(mut self) -> Vec<Cut> {
        self.keep_strongest();
        self.cuts.sort_by_key(|cut| cut.at_ms);
        self.cuts
    }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "not negative, and no video has more")]
fn milliseconds(seconds: f64) -> u64 {
    (seconds * 1_000.0).round() as u64
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn times_and_scores_are_read_and_the_strongest_kept() {
        let mut reading = Reading::default();
        for (line, seconds) in [
            ("frame:0    pts:0       pts_time:0", Some(0.0)),
            ("lavfi.scene_score=1.000000", None),
            ("frame:1    pts:512     pts_time:0.04", Some(0.04)),
            ("lavfi.scene_score=0.05", None),
            ("frame:2    pts:1024    pts_time:1.0805", Some(1.0805)),
            ("lavfi.scene_score=0.5", None),
            ("something else", None),
            ("frame:3 pts:N pts_time:nan", None),
        ] {
            assert_eq!(reading.line(line), seconds, "{line}");
        }
        for frame in 2..(3 * CUTS + 2) {
            reading.line(&format!("frame:1 pts:1 pts_time:{frame}"));
            reading.line("lavfi.scene_score=0.2");
        }
        let cuts = reading.finish();
        assert_eq!(cuts.len(), CUTS);
        assert_eq!(cuts[0], Cut { at_ms: 1081, score: 0.5 });
        assert!(cuts.windows(2).all(|pair| pair[0].at_ms < pair[1].at_ms));
    }
}
