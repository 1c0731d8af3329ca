//! Where previews are served.

use drover_media_worker::jobs::{GenerateResult, ScenePreviews};

use crate::support::{Site, result, script};

#[tokio::test]
async fn a_result_says_where_the_previews_of_its_scenes_are_served() {
    let mut site = Site::new().await;
    site.video("1.mp4");
    site.video("2.mp4");
    let scenes: Vec<i64> = site.scenes().await.into_values().collect();
    let silent: GenerateResult = result(&site.generate(&scenes[..1]).await);
    assert_eq!((silent.generated, silent.previews), (3, vec![]), "nobody said where");

    site.media.folders = site.media.folders.served_at(Some("/files/media/"));
    let run = site.generate(&scenes).await;
    let made: GenerateResult = result(&run);
    assert_eq!((made.generated, made.skipped), (3, 3), "{run:?}");
    for (scene, linked) in scenes.iter().zip(&made.previews) {
        let at = |name: &str| Some(format!("/files/media/{scene}/{name}"));
        let ending = linked.preview.as_ref().and_then(|clip| clip.rsplit_once('.')).map(|(_, ending)| ending).unwrap();
        let expected = ScenePreviews {
            scene_id: *scene,
            thumbnail: at("thumbnail.jpg"),
            sprite: at("sprite.jpg"),
            vtt: at("sprite.vtt"),
            preview: at(&format!("preview.{ending}")),
        };
        assert_eq!(*linked, expected, "what was up to date is linked, too");
    }
    assert_eq!(made.previews.len(), 2);
}

#[tokio::test]
async fn what_could_not_be_made_has_no_address() {
    let mut site = Site::new().await;
    site.video("1.mp4");
    let scene = site.scenes().await["1.mp4"];
    site.media.folders = site.media.folders.served_at(Some("/files/media"));
    // Clips alone name a codec.
    let bare = script(&site, "case \"$*\" in *-encoders*) exit 0;; esac; exec ffmpeg \"$@\"");
    let site = site.with_ffmpeg(&bare);
    let run = site.generate(&[scene]).await;
    assert!(!run.is_completed(), "{run:?}");
    let made: GenerateResult = result(&run);
    assert_eq!(made.previews, [], "the scene was not done with");
    let site = site.with_ffmpeg("ffmpeg");
    let made: GenerateResult = result(&site.generate(&[scene]).await);
    assert_eq!((made.generated, made.skipped, made.previews.len()), (1, 2, 1));
}
