//! The progress bar of a run, as whoever watches sees it.

use drover_tests::{
    fleet::PATIENCE,
    wait::{self, Seen},
};
use serde_json::json;

use super::{Library, definition_with};

/// The bar at a moment, in hundredths of a percent, with what was done by then.
#[derive(Debug)]
struct Sample {
    bar: i32,
    step: i32,
    /// Batches whose analysis has ended.
    analyzed: i64,
    status: String,
}

/// The bar, its step and how many batches are analyzed: of one moment, since one statement reads them.
const SAMPLE: &str = "SELECT progress, COALESCE((metadata ->> 'current_step')::int, 0),
        (SELECT count(*) FROM jobs b WHERE b.root_id = jobs.id AND b.type = 'analysis' AND b.status = 'completed'), status
    FROM jobs WHERE id = $1::text::uuid";

#[tokio::test]
async fn the_bar_only_rises_and_moves_with_each_batch_and_within_each_batch() {
    const BATCHES: i64 = 3;
    let library = Library::with(&definition_with("max_parallel: 2", "max_parallel: 1"), &[]).await;
    // Looked at as fast as it is played: there is something to see within a batch.
    library.program("ffmpeg", "case \"$*\" in *scene,0*) exec ffmpeg -re \"$@\";; esac");
    for number in 0..BATCHES {
        library.download(&format!("{number}.mp4"), 3);
    }
    let id = library.submit(json!({ "batch_size": 1 })).await;
    let client = library.fleet.database.connect().await.expect("a connection");
    let mut samples: Vec<Sample> = Vec::new();
    wait::until("the run to end", PATIENCE, async || {
        let row = client.query_one(SAMPLE, &[&id]).await?;
        let sample = Sample { bar: row.get(0), step: row.get(1), analyzed: row.get(2), status: row.get(3) };
        let is_over = sample.status.starts_with("completed") || sample.status == "failed";
        samples.push(sample);
        Ok(if is_over { Seen::Yes(()) } else { Seen::not_yet(format!("{:?}", samples.last())) })
    })
    .await
    .expect("it ends");
    assert_eq!(library.fleet.ended(&id).await.expect("it has ended")["status"], "completed");

    assert!(samples.windows(2).all(|pair| pair[0].bar <= pair[1].bar), "it goes back: {samples:?}");
    assert!(samples.windows(2).all(|pair| pair[0].step <= pair[1].step), "its step goes back: {samples:?}");
    assert!(samples.iter().all(|sample| (sample.bar == 10_000) == (sample.status == "completed")), "{samples:?}");
    let analysis: Vec<&Sample> = samples.iter().filter(|sample| sample.step == 4).collect();
    for analyzed in 0..BATCHES {
        let mut bars: Vec<i32> =
            analysis.iter().filter(|sample| sample.analyzed == analyzed).map(|sample| sample.bar).collect();
        bars.dedup();
        assert!(bars.len() >= 4, "it stands still within batch {analyzed}: {bars:?}");
    }
    let begins = (0..=BATCHES).filter_map(|analyzed| samples.iter().find(|sample| sample.analyzed == analyzed));
    let bars: Vec<i32> = begins.map(|sample| sample.bar).collect();
    assert!(bars.windows(2).all(|pair| pair[0] < pair[1]), "it does not move with each batch: {bars:?}");
}
