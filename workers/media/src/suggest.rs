//! What an analysis proposes for a scene: tags out of its technical data and its name, markers out of its cuts. Pure.

use std::collections::BTreeSet;

use crate::{
    limits::{CHANGES_PER_SCENE, NAME_TAGS},
    store::{Change, Cut, Scene},
};

/// Two markers are at least this far apart.
const APART_MS: u64 = 1_000;

/// Words of names that say nothing about what is to be seen.
const NOISE: [&str; 34] = [
    "and", "avi", "bluray", "brrip", "clip", "copy", "der", "die", "dvdrip", "edit", "final", "for", "from", "full",
    "h264", "h265", "hdtv", "hevc", "movie", "mp4", "new", "part", "the", "und", "untitled", "vid", "video", "von",
    "web", "webrip", "with", "x264", "x265", "xvid",
];

/// The changes that are proposed for a scene, at most 200: its tags, and of its markers the clearest.
#[must_use]
pub fn changes(scene: &Scene, cuts: &[Cut], threshold: f64) -> Vec<Change> {
    let tag =
        |(name, reason): (String, String)| Change { scene_id: scene.id, kind: "tag", value: name, at_ms: None, reason };
    let mut changes: Vec<Change> = technical(scene).into_iter().chain(words(&scene.title)).map(tag).collect();
    let room = CHANGES_PER_SCENE.saturating_sub(changes.len());
    let markers = strongest(cuts, threshold, room).into_iter().zip(2_u32..);
    changes.extend(markers.map(|(cut, number)| Change {
        scene_id: scene.id,
        kind: "marker",
        value: format!("Scene {number}"),
        at_ms: i64::try_from(cut.at_ms).ok(),
        reason: format!("the picture changes by {:.0} %", cut.score * 100.0),
    }));
    changes
}

fn technical(scene: &Scene) -> Vec<(String, String)> {
    let (width, height) = (scene.width, scene.height);
    let size = format!("{width}x{height} pixels");
    // The short side: a video from a phone held upright has as many pixels as one held across.
    let resolution = match width.min(height) {
        2160.. => "4k",
        1440.. => "1440p",
        1080.. => "1080p",
        720.. => "720p",
        480.. => "480p",
        _ => "low",
    };
    let orientation = match width.cmp(&height) {
        std::cmp::Ordering::Greater => "landscape",
        std::cmp::Ordering::Less => "portrait",
        std::cmp::Ordering::Equal => "square",
    };
    let seconds = scene.duration_seconds;
    let duration = match seconds {
        ..60.0 => "clip",
        ..600.0 => "short",
        ..2_400.0 => "medium",
        _ => "long",
    };
    vec![
        (format!("resolution:{resolution}"), size.clone()),
        (format!("orientation:{orientation}"), size),
        (format!("codec:{}", scene.video_codec), "its video stream".to_owned()),
        (format!("duration:{duration}"), format!("{seconds:.1} s")),
    ]
}

/// The words of a name, as far as they look like words.
fn words(title: &str) -> Vec<(String, String)> {
    let mut seen = BTreeSet::new();
    let words = title.split(|c: char| !c.is_alphanumeric()).map(str::to_lowercase);
    words
        .filter(|word| (3..=40).contains(&word.chars().count()) && word.chars().all(char::is_alphabetic))
        .filter(|word| !NOISE.contains(&word.as_str()) && seen.insert(word.clone()))
        .take(NAME_TAGS)
        .map(|word| (word, "its name".to_owned()))
        .collect()
}

/// The strongest cuts above a threshold that are apart from each other, in their order.
fn strongest(cuts: &[Cut], threshold: f64, most: usize) -> Vec<Cut> {
    let mut by_score: Vec<Cut> = cuts.iter().copied().filter(|cut| cut.score >= threshold).collect();
    by_score.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.at_ms.cmp(&b.at_ms)));
    let mut taken: std::collections::BTreeMap<u64, Cut> = std::collections::BTreeMap::new();
    for cut in by_score {
        if taken.len() == most {
            break;
        }
        let near = cut.at_ms.saturating_sub(APART_MS - 1)..cut.at_ms.saturating_add(APART_MS);
        if cut.at_ms >= APART_MS && taken.range(near).next().is_none() {
            taken.insert(cut.at_ms, cut);
        }
    }
    taken.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scene(title: &str) -> Scene {
        Scene {
            id: 7,
            title: title.into(),
            fingerprint: "f".into(),
            missing: false,
            analyzed: false,
            planned: false,
            path: "/l/x.mp4".into(),
            in_sync: true,
            duration_seconds: 601.0,
            video_codec: "h264".into(),
            width: 1080,
            height: 1920,
        }
    }

    fn values(changes: &[Change], kind: &str) -> Vec<String> {
        changes.iter().filter(|change| change.kind == kind).map(|change| change.value.clone()).collect()
    }

    #[test]
    fn tags_tell_of_technical_data_and_names() {
        let changes = changes(&scene("The Beach_2021 (beach) at sunset-x264.Über 4k ab\n'quoted'"), &[], 0.3);
        let tags = values(&changes, "tag");
        let technical = ["resolution:1080p", "orientation:portrait", "codec:h264", "duration:medium"];
        assert_eq!(tags, [&technical[..], &["beach", "sunset", "über", "quoted"]].concat());
        let long: String =
            (b'a'..=b'z').map(|letter| format!("{} ", char::from(letter).to_string().repeat(4))).collect();
        assert_eq!(super::changes(&scene(&long), &[], 0.3).len(), 4 + NAME_TAGS);
    }

    #[test]
    fn markers_are_the_clearest_cuts_apart_from_each_other_and_limited() {
        let cut = |at_ms, score| Cut { at_ms, score };
        let cuts = [cut(500, 0.9), cut(2_000, 0.5), cut(2_400, 0.8), cut(3_400, 0.4), cut(9_000, 0.2)];
        let found = changes(&scene("x"), &cuts, 0.3);
        let places: Vec<Option<i64>> = found.iter().filter(|c| c.kind == "marker").map(|c| c.at_ms).collect();
        assert_eq!(places, [Some(2_400), Some(3_400)], "one near the beginning, one near a stronger one, one too weak");
        assert_eq!(values(&found, "marker"), ["Scene 2", "Scene 3"]);

        let many: Vec<Cut> = (1..1_000).map(|second| cut(second * 1_000, 0.5)).collect();
        assert_eq!(changes(&scene("x"), &many, 0.3).len(), CHANGES_PER_SCENE);
    }
}
