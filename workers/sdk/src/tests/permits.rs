//! How many jobs run at once, and what becomes of messages that no permit is free for.

use std::{sync::Arc, time::Duration};

use drover_broker::Settle;

use super::{
    Scene,
    fake::{FakeBroker, State},
    jobs::Act,
    names, section,
};
use crate::WorkerSection;

fn one_at_a_time() -> Scene {
    Scene::start_with(FakeBroker::new(), WorkerSection { concurrency: 1, ..section() })
}

#[tokio::test(start_paused = true)]
async fn no_more_jobs_run_than_there_are_permits() {
    let scene = Scene::start();
    let jobs: Vec<_> = (0..5).map(|_| scene.submit(Act::Gate)).collect();
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(scene.probe.total(), 2);
    scene.probe.gate.add_permits(5);
    for job in &jobs {
        scene.ended(job).await;
        assert_eq!(scene.probe.runs(job), 1);
    }
    scene.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_message_without_a_permit_is_left_to_others_after_a_second() {
    let scene = one_at_a_time();
    let long = scene.running(Act::Gate).await;
    let waiting = scene.submit(Act::Return(1.into()));
    tokio::time::sleep(Duration::from_millis(900)).await;
    assert_eq!(scene.broker.state().pauses, 0, "a short wait is no reason");
    assert_eq!(scene.broker.settled(waiting.id).await, Settle::GiveBack);
    let bounces = |state: &State| state.settled.iter().filter(|(_, how)| *how == Settle::GiveBack).count();
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(bounces(&scene.broker.state()), 1, "it is not taken and given back in a loop");
    assert_eq!(scene.broker.state().pauses, 1);
    scene.probe.gate.add_permits(1);
    scene.ended(&long).await;
    assert_eq!(names(&scene.ended(&waiting).await), ["started", "completed"]);
    scene.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_worker_of_long_jobs_fetches_few_messages_and_bounces_each_about_once() {
    let scene = Scene::start_with(FakeBroker::new(), WorkerSection { concurrency: 4, ..section() });
    let jobs: Vec<_> = (0..40).map(|_| scene.submit(Act::Progress { reports: 20, every_millis: 1_000 })).collect();
    for job in &jobs {
        scene.ended(job).await;
    }
    let (bounces, consumes) = {
        let state = scene.broker.state();
        let bounces = state.settled.iter().filter(|(_, how)| *how == Settle::GiveBack).count();
        (bounces, state.consumes.clone())
    };
    assert!(bounces <= jobs.len() + 8, "{bounces} bounces of {} messages", jobs.len());
    assert_eq!(consumes.last().map(|(_, prefetch)| *prefetch), Some(1), "{consumes:?}");
    scene.end().await;
}

#[tokio::test(start_paused = true)]
async fn many_short_jobs_are_fetched_ahead() {
    let broker = FakeBroker::new();
    let scene = Scene::start_with(Arc::clone(&broker), section());
    let jobs: Vec<_> = (0..4_000).map(|_| scene.submit(Act::Progress { reports: 1, every_millis: 1 })).collect();
    for job in &jobs {
        scene.ended(job).await;
    }
    let prefetch = scene.broker.state().consumes.last().map(|(_, prefetch)| *prefetch);
    assert!(prefetch > Some(10), "{prefetch:?}");
    assert_eq!(scene.probe.total(), jobs.len());
    scene.end().await;
}
