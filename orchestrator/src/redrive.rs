//! Dead letters: sent again to where they came from, or discarded.
//!
//! A letter goes only after the broker has confirmed its message. A crash in between sends it once more, which changes
//! nothing: events have fences, submissions have idempotency keys, and log lines their numbers.

use std::time::Instant;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use drover_broker::{Headers, Properties, Publication, PublishError};
use drover_engine::Refusal;
use drover_protocol::JobId;

use crate::{
    app::{ActionError, App},
    bulk::{SPELL, Swept},
    intake::{JobFence, REDRIVES, is_of_jobs},
    store::{DeadFilter, DeadView, StoreError},
};

/// Most bytes of the letters that are in memory at once, unless a single one has more.
const BYTES: i64 = 8 * 1024 * 1024;

/// What became of a letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Redriven {
    /// Its message lies in this queue again.
    Sent {
        /// The queue.
        queue: String,
    },
    /// It was the message of this job, which is retried: it gets a message of its own.
    Retried {
        /// The job.
        job_id: JobId,
    },
}

/// Why a letter was not sent again.
#[derive(Debug, thiserror::Error)]
pub enum RedriveError {
    /// There is no such letter.
    #[error("there is no dead letter {0}; `drover dead list` shows them")]
    Unknown(i64),
    /// It cannot be sent again, whatever is tried.
    #[error("{0}")]
    Refused(String),
    /// The broker did not take it now.
    #[error("the broker did not take the message: {0}")]
    Broker(PublishError),
    /// The database is away, or worse.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What is to be done with a letter.
#[expect(clippy::large_enum_variant, reason = "one at a time, and not kept")]
enum Way {
    Send(Publication),
    Retry(JobFence),
}

impl App {
    /// Sends a letter's message again to the queue that it came from, or retries its job.
    ///
    /// # Errors
    /// When there is no such letter, it cannot be sent again, or broker or database are away: then the letter stays.
    pub async fn redrive(&self, id: i64) -> Result<Redriven, RedriveError> {
        let letter = self.store.view_dead_letter(id).await?.ok_or(RedriveError::Unknown(id))?;
        let redriven = self.redrive_letters(vec![letter]).await?;
        redriven.into_iter().next().map_or(Err(RedriveError::Unknown(id)), |(_, outcome)| outcome)
    }

    /// The same for up to `limit` letters of a filter, oldest first: those with ids in the range (after, upto).
    ///
    /// # Errors
    /// When broker or database are away and nothing was done.
    pub async fn redrive_all(
        &self,
        filter: &DeadFilter,
        range: (i64, i64),
        limit: i64,
    ) -> Result<Swept<i64, String>, RedriveError> {
        self.redrive_until(Instant::now() + SPELL, filter, range, limit).await
    }

    /// The same; at that time it stops, but not before a part is done.
    pub(crate) async fn redrive_until(
        &self,
        deadline: Instant,
        filter: &DeadFilter,
        range: (i64, i64),
        limit: i64,
    ) -> Result<Swept<i64, String>, RedriveError> {
        let (ids, more) = self.matching_dead(filter, range, limit).await?;
        let mut swept = Swept::default();
        let mut rest = ids.as_slice();
        // A look that took all the time is followed by a part all the same: else nothing would ever be done.
        while !rest.is_empty() && (swept.matched == 0 || Instant::now() < deadline) {
            let letters = self.store.take_dead(rest, BYTES).await?;
            // Those that are gone by now were somebody else's.
            let through = letters.last().map_or(i64::MAX, |letter| letter.id);
            let (looked_at, later) = rest.split_at(rest.partition_point(|id| *id <= through));
            let outcomes = self.redrive_letters(letters).await?;
            rest = later;
            if let Some((id, error)) = swept.take(looked_at.len(), outcomes) {
                if swept.matched == 0 {
                    return Err(error);
                }
                swept.next = Some(id - 1);
                return Ok(swept);
            }
        }
        let through = ids.get(..ids.len() - rest.len()).and_then(<[i64]>::last);
        swept.next = through.copied().filter(|_| more || !rest.is_empty());
        Ok(swept)
    }

    /// Discards up to `limit` letters of a filter, oldest first: those with ids in the range (after, upto).
    ///
    /// # Errors
    /// When the database is away.
    pub async fn discard_all(
        &self,
        filter: &DeadFilter,
        range: (i64, i64),
        limit: i64,
    ) -> Result<Swept<i64, String>, StoreError> {
        let (ids, more) = self.matching_dead(filter, range, limit).await?;
        self.store.delete_dead(&ids).await?;
        let next = ids.last().copied().filter(|_| more);
        Ok(Swept { matched: ids.len(), done: ids.len(), next, ..Swept::default() })
    }

    /// How many letters of a filter there are in the range, up to `limit`, and after which to go on counting.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn count_dead(
        &self,
        filter: &DeadFilter,
        range: (i64, i64),
        limit: i64,
    ) -> Result<Swept<i64, String>, StoreError> {
        let (ids, more) = self.matching_dead(filter, range, limit).await?;
        Ok(Swept { matched: ids.len(), next: ids.last().copied().filter(|_| more), ..Swept::default() })
    }

    /// Ids of a page, and whether there are more behind it.
    async fn matching_dead(
        &self,
        filter: &DeadFilter,
        range: (i64, i64),
        limit: i64,
    ) -> Result<(Vec<i64>, bool), StoreError> {
        let mut ids = self.store.match_dead(filter, range, limit + 1).await?;
        let page = usize::try_from(limit).unwrap_or(usize::MAX);
        let more = ids.len() > page;
        ids.truncate(page);
        Ok((ids, more))
    }

    /// Sends letters again, all in one publish, and deletes those that are where they belong.
    async fn redrive_letters(
        &self,
        letters: Vec<DeadView>,
    ) -> Result<Vec<(i64, Result<Redriven, RedriveError>)>, StoreError> {
        let (mut outcomes, mut sending) = (Vec::with_capacity(letters.len()), Vec::new());
        for letter in letters {
            let id = letter.id;
            match way(self, letter) {
                Ok(Way::Send(publication)) => sending.push((id, publication)),
                Ok(Way::Retry(fence)) => outcomes.push((id, self.retry_dead(&fence).await)),
                Err(reason) => outcomes.push((id, Err(RedriveError::Refused(reason)))),
            }
        }
        if !sending.is_empty() {
            let sent = self.broker.publish(sending.iter().map(|(_, publication)| publication.clone()).collect()).await;
            outcomes.extend(sending.into_iter().zip(sent).map(|((id, sending), sent)| (id, settled(sending, sent))));
        }
        let done: Vec<i64> = outcomes.iter().filter(|(_, outcome)| outcome.is_ok()).map(|(id, _)| *id).collect();
        self.store.delete_dead(&done).await?;
        Ok(outcomes)
    }

    /// A job message that died has failed its job: the job is retried, with a message of a new dispatch.
    async fn retry_dead(&self, JobFence { id, dispatch }: &JobFence) -> Result<Redriven, RedriveError> {
        let refused = |reason: String| Err(RedriveError::Refused(reason));
        let Some(job) = self.store.view_job(*id, true).await? else {
            return refused(format!("job {id} is gone: nothing is left to retry; discard the letter"));
        };
        // Also when this very letter was re-driven before and its deletion failed.
        if job.view["dispatch"] != *dispatch {
            return refused(format!(
                "job {id} has been dispatched again since: the message is of dispatch {dispatch}, the job is at {}; \
                 discard the letter",
                job.view["dispatch"]
            ));
        }
        match self.retry(*id, false).await {
            Ok(()) => Ok(Redriven::Retried { job_id: *id }),
            Err(ActionError::Store(error)) => Err(error.into()),
            Err(ActionError::Refused(Refusal::ParentPast { .. })) => {
                let root = job.root_id;
                refused(format!(
                    "job {id} is a part of workflow {root}, which no longer waits for it: `drover retry {root}` goes on \
                     with what failed; then discard the letter"
                ))
            }
            Err(ActionError::Refused(Refusal::Transition { status, .. })) if status.is_terminal() => {
                refused(format!("job {id} is {status}: nothing is left to retry; discard the letter"))
            }
            Err(ActionError::Refused(Refusal::Transition { status, .. })) => {
                refused(format!("job {id} is {status} all the same: its message is not needed; discard the letter"))
            }
            Err(error) => refused(error.to_string()),
        }
    }
}

impl Swept<i64, String> {
    /// Counts what became of a part. The first letter that the broker did not take, if there is one.
    fn take(
        &mut self,
        looked_at: usize,
        outcomes: Vec<(i64, Result<Redriven, RedriveError>)>,
    ) -> Option<(i64, RedriveError)> {
        let (mut refused, mut failed) = (Vec::new(), Vec::new());
        for (id, outcome) in outcomes {
            match outcome {
                Ok(_) => {}
                Err(error @ (RedriveError::Broker(_) | RedriveError::Store(_))) => failed.push((id, error)),
                Err(error) => refused.push((id, error.to_string())),
            }
        }
        let matched = looked_at - failed.len();
        self.matched += matched;
        self.done += matched - refused.len();
        self.refused.append(&mut refused);
        failed.into_iter().min_by_key(|(id, _)| *id)
    }
}

/// What is to be done with a letter, or why nothing can be.
fn way(app: &App, letter: DeadView) -> Result<Way, String> {
    let names = &app.names;
    let queue = letter.queue.as_str();
    if is_of_jobs(app, queue) {
        return match JobFence::of(&letter.body) {
            Some(fence) => Ok(Way::Retry(fence)),
            None => Err("it says of no job that it is its message: nothing can be retried; discard it".into()),
        };
    }
    if queue == names.heartbeats_queue() {
        return Err("it tells what a worker did at that time, which is no longer so; discard it".into());
    }
    if ![names.events_queue(), names.logs_queue(), names.submit_queue()].iter().any(|known| known == queue) {
        return Err(format!("it comes from {queue:?}, which Drover does not read; publish it yourself, or discard it"));
    }
    if letter.truncated {
        let (kept, whole) = (letter.body.len(), letter.body_bytes);
        return Err(format!("only the first {kept} of its {whole} bytes were kept; discard it"));
    }
    Ok(Way::Send(publication(letter)))
}

/// The message as it came, to the queue that it came out of and to no other, whatever its exchange is bound to.
fn publication(letter: DeadView) -> Publication {
    let property = |name: &str| letter.properties[name].as_str().map(str::to_owned);
    let timestamp = property("timestamp").and_then(|text| DateTime::parse_from_rfc3339(&text).ok());
    let properties = Properties {
        message_id: letter.message_id.clone(),
        correlation_id: property("correlation_id"),
        kind: letter.message_type.clone(),
        content_type: letter.content_type.clone(),
        reply_to: property("reply_to"),
        app_id: property("app_id"),
        timestamp: timestamp.map(|at| at.with_timezone(&Utc)),
        headers: headers(&letter),
    };
    Publication {
        exchange: String::new(),
        routing_key: letter.queue,
        body: Bytes::from(letter.body),
        properties,
        mandatory: true,
    }
}

/// Its headers, without what brokers wrote of its death, and with how often it was sent again.
fn headers(letter: &DeadView) -> Headers {
    let of_death = |name: &str| {
        ["x-death", "x-first-death-", "x-last-death-", "x-delivery-count", "x-acquired-count"]
            .iter()
            .any(|begin| name.starts_with(begin))
    };
    let all = letter.properties["headers"].as_object().into_iter().flatten();
    let own = all.filter(|(name, _)| !of_death(name));
    let mut headers: Headers =
        own.map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned())).collect();
    headers.insert(REDRIVES.into(), letter.redrives.saturating_add(1).to_string());
    headers
}

fn settled(sent: Publication, outcome: Result<(), PublishError>) -> Result<Redriven, RedriveError> {
    let queue = sent.routing_key;
    match outcome {
        Ok(()) => Ok(Redriven::Sent { queue }),
        Err(PublishError::Unroutable { .. }) => {
            Err(RedriveError::Refused(format!("there is no queue {queue:?}; start what reads it, then try again")))
        }
        Err(PublishError::Unfit { reason }) => {
            Err(RedriveError::Refused(format!("no broker can carry it: {reason}; discard it")))
        }
        Err(error) => Err(RedriveError::Broker(error)),
    }
}
