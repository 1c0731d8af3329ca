//! What the trait costs: confirmed publish-to-consume rate and ping-pong latency, through [`Broker`] and by plain lapin;
//! and the same with the broker in this process.
//!
//! `cargo run --release -p drover-broker --example throughput [messages]`, with the servers of the tests.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a measuring program")]

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use drover_broker::{
    Broker, Properties, Publication, Queue, Settle, Topology,
    amqp::{AmqpBroker, AmqpConfig},
    memory::MemoryBroker,
};
use drover_tests::{
    Vhost,
    plain::{BODY, CALLERS, PER_CALL, Plain, WINDOW},
};
use futures_util::future::join_all;

const ROUNDS: usize = 5;
const PINGS: usize = 1_000;

#[tokio::main]
async fn main() {
    let messages = std::env::args().nth(1).map_or(50_000, |text| text.parse().unwrap());
    let vhost = Vhost::create().await.unwrap();
    let broker: Arc<dyn Broker> = AmqpBroker::connect(AmqpConfig::new(vhost.url(), "throughput")).await.unwrap();
    let memory: Arc<dyn Broker> = MemoryBroker::new();
    let plain = Plain::connect(vhost.url()).await.unwrap();
    let (mut results, mut in_memory) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        // In turn, so that what else the machine does meets both.
        let names = [format!("ours.{round}"), format!("plain.{round}")];
        let queues = names.iter().map(|name| Queue { name: name.clone(), dead_letter_exchange: None }).collect();
        let topology = Topology { queues, ..Topology::default() };
        broker.declare(&topology).await.unwrap();
        memory.declare(&topology).await.unwrap();
        let ours = (our_rate(&broker, &names[0], messages).await, our_ping(&broker, &names[0]).await);
        let (flowed, took) = plain.flow(&names[1], messages).await.unwrap();
        let lapins = (per_second(flowed, took), p50_micros(plain.pings(&names[1], PINGS).await.unwrap()));
        results.push((ours, lapins));
        in_memory.push((our_rate(&memory, &names[0], messages).await, our_ping(&memory, &names[0]).await));
    }
    report("messages/s", results.iter().map(|(ours, plain)| (ours.0, plain.0)).collect(), |ours, plain| ours / plain);
    report("ping p50 µs", results.iter().map(|(ours, plain)| (ours.1, plain.1)).collect(), |ours, plain| plain / ours);
    in_memory.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (rate, ping) = in_memory[in_memory.len() / 2];
    println!("in memory    {rate:9.0} messages/s, ping p50 {ping:.1} µs");
    broker.close().await;
}

/// Prints the round with the median ratio.
fn report(what: &str, mut results: Vec<(f64, f64)>, ratio: impl Fn(f64, f64) -> f64) {
    results.sort_by(|a, b| ratio(a.0, a.1).total_cmp(&ratio(b.0, b.1)));
    let (ours, plain) = results[results.len() / 2];
    println!("{what:12} ours {ours:9.0}   plain lapin {plain:9.0}   {:3.0} % of plain", 100.0 * ratio(ours, plain));
}

fn per_second(messages: usize, time: Duration) -> f64 {
    f64::from(u32::try_from(messages).unwrap()) / time.as_secs_f64()
}

fn p50_micros(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64() * 1e6
}

fn publication(queue: &str) -> Publication {
    Publication {
        exchange: String::new(),
        routing_key: queue.to_owned(),
        body: BODY.to_vec().into(),
        properties: Properties::default(),
        mandatory: true,
    }
}

async fn our_rate(broker: &Arc<dyn Broker>, queue: &str, messages: usize) -> f64 {
    let mut deliveries = broker.consume(queue, WINDOW).await.unwrap();
    let calls = messages / CALLERS / PER_CALL;
    let expected = calls * CALLERS * PER_CALL;
    let start = Instant::now();
    let publishers = (0..CALLERS).map(|_| {
        let (broker, message) = (Arc::clone(broker), publication(queue));
        tokio::spawn(async move {
            for _ in 0..calls {
                for outcome in broker.publish(vec![message.clone(); PER_CALL]).await {
                    outcome.unwrap();
                }
            }
        })
    });
    let publishers = join_all(publishers.collect::<Vec<_>>());
    let consumer = async {
        let mut received = 0;
        while received < expected {
            let mut last = deliveries.next().await.unwrap();
            received += 1;
            while let Some(delivery) = deliveries.try_next() {
                received += 1;
                last = delivery;
            }
            assert!(deliveries.ack_through(last.tag).await);
        }
    };
    tokio::join!(publishers, consumer);
    per_second(expected, start.elapsed())
}

async fn our_ping(broker: &Arc<dyn Broker>, queue: &str) -> f64 {
    let mut deliveries = broker.consume(queue, 1).await.unwrap();
    let mut times = Vec::with_capacity(PINGS);
    for _ in 0..PINGS {
        let start = Instant::now();
        broker.publish(vec![publication(queue)]).await[0].as_ref().unwrap();
        let delivery = deliveries.next().await.unwrap();
        times.push(start.elapsed());
        assert!(deliveries.settle(delivery.tag, Settle::Ack).await);
    }
    p50_micros(times)
}
