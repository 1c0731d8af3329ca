//! lapin as its own examples use it: what the broker does by itself, to compare ours with.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use futures_util::{FutureExt, StreamExt, future::try_join_all};
use lapin::{
    BasicProperties, Channel, Connection, ConnectionProperties, Consumer,
    message::Delivery,
    options::{
        BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, ConfirmSelectOptions,
        QueueDeclareOptions,
    },
    types::{AMQPValue, FieldTable, LongString},
};

/// Most unacknowledged deliveries.
pub const WINDOW: u16 = 512;
/// Callers that publish at the same time, and how many messages each has on its way.
pub const CALLERS: usize = 16;
/// See [`CALLERS`].
pub const PER_CALL: usize = 32;
/// Every message.
pub const BODY: [u8; 300] = [b'x'; 300];

/// Two connections: one publishes, the other consumes.
pub struct Plain {
    publishing: Connection,
    consuming: Connection,
}

impl Plain {
    /// Connects twice.
    ///
    /// # Errors
    /// The broker refuses.
    pub async fn connect(url: &str) -> anyhow::Result<Self> {
        let connect = || Connection::connect(url, ConnectionProperties::default());
        Ok(Self { publishing: connect().await?, consuming: connect().await? })
    }

    /// Declares a quorum queue.
    ///
    /// # Errors
    /// The broker refuses.
    pub async fn declare(&self, queue: &str) -> anyhow::Result<()> {
        let mut arguments = FieldTable::default();
        arguments.insert("x-queue-type".into(), AMQPValue::LongString(LongString::from("quorum")));
        let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
        self.consuming.create_channel().await?.queue_declare(queue.into(), options, arguments).await?;
        Ok(())
    }

    /// How many messages of `messages` were published with confirm, consumed and acknowledged, and in what time.
    ///
    /// # Errors
    /// The broker refuses or closes.
    pub async fn flow(&self, queue: &str, messages: usize) -> anyhow::Result<(usize, Duration)> {
        let calls = (messages / CALLERS / PER_CALL).max(1);
        let expected = calls * CALLERS * PER_CALL;
        let (channel, mut consumer) = self.consumer(queue, WINDOW).await?;
        let publishing = self.publisher().await?;
        let start = Instant::now();
        let callers = (0..CALLERS).map(|_| tokio::spawn(call(publishing.clone(), queue.to_owned(), calls)));
        let publish = try_join_all(callers.collect::<Vec<_>>());
        let receive = async {
            let mut received = 0;
            while received < expected {
                let mut last = next(&mut consumer).await?.delivery_tag;
                received += 1;
                while let Some(Some(delivery)) = StreamExt::next(&mut consumer).now_or_never() {
                    received += 1;
                    last = delivery?.delivery_tag;
                }
                channel.basic_ack(last, BasicAckOptions { multiple: true }).await?;
            }
            anyhow::Ok(())
        };
        let (published, received) = tokio::join!(publish, receive);
        received?;
        published?.into_iter().collect::<anyhow::Result<()>>()?;
        Ok((expected, start.elapsed()))
    }

    /// How long each of `count` messages took from its publish, with the wait for its confirm, to its arrival; one after
    /// the other.
    ///
    /// # Errors
    /// The broker refuses or closes.
    pub async fn pings(&self, queue: &str, count: usize) -> anyhow::Result<Vec<Duration>> {
        let (channel, mut consumer) = self.consumer(queue, 1).await?;
        let publishing = self.publisher().await?;
        let mut times = Vec::with_capacity(count);
        for _ in 0..count {
            let start = Instant::now();
            ensure!(send(&publishing, queue).await?.await?.is_ack(), "a message was refused");
            let delivery = next(&mut consumer).await?;
            times.push(start.elapsed());
            channel.basic_ack(delivery.delivery_tag, BasicAckOptions::default()).await?;
        }
        Ok(times)
    }

    /// How long each of `count` messages took through one queue to an echo and back through another, from its publish to
    /// the arrival of the echo; one after the other. Published with confirms that nobody waits for.
    ///
    /// # Errors
    /// The broker refuses or closes.
    pub async fn round_trips(&self, there: &str, back: &str, count: usize) -> anyhow::Result<Vec<Duration>> {
        let (acks, mut echoes) = self.consumer(there, 1).await?;
        let (answering, back_queue) = (self.publisher().await?, back.to_owned());
        let echo = tokio::spawn(async move {
            for _ in 0..count {
                let delivery = next(&mut echoes).await?;
                send(&answering, &back_queue).await?;
                acks.basic_ack(delivery.delivery_tag, BasicAckOptions::default()).await?;
            }
            anyhow::Ok(())
        });
        let (channel, mut consumer) = self.consumer(back, 1).await?;
        let publishing = self.publisher().await?;
        let mut times = Vec::with_capacity(count);
        for _ in 0..count {
            let start = Instant::now();
            send(&publishing, there).await?;
            let delivery = next(&mut consumer).await?;
            times.push(start.elapsed());
            channel.basic_ack(delivery.delivery_tag, BasicAckOptions::default()).await?;
        }
        echo.await??;
        Ok(times)
    }

    async fn publisher(&self) -> lapin::Result<Channel> {
        let channel = self.publishing.create_channel().await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        Ok(channel)
    }

    async fn consumer(&self, queue: &str, prefetch: u16) -> lapin::Result<(Channel, Consumer)> {
        let channel = self.consuming.create_channel().await?;
        channel.basic_qos(prefetch, BasicQosOptions::default()).await?;
        let options = BasicConsumeOptions::default();
        let consumer = channel.basic_consume(queue.into(), "".into(), options, FieldTable::default()).await?;
        Ok((channel, consumer))
    }
}

async fn next(consumer: &mut Consumer) -> anyhow::Result<Delivery> {
    Ok(StreamExt::next(consumer).await.context("the consumer ended")??)
}

async fn call(channel: Channel, queue: String, calls: usize) -> anyhow::Result<()> {
    for _ in 0..calls {
        let confirms = try_join_all((0..PER_CALL).map(|_| send(&channel, &queue))).await?;
        for confirm in confirms {
            ensure!(confirm.await?.is_ack(), "a message was refused");
        }
    }
    Ok(())
}

async fn send(channel: &Channel, queue: &str) -> lapin::Result<lapin::PublisherConfirm> {
    let properties = BasicProperties::default().with_delivery_mode(2);
    let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
    channel.basic_publish("".into(), queue.into(), options, &BODY, properties).await
}
