//! `analysis`: a batch of scenes is looked at, and a plan proposes what to write about them.

use std::path::Path;

use async_trait::async_trait;
use drover_worker::{Job, JobContext, JobFailure, Outcome, ProgressReport};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{go_on, invalid};
use crate::{
    config::Media,
    fault::{self, Broken, Fault, FaultKind, ItemError, all_failed, outcome},
    limits::SCENES_PER_JOB,
    store::{Change, Cut, NewPlan, Plan, Scene, StoreError},
    suggest,
    text::{self, count},
    tools::MIN_SCORE,
};

/// Analyzes a batch of scenes and makes one plan of it, whole or not at all. A batch of a run has one plan, however often
/// and wherever it is analyzed; one that was put aside, or is about other scenes, as that of a run which began from its start
/// again, is replaced. What was found in a video is kept, so that a repeat need not look again.
#[derive(Clone, Debug)]
pub struct Analysis(pub Media);

/// Which scenes.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AnalysisParams {
    /// The scenes.
    pub scene_ids: Vec<i64>,
    /// The run: the workflow's id is a good one.
    pub run_id: String,
    /// Which batch of the run, from 0.
    pub batch: u32,
    /// How much the picture must change for a marker, from 0.1 to 1.
    #[serde(default = "threshold")]
    #[schemars(range(min = 0.1, max = 1))]
    pub scene_threshold: f64,
}

const fn threshold() -> f64 {
    0.3
}

/// The plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AnalysisResult {
    /// The plan's id.
    pub plan_id: i64,
    /// Scenes that were really analyzed: neither those that failed nor those that need no analysis any more.
    pub scenes_analyzed: u64,
    /// Changes that the plan proposes.
    pub changes_proposed: u64,
    /// Why scenes failed: the first of them.
    pub errors: Vec<ItemError>,
}

impl From<Plan> for AnalysisResult {
    fn from(plan: Plan) -> Self {
        let Plan { id, scenes_analyzed, changes_proposed, errors } = plan;
        Self { plan_id: id, scenes_analyzed, changes_proposed, errors }
    }
}

/// What was found by now.
#[derive(Default)]
struct Found {
    scenes: Vec<(i64, String)>,
    changes: Vec<Change>,
    errors: Vec<ItemError>,
    failed: u64,
}

#[async_trait]
impl Job for Analysis {
    const TYPE: &'static str = "analysis";
    const TITLE: &'static str = "Analyze scenes";
    const UNIT: Option<&'static str> = Some("scenes");
    type Params = AnalysisParams;
    type Result = AnalysisResult;

    async fn run(&self, ctx: &JobContext, params: AnalysisParams) -> Result<Outcome<AnalysisResult>, JobFailure> {
        check(&params)?;
        let store = &self.0.store;
        let before = store.find_plan(&params.run_id, params.batch, &params.scene_ids).await;
        let plan = match before.map_err(StoreError::into_failure)? {
            Some(plan) => plan,
            None => self.analyze(ctx, &params).await?,
        };
        ctx.message(format!(
            "{} proposed for {}",
            count(plan.changes_proposed, "change"),
            count(plan.scenes_analyzed, "scene")
        ));
        let result = AnalysisResult::from(plan);
        let errors = result.errors.clone();
        Ok(outcome(result, &errors))
    }
}

fn check(params: &AnalysisParams) -> Result<(), JobFailure> {
    if params.scene_ids.len() > SCENES_PER_JOB {
        let given = params.scene_ids.len();
        return Err(invalid(format!("scene_ids: {given} scenes are too many; give at most {SCENES_PER_JOB}")));
    }
    if params.run_id.is_empty() || params.run_id.len() > 128 || params.run_id.contains('\0') {
        return Err(invalid("run_id: give a text of 1 to 128 bytes, such as the workflow's id"));
    }
    if !(MIN_SCORE..=1.0).contains(&params.scene_threshold) {
        return Err(invalid(format!("scene_threshold: {} cannot be used; give 0.1 to 1", params.scene_threshold)));
    }
    Ok(())
}

impl Analysis {
    async fn analyze(&self, ctx: &JobContext, params: &AnalysisParams) -> Result<Plan, JobFailure> {
        let store = &self.0.store;
        let scenes = store.scenes(&params.scene_ids).await.map_err(StoreError::into_failure)?;
        let mut found = Found::default();
        for (index, id) in params.scene_ids.iter().enumerate() {
            go_on(ctx)?;
            let told = |share: f64| report(ctx, index, share, params.scene_ids.len());
            told(0.0);
            match self.scene(ctx, *id, scenes.get(id), told).await {
                Ok(None) => {}
                Ok(Some((scene, cuts))) => {
                    found.changes.extend(suggest::changes(scene, &cuts, params.scene_threshold));
                    found.scenes.push((scene.id, scene.fingerprint.clone()));
                }
                Err(Broken::Item(fault)) => {
                    found.failed += 1;
                    fault::note(ctx, &mut found.errors, format!("scene {id}"), fault);
                }
                Err(Broken::Job(failure)) => return Err(failure),
            }
        }
        report(ctx, params.scene_ids.len(), 0.0, params.scene_ids.len());
        if found.scenes.is_empty() && found.failed > 0 {
            return Err(all_failed(&count(found.failed, "scene"), "analyzed", &found.errors));
        }
        let Found { scenes, changes, errors, .. } = found;
        let AnalysisParams { run_id, batch, scene_ids, .. } = params;
        let new = NewPlan { run_id, batch: *batch, asked: scene_ids, scenes, changes, errors: &errors };
        store.make_plan(&new).await.map_err(StoreError::into_failure)
    }

    /// The cuts of a scene. `None`: it needs no analysis any more.
    async fn scene<'s>(
        &self,
        ctx: &JobContext,
        id: i64,
        scene: Option<&'s Scene>,
        told: impl Fn(f64) + Send + Sync,
    ) -> Result<Option<(&'s Scene, Vec<Cut>)>, Broken> {
        let Some(scene) = scene else {
            return Err(Fault::new(FaultKind::Gone, format!("there is no scene {id} any more")).into());
        };
        if scene.analyzed || scene.planned {
            return Ok(None);
        }
        if scene.missing || !scene.in_sync {
            let message = format!("{} is gone or was changed; run media_scan and sync", scene.path);
            return Err(Fault::new(FaultKind::Gone, message).into());
        }
        ctx.message(format!("Looking at {}", text::quotable(&scene.title, 200)));
        if let Some(cuts) = self.0.store.cuts(&scene.fingerprint).await? {
            return Ok(Some((scene, cuts)));
        }
        let length = scene.duration_seconds.max(0.001);
        let cuts = self.0.tools.cuts(ctx, Path::new(&scene.path), |seconds| told((seconds / length).min(1.0))).await?;
        self.0.store.record_cuts(&scene.fingerprint, &cuts).await?;
        Ok(Some((scene, cuts)))
    }
}

/// How far it is: whole items, and a share of the one at work.
pub(super) fn report(ctx: &JobContext, done: usize, share: f64, total: usize) {
    let counted = u32::try_from(done).ok().zip(u32::try_from(total).ok()).filter(|(_, total)| *total > 0);
    ctx.progress(ProgressReport {
        percent: counted.map(|(done, total)| (f64::from(done) + share) * 100.0 / f64::from(total)),
        message: None,
        processed: Some(done as u64),
        total: Some(total as u64),
    });
}
