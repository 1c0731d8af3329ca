//! `generate`: previews of scenes.

use std::{io::Write, path::Path};

use async_trait::async_trait;
use drover_worker::{Job, JobContext, JobFailure, Outcome};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{analysis::report, go_on, invalid};
use crate::{
    config::Media,
    draft::Draft,
    fault::{self, Broken, Fault, FaultKind, ItemError, all_failed, outcome},
    limits::{LINKED_SCENES, PATHS, SCENES_PER_JOB},
    store::{GeneratedRow, Preview, Scene, StoreError},
    text::{self, count},
    tools::Sprite,
};

/// Makes a thumbnail, a sprite sheet with its WebVTT file and a short clip of each scene, each whole or not at all. What
/// shows the scene's content already is passed over. Safe to repeat.
#[derive(Clone, Debug)]
pub struct Generate(pub Media);

/// Which scenes.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GenerateParams {
    /// The scenes.
    pub scene_ids: Vec<i64>,
    /// Make anew what is up to date.
    #[serde(default)]
    pub force: bool,
}

/// What became of the previews: three for each scene.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GenerateResult {
    /// Previews made.
    pub generated: u64,
    /// Previews that were up to date.
    pub skipped: u64,
    /// Previews that could not be made.
    pub failed: u64,
    /// The files made: the first of them.
    pub paths: Vec<String>,
    /// Where the scenes' previews are served, also those that were up to date: of the first 100 scenes. Nothing, unless the
    /// worker was told where (`DROVER_MEDIA_FILES_URL`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub previews: Vec<ScenePreviews>,
    /// Why previews failed: the first of them.
    pub errors: Vec<ItemError>,
}

/// The addresses of a scene's previews: of those that it has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ScenePreviews {
    /// The scene.
    pub scene_id: i64,
    /// One picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thumbnail: Option<String>,
    /// Many small pictures in one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sprite: Option<String>,
    /// Which of them is when: WebVTT.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vtt: Option<String>,
    /// A short clip.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preview: Option<String>,
}

#[async_trait]
impl Job for Generate {
    const TYPE: &'static str = "generate";
    const TITLE: &'static str = "Generate previews";
    const UNIT: Option<&'static str> = Some("scenes");
    type Params = GenerateParams;
    type Result = GenerateResult;

    async fn run(&self, ctx: &JobContext, params: GenerateParams) -> Result<Outcome<GenerateResult>, JobFailure> {
        if params.scene_ids.len() > SCENES_PER_JOB {
            let given = params.scene_ids.len();
            return Err(invalid(format!("scene_ids: {given} scenes are too many; give at most {SCENES_PER_JOB}")));
        }
        let mut result = GenerateResult::default();
        if let Err(failure) = self.all(ctx, &params, &mut result).await {
            return Err(failure.with_partial(result));
        }
        if result.failed > 0 && result.generated + result.skipped == 0 {
            return Err(all_failed(&count(result.failed, "preview"), "made", &result.errors).with_partial(result));
        }
        ctx.message(format!("{} made", count(result.generated, "preview")));
        let errors = result.errors.clone();
        Ok(outcome(result, &errors))
    }
}

impl Generate {
    async fn all(
        &self,
        ctx: &JobContext,
        params: &GenerateParams,
        result: &mut GenerateResult,
    ) -> Result<(), JobFailure> {
        let scenes = self.0.store.scenes(&params.scene_ids).await.map_err(StoreError::into_failure)?;
        let total = params.scene_ids.len();
        for (index, id) in params.scene_ids.iter().enumerate() {
            go_on(ctx)?;
            report(ctx, index, 0.0, total);
            let Some(scene) = scenes.get(id).filter(|scene| !scene.missing && scene.in_sync) else {
                result.failed += Preview::ALL.len() as u64;
                let message = "it is not there, or its file is gone or was changed; run media_scan and sync";
                fault::note(ctx, &mut result.errors, format!("scene {id}"), Fault::new(FaultKind::Gone, message));
                continue;
            };
            ctx.message(format!("Previews of {}", text::quotable(&scene.title, 200)));
            self.scene(ctx, scene, params.force, |share| report(ctx, index, share, total), result).await?;
            self.link(scene, result).await?;
        }
        report(ctx, total, 0.0, total);
        Ok(())
    }

    async fn scene(
        &self,
        ctx: &JobContext,
        scene: &Scene,
        force: bool,
        told: impl Fn(f64) + Sync,
        result: &mut GenerateResult,
    ) -> Result<(), JobFailure> {
        let made = self.0.store.generated_of(scene.id).await.map_err(StoreError::into_failure)?;
        let content = scene.fingerprint.clone();
        let up_to_date = ctx.blocking(move || Preview::ALL.map(|kind| is_up_to_date(&made, kind, &content))).await?;
        // Shares of the work: one picture, the whole video in small, a few seconds of it encoded.
        let shares = [(0.0, 0.1), (0.1, 0.5), (0.5, 1.0)];
        for ((kind, is_made), (from, to)) in Preview::ALL.into_iter().zip(up_to_date).zip(shares) {
            go_on(ctx)?;
            if !force && is_made {
                result.skipped += 1;
                continue;
            }
            let within = |share: f64| told(from + share * (to - from));
            match self.preview(ctx, scene, kind, within).await {
                Ok(paths) => {
                    result.generated += 1;
                    let room = PATHS.saturating_sub(result.paths.len());
                    result.paths.extend(paths.into_iter().take(room));
                }
                Err(Broken::Item(fault)) => {
                    result.failed += 1;
                    let item = format!("scene {}: {}", scene.id, kind.as_str());
                    fault::note(ctx, &mut result.errors, item, fault);
                }
                Err(Broken::Job(failure)) => return Err(failure),
            }
            told(to);
        }
        Ok(())
    }

    /// Says where the previews of a scene are served, if anybody serves them.
    async fn link(&self, scene: &Scene, result: &mut GenerateResult) -> Result<(), JobFailure> {
        let folders = &self.0.folders;
        if !folders.are_served() || result.previews.len() >= LINKED_SCENES {
            return Ok(());
        }
        let made = self.0.store.generated_of(scene.id).await.map_err(StoreError::into_failure)?;
        let mut linked = ScenePreviews { scene_id: scene.id, ..ScenePreviews::default() };
        for row in made.iter().filter(|row| row.fingerprint == scene.fingerprint && row.error.is_none()) {
            for path in row.paths.iter().map(Path::new) {
                let is_times = path.extension().is_some_and(|ending| ending == "vtt");
                let place = match row.kind.as_str() {
                    _ if is_times => &mut linked.vtt,
                    kind if kind == Preview::Thumbnail.as_str() => &mut linked.thumbnail,
                    kind if kind == Preview::Sprite.as_str() => &mut linked.sprite,
                    _ => &mut linked.preview,
                };
                *place = folders.address(path);
            }
        }
        if linked != (ScenePreviews { scene_id: scene.id, ..ScenePreviews::default() }) {
            result.previews.push(linked);
        }
        Ok(())
    }

    /// Makes a preview and notes it, or why the content gives none.
    async fn preview(
        &self,
        ctx: &JobContext,
        scene: &Scene,
        kind: Preview,
        told: impl Fn(f64) + Send,
    ) -> Result<Vec<String>, Broken> {
        let store = &self.0.store;
        let made = match kind {
            Preview::Thumbnail => self.thumbnail(ctx, scene).await,
            Preview::Sprite => self.sprite(ctx, scene).await,
            Preview::Clip => self.clip(ctx, scene, told).await,
        };
        match made {
            Ok(paths) => {
                store.record_generated(scene.id, kind, &scene.fingerprint, &paths, None).await?;
                Ok(paths)
            }
            Err(Broken::Item(fault)) if fault.kind == FaultKind::Corrupt => {
                // Not tried again by itself before the file changes.
                store.record_generated(scene.id, kind, &scene.fingerprint, &[], Some(&fault.message)).await?;
                Err(fault.into())
            }
            Err(broken) => Err(broken),
        }
    }

    async fn thumbnail(&self, ctx: &JobContext, scene: &Scene) -> Result<Vec<String>, Broken> {
        let draft = self.draft(ctx, scene).await?;
        let (from, seconds) = (Path::new(&scene.path), scene.duration_seconds);
        self.0.tools.thumbnail(ctx, from, seconds, size(scene), draft.path()).await?;
        Ok(vec![self.finish(ctx, scene, draft, "thumbnail.jpg").await?])
    }

    async fn sprite(&self, ctx: &JobContext, scene: &Scene) -> Result<Vec<String>, Broken> {
        let (width, height) = size(scene);
        let sprite = Sprite::of(scene.duration_seconds, width, height);
        let sheet = self.draft(ctx, scene).await?;
        self.0.tools.sprite(ctx, Path::new(&scene.path), sprite, sheet.path()).await?;
        let (mut times, text) = (self.draft(ctx, scene).await?, sprite.webvtt("sprite.jpg"));
        let written = ctx.blocking(move || times.file().write_all(text.as_bytes()).map(|()| times)).await?;
        let times = written.map_err(|error| Fault::io("write sprite.vtt", &error))?;
        // The times come last: where they are, the sheet is, too.
        let sheet = self.finish(ctx, scene, sheet, "sprite.jpg").await?;
        Ok(vec![sheet, self.finish(ctx, scene, times, "sprite.vtt").await?])
    }

    async fn clip(&self, ctx: &JobContext, scene: &Scene, told: impl Fn(f64) + Send) -> Result<Vec<String>, Broken> {
        let name = format!("preview.{}", self.0.tools.clip_ending(ctx).await?);
        let draft = self.draft(ctx, scene).await?;
        let (from, seconds) = (Path::new(&scene.path), scene.duration_seconds);
        self.0.tools.clip(ctx, from, seconds, size(scene), draft.path(), told).await?;
        Ok(vec![self.finish(ctx, scene, draft, &name).await?])
    }

    async fn draft(&self, ctx: &JobContext, scene: &Scene) -> Result<Draft, Broken> {
        let folder = self.0.folders.of_scene(scene.id);
        let draft = ctx.blocking(move || Draft::new_in(&folder)).await?;
        Ok(draft.map_err(|error| Fault::io("write a preview", &error))?)
    }

    async fn finish(&self, ctx: &JobContext, scene: &Scene, draft: Draft, name: &str) -> Result<String, Broken> {
        let path = self.0.folders.of_scene(scene.id).join(name);
        let to = path.clone();
        let finished = ctx.blocking(move || draft.finish(&to)).await?;
        finished.map_err(|error| Fault::io(&format!("write {name}"), &error))?;
        Ok(text::path(&path))
    }
}

fn size(scene: &Scene) -> (u32, u32) {
    (u32::try_from(scene.width).unwrap_or(1), u32::try_from(scene.height).unwrap_or(1))
}

/// Whether a preview shows the scene's content, by its fingerprint, and its files are there.
fn is_up_to_date(made: &[GeneratedRow], kind: Preview, content: &str) -> bool {
    made.iter().any(|row| {
        row.kind == kind.as_str()
            && row.fingerprint == content
            && row.error.is_none()
            && row.paths.iter().all(|path| Path::new(path).is_file())
    })
}
