//! Heartbeats of many workers that have nothing to do, by a plain client: what they cost the orchestrator.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use drover_tests::{fleet::PATIENCE, wait, wait::Seen};
use futures_util::future::try_join_all;
use lapin::{
    BasicProperties, Channel, Connection, ConnectionProperties,
    options::{BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions},
    types::FieldTable,
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{counts::Counts, figures::Figures, meter, system::System};

/// How often each worker beats: the SDK sends four heartbeats in a lease of 15 s.
const INTERVAL: Duration = Duration::from_millis(3_750);
/// How often some of them are sent.
const TICK: Duration = Duration::from_millis(10);
/// How many announce themselves at once.
const ARRIVALS: usize = 500;

/// Share of a core that the orchestrator spends on so many workers, over a window in which each beats several times.
pub(crate) async fn measure(counts: &Counts, figures: &mut Figures) -> anyhow::Result<()> {
    let system = System::start(counts).await?;
    let crowd = Crowd::arrive(&system, counts.crowd).await?;
    let database = system.fleet.database.connect().await?;
    let live = "SELECT count(*) FROM workers WHERE status = 'live' AND welcomed_at IS NOT NULL";
    wait::until("the workers to be welcomed", PATIENCE, async || {
        let live: i64 = database.query_one(live, &[]).await?.get(0);
        Ok(if live > i64::from(counts.crowd) { Seen::Yes(()) } else { Seen::not_yet(format!("{live} are live")) })
    })
    .await?;
    // One round to become even, then what counts.
    let seq = crowd.beat(INTERVAL, 2).await?;
    let orchestrator = system.fleet.orchestrators.first().context("no orchestrator")?.process.pid();
    let spent = || meter::spent([orchestrator]).context("this system does not tell processor time");
    let window = Duration::from_secs(counts.crowd_seconds.into());
    let (before, start, cost) = (spent()?, Instant::now(), system.begin().await?);
    crowd.beat(window, seq).await?;
    let share = (spent()? - before).as_secs_f64() / start.elapsed().as_secs_f64();
    figures.add("crowd_orchestrator_cpu_percent", 100.0 * share);
    let beats = u128::from(counts.crowd) * window.as_millis() / INTERVAL.as_millis();
    system.end(cost, figures, "crowd", u32::try_from(beats)?).await?;
    let still: i64 = database.query_one(live, &[]).await?.get(0);
    ensure!(still > i64::from(counts.crowd), "{still} of {} workers are still live", counts.crowd + 1);
    system.done();
    Ok(())
}

/// Workers that are nothing but their words.
struct Crowd {
    sessions: Vec<Uuid>,
    channel: Channel,
    _connection: Connection,
}

impl Crowd {
    /// All of them announce themselves, and are answered at one queue that nobody reads.
    async fn arrive(system: &System, count: u32) -> anyhow::Result<Self> {
        let connection = Connection::connect(system.fleet.vhost.url(), ConnectionProperties::default()).await?;
        let channel = connection.create_channel().await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        let options = QueueDeclareOptions { exclusive: true, auto_delete: true, ..QueueDeclareOptions::default() };
        let queue = channel.queue_declare("".into(), options, FieldTable::default()).await?.name().to_string();
        let sessions: Vec<Uuid> = (0..count).map(|_| Uuid::new_v4()).collect();
        let crowd = Self { sessions, channel, _connection: connection };
        let kind = json!({
            "type": "simulated", "title": "Simulated", "params_schema": {}, "result_schema": {}, "concurrency": 1,
        });
        let up = json!({ "kind": "worker_up", "types": [kind], "version": "1", "host": "simulated", "concurrency": 1 });
        for sessions in crowd.sessions.chunks(ARRIVALS) {
            crowd.publish(sessions, 1, &up, Some(&queue)).await?;
        }
        Ok(crowd)
    }

    /// Everyone beats once in an interval, evenly spread, for so long. The next sequence number.
    async fn beat(&self, time: Duration, first_seq: u64) -> anyhow::Result<u64> {
        let beat = json!({
            "kind": "worker_heartbeat", "running": [], "types": ["simulated"], "acknowledged": [], "draining": false,
        });
        let (start, count) = (Instant::now(), self.sessions.len());
        let mut sent = 0;
        while start.elapsed() < time {
            let due = usize::try_from(start.elapsed().as_micros() * count as u128 / INTERVAL.as_micros())?;
            while sent < due {
                let (round, from) = (u64::try_from(sent / count)?, sent % count);
                let to = count.min(from + due - sent);
                self.publish(&self.sessions[from..to], first_seq + round, &beat, None).await?;
                sent += to - from;
            }
            tokio::time::sleep(TICK).await;
        }
        Ok(first_seq + u64::try_from(sent / count)? + 1)
    }

    /// One message of each of these sessions, confirmed.
    async fn publish(&self, sessions: &[Uuid], seq: u64, word: &Value, reply_to: Option<&str>) -> anyhow::Result<()> {
        let at = chrono::Utc::now();
        let mut confirms = Vec::new();
        for session in sessions {
            let mut body = word.clone();
            (body["worker_session"], body["seq"], body["at"]) = (json!(session), json!(seq), json!(at));
            let mut properties = BasicProperties::default()
                .with_type("drover.worker.v1".into())
                .with_content_type("application/json".into())
                .with_delivery_mode(2);
            if let Some(queue) = reply_to {
                properties = properties.with_reply_to(queue.into());
            }
            let (exchange, key) = ("drover.events".into(), "drover.heartbeats".into());
            let (options, body) = (BasicPublishOptions::default(), body.to_string());
            confirms.push(self.channel.basic_publish(exchange, key, options, body.as_bytes(), properties).await?);
        }
        let refused = try_join_all(confirms).await?.iter().filter(|confirm| !confirm.is_ack()).count();
        ensure!(refused == 0, "{refused} messages were refused by the broker");
        Ok(())
    }
}
