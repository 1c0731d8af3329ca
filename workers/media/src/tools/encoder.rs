//! The encoder for clips: the best that this ffmpeg has.

use std::ffi::OsString;

use drover_worker::JobContext;

use super::{Program, ToolError, Tools, words};

/// An encoder for short clips that browsers play; the last one plays in programs only, and every ffmpeg has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoder {
    /// H.264 in MP4.
    H264,
    /// VP9 in WebM.
    Vp9,
    /// VP8 in WebM.
    Vp8,
    /// MPEG-4 part 2 in MP4.
    Mpeg4,
}

impl Encoder {
    /// All, the best first, with ffmpeg's names.
    const ALL: [(&'static str, Self); 4] =
        [("libx264", Self::H264), ("libvpx-vp9", Self::Vp9), ("libvpx", Self::Vp8), ("mpeg4", Self::Mpeg4)];

    /// The ending of its files.
    #[must_use]
    pub const fn ending(self) -> &'static str {
        match self {
            Self::H264 | Self::Mpeg4 => "mp4",
            Self::Vp9 | Self::Vp8 => "webm",
        }
    }

    /// The best of those in the output of `ffmpeg -encoders`.
    #[must_use]
    pub fn best_of(encoders: &str) -> Option<Self> {
        let has = |name: &str| encoders.lines().any(|line| line.split_whitespace().nth(1) == Some(name));
        Self::ALL.into_iter().find(|(name, _)| has(name)).map(|(_, encoder)| encoder)
    }

    /// ffmpeg's arguments.
    pub(super) fn arguments(self) -> Vec<OsString> {
        let speed: &[&str] = match self {
            Self::H264 => &["-c:v", "libx264", "-preset", "veryfast", "-crf", "26", "-movflags", "+faststart"],
            Self::Vp9 => &["-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-crf", "36", "-b:v", "0"],
            Self::Vp8 => &["-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8", "-b:v", "1M"],
            Self::Mpeg4 => &["-c:v", "mpeg4", "-q:v", "6", "-movflags", "+faststart"],
        };
        let mut arguments = words(speed);
        arguments.extend(words(&["-pix_fmt", "yuv420p", "-f", self.ending()]));
        arguments
    }
}

impl Tools {
    /// The encoder for clips. ffmpeg is asked once.
    pub(super) async fn encoder(&self, ctx: &JobContext) -> Result<Encoder, ToolError> {
        let ask = async {
            let arguments = words(&["-hide_banner", "-loglevel", "error", "-encoders"]);
            let encoders = self.output(ctx, Program::Ffmpeg, arguments).await?;
            Encoder::best_of(&encoders).ok_or_else(|| {
                let wanted = Encoder::ALL.map(|(name, _)| name).join(", ");
                ToolError::Unfit { program: Program::Ffmpeg.as_str(), wanted }
            })
        };
        self.encoder.get_or_try_init(|| ask).await.copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_encoder_that_is_there() {
        let all = " V..... = Video\n V....D libx264rgb  x\n V.S... mpeg4   MPEG-4 part 2\n V....D libvpx-vp9  VP9";
        assert_eq!(Encoder::best_of(all), Some(Encoder::Vp9));
        assert_eq!(Encoder::best_of(" V.S... mpeg4"), Some(Encoder::Mpeg4));
        assert_eq!(Encoder::best_of(""), None);
    }
}
