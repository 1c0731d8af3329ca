//! A job's state, followed until its end: by the event stream, across breaks, with single questions in between.

use std::time::Duration;

use drover_protocol::JobId;
use drover_service::retry::Backoff;
use tokio::{
    sync::mpsc,
    time::{Instant, sleep},
};

use crate::{
    api::{Answer, JobView},
    client::Client,
    failure::Failure,
    sse,
};

/// First and longest pause before the stream is opened again.
const PAUSES: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(8));
/// How long the server may be away before the following ends. The job goes on.
const PATIENCE: Duration = Duration::from_secs(600);
/// Updates that wait for a slow terminal; beyond this the stream is read no faster than it is shown.
const UPDATES: usize = 16;

/// What is heard of the job.
#[derive(Debug)]
pub(crate) enum Update {
    /// Its state changed.
    Job(Box<Answer<JobView>>),
    /// Its last state.
    End(Box<Answer<JobView>>),
    /// The stream broke and will be opened again.
    Lost(String),
}

/// Follows a job. The channel ends with `End` or with a failure.
pub(crate) fn follow(client: Client, id: JobId) -> mpsc::Receiver<Result<Update, Failure>> {
    let (sender, receiver) = mpsc::channel(UPDATES);
    tokio::spawn(async move {
        let last = Follower { client, id, sender: sender.clone(), heard: None }.run().await;
        // No receiver: nobody waits for the end any more.
        let _ = sender.send(last).await;
    });
    receiver
}

struct Follower {
    client: Client,
    id: JobId,
    sender: mpsc::Sender<Result<Update, Failure>>,
    /// When the server was last heard of.
    heard: Option<Instant>,
}

impl Follower {
    async fn run(mut self) -> Result<Update, Failure> {
        let mut backoff = Backoff::new(PAUSES.0, PAUSES.1);
        loop {
            let before = self.heard;
            let broken = match self.stream().await {
                Ok(job) => return Ok(Update::End(job)),
                Err(refused @ Failure::Refused(_)) => return Err(refused),
                Err(broken) => broken,
            };
            if self.heard != before {
                backoff.reset();
            }
            match self.client.job::<JobView>(self.id).await {
                Ok(job) if job.body.status.is_terminal() => return Ok(Update::End(Box::new(job))),
                Ok(job) => self.hear(job).await,
                Err(refused @ Failure::Refused(_)) => return Err(refused),
                Err(failure) => match self.heard {
                    None => return Err(failure),
                    Some(heard) if heard.elapsed() > PATIENCE => return Err(failure),
                    Some(_) => {}
                },
            }
            // A closed channel is noticed by `closed` below.
            let _ = self.sender.send(Ok(Update::Lost(first_line(&broken)))).await;
            tokio::select! {
                () = sleep(backoff.next()) => {}
                () = self.sender.closed() => return Err(broken),
            }
        }
    }

    async fn hear(&mut self, job: Answer<JobView>) {
        self.heard = Some(Instant::now());
        let _ = self.sender.send(Ok(Update::Job(Box::new(job)))).await;
    }

    /// Reads one stream to its end; without its `end` event it is broken.
    async fn stream(&mut self) -> Result<Box<Answer<JobView>>, Failure> {
        let mut response = self.client.events(self.id).await?;
        self.heard = Some(Instant::now());
        let url = response.url().to_string();
        let mut parser = sse::Parser::default();
        let broken = |reason: String| Failure::Broken { url: url.clone(), reason };
        while let Some(bytes) = response.chunk().await.map_err(|error| self.client.broken(&error))? {
            // Also what only keeps the connection alive: a job may be quiet for hours.
            self.heard = Some(Instant::now());
            for event in parser.push(&bytes).map_err(|error| broken(error.to_string()))? {
                let read = || {
                    let job = serde_json::from_str(&event.data).and_then(Answer::<JobView>::read);
                    job.map_err(|error| Failure::NotTheApi { url: url.clone(), reason: error.to_string() })
                };
                match event.name.as_str() {
                    "job" => self.hear(read()?).await,
                    "end" => return Ok(Box::new(read()?)),
                    _ => {}
                }
            }
        }
        Err(broken("the server closed the stream".into()))
    }
}

fn first_line(failure: &Failure) -> String {
    failure.to_string().lines().next().unwrap_or_default().to_owned()
}
