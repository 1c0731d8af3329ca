//! What RabbitMQ does by itself: quorum queues, persistent messages, confirms.

use drover_tests::{Vhost, plain::Plain};

use crate::{
    counts::Counts,
    figures::Figures,
    time::{ms, per_second, percentile},
};

/// Rate and round trip, by plain lapin.
pub(crate) async fn measure(vhost: &Vhost, counts: &Counts, figures: &mut Figures) -> anyhow::Result<()> {
    let plain = Plain::connect(vhost.url()).await?;
    for queue in ["flow", "there", "back"] {
        plain.declare(queue).await?;
    }
    // The first messages of a queue and of a channel are slow.
    plain.flow("flow", 1).await?;
    plain.round_trips("there", "back", 10).await?;

    let (messages, took) = plain.flow("flow", usize::try_from(counts.messages)?).await?;
    figures.add("raw_publish_consume_per_second", per_second(u32::try_from(messages)?, took));
    let trips = plain.round_trips("there", "back", usize::try_from(counts.round_trips)?).await?;
    let mut trips: Vec<f64> = trips.into_iter().map(ms).collect();
    figures.add("quorum_round_trip_ms_p50", percentile(&mut trips, 50));
    figures.add("quorum_round_trip_ms_p99", percentile(&mut trips, 99));
    Ok(())
}
