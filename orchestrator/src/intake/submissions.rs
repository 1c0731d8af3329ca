//! Submissions by AMQP: checked, accepted all in one transaction, answered.

use std::sync::Arc;

use bytes::Bytes;
use drover_broker::{Delivery, Publication};
use drover_protocol::{DecodeError, JobStatus, Submission, SubmissionError, SubmissionReply, decode, encode, limits};
use drover_service::telemetry::{SpanKind, TraceParent};
use tokio_util::sync::CancellationToken;

use super::{Bad, Behind, PREFETCH, batch, bury, settle, subscribe_apart, until_done};
use crate::{
    app::{ActionError, App, Idempotency, Submitted},
    gather::Offer,
    relay::properties,
    store::StoreError,
};

/// Accepts submissions until shutdown.
pub async fn run(app: Arc<App>, shutdown: CancellationToken) {
    let behind = Behind::default();
    let queue = app.names.submit_queue();
    let Some(mut deliveries) = subscribe_apart(&app, &queue, PREFETCH, &shutdown).await else { return };
    while let Some(taken) = batch(&mut deliveries, &behind, &shutdown).await {
        let Some(replies) = accept_all(&app, &taken, &shutdown).await else { return };
        let kept = bury(&app, &queue, &taken, refusals(&taken, &replies), &shutdown).await;
        answer(&app, &taken, replies).await;
        settle(&*deliveries, &taken, &kept).await;
    }
}

fn refusals(taken: &[Delivery], replies: &[SubmissionReply]) -> Vec<Bad> {
    let bad = |(index, (delivery, reply)): (usize, (&Delivery, &SubmissionReply))| match reply {
        SubmissionReply::Refused { error } => {
            Some(Bad { index, reason: error.message.clone(), body: delivery.body.clone() })
        }
        SubmissionReply::Accepted { .. } => None,
    };
    taken.iter().zip(replies).enumerate().filter_map(bad).collect()
}

/// One reply for each delivery. One that breaks the transaction is found by halving. `None`: shutdown.
async fn accept_all(app: &App, taken: &[Delivery], shutdown: &CancellationToken) -> Option<Vec<SubmissionReply>> {
    let mut replies = Vec::with_capacity(taken.len());
    let mut work = vec![taken];
    while let Some(taken) = work.pop() {
        match until_done!("accepting submissions", shutdown, taken.len(), accept(app, taken))? {
            Ok(accepted) => replies.extend(accepted),
            Err(error) if taken.len() > 1 => {
                tracing::warn!(%error, count = taken.len(), "submissions cannot be accepted together; they are halved");
                let (first, rest) = taken.split_at(taken.len() / 2);
                work.extend([rest, first]);
            }
            Err(error) => {
                tracing::error!(%error, "a submission cannot be accepted");
                replies.push(refusal("internal", "the orchestrator cannot accept it; see its log", None));
            }
        }
    }
    Some(replies)
}

/// One reply for each delivery; everything that is accepted, in one transaction.
async fn accept(app: &App, taken: &[Delivery]) -> Result<Vec<SubmissionReply>, StoreError> {
    let (mut submissions, mut read_all) = (Vec::new(), Vec::with_capacity(taken.len()));
    for delivery in taken {
        read_all.push(
            read(app, delivery).map(|(submission, key)| {
                submissions.push(Offer { submission, key: Some(key), caller: caller(delivery) })
            }),
        );
    }
    let mut outcomes = app.accept(submissions, SpanKind::Consumer).await?.into_iter();
    let mut replies = Vec::with_capacity(taken.len());
    for read in read_all {
        replies.push(match read {
            Err(reply) => reply,
            Ok(()) => match outcomes.next() {
                Some(Ok(submitted)) => reply(app, submitted).await?,
                Some(Err(error)) => refused(&error),
                None => refused(&ActionError::Unanswered),
            },
        });
    }
    Ok(replies)
}

/// Where in a trace the sender is; by W3C, whoever cannot read it goes on as if there were none.
fn caller(delivery: &Delivery) -> Option<TraceParent> {
    delivery.properties.headers.get("traceparent").and_then(|text| text.parse().ok())
}

async fn reply(app: &App, Submitted { id, made }: Submitted) -> Result<SubmissionReply, StoreError> {
    if let Some(status) = made {
        return Ok(SubmissionReply::Accepted { id, status, duplicate: false });
    }
    // A job that is gone had ended.
    let status = app.store.view_job(id, true).await?.map_or(JobStatus::Completed, |job| job.status);
    Ok(SubmissionReply::Accepted { id, status, duplicate: true })
}

fn read(app: &App, delivery: &Delivery) -> Result<(Submission, Idempotency), SubmissionReply> {
    let properties = &delivery.properties;
    let submission = decode::<Submission>(properties.kind.as_deref(), &delivery.body, app.message_bytes)
        .map_err(|error| refusal(kind_of(&error), &error.to_string(), error.field()))?;
    // The one in the body was meant by a person; a `message_id` may be new at each try, by some library's choice.
    let key = submission.idempotency_key.clone().or_else(|| properties.message_id.clone());
    let Some(key) = key.filter(|key| !key.is_empty() && key.len() <= limits::KEY_BYTES) else {
        let message = format!(
            "the property message_id is missing or longer than {} bytes, and the body has no idempotency_key; set one of \
             them to a unique value, so that a redelivery makes no second job",
            limits::KEY_BYTES
        );
        return Err(refusal("malformed", &message, Some("message_id")));
    };
    let sender = properties.app_id.clone().unwrap_or_default();
    for (field, text) in [("message_id", &key), ("app_id", &sender)] {
        if text.contains('\0') {
            let message =
                format!("the property {field} contains the character NUL, which cannot be stored; leave it out");
            return Err(refusal("malformed", &message, Some(field)));
        }
    }
    Ok((submission, Idempotency { scope: format!("amqp:{sender}"), key }))
}

const fn kind_of(error: &DecodeError) -> &'static str {
    match error {
        DecodeError::TooLarge { .. } => "too_large",
        DecodeError::Type { .. } => "unknown_message_type",
        DecodeError::Malformed { .. } | DecodeError::Nul { .. } | DecodeError::Limit { .. } => "malformed",
    }
}

fn refused(error: &ActionError) -> SubmissionReply {
    match error {
        ActionError::UnknownType(_) => refusal("unknown_type", &error.to_string(), Some("/type")),
        ActionError::InvalidParams { errors, .. } => {
            let field = errors.first().map(|error| format!("/params{}", error.pointer));
            refusal("invalid_params", &error.to_string(), field.as_deref())
        }
        ActionError::KeyConflict(_) => refusal("conflict", &error.to_string(), None),
        ActionError::Unanswered => refusal("internal", &error.to_string(), None),
        _ => refusal("refused", &error.to_string(), None),
    }
}

fn refusal(kind: &str, message: &str, field: Option<&str>) -> SubmissionReply {
    let error = SubmissionError { kind: kind.into(), message: message.into(), field: field.map(Into::into) };
    SubmissionReply::Refused { error }
}

/// Answers those that asked for an answer. A lost answer does no harm: the same submission may be sent again.
async fn answer(app: &App, taken: &[Delivery], replies: Vec<SubmissionReply>) {
    let publications: Vec<Publication> = taken
        .iter()
        .zip(replies)
        .filter_map(|(delivery, reply)| {
            let original = &delivery.properties;
            let reply_to = original.reply_to.clone()?;
            let mut properties = properties::<SubmissionReply>(app);
            properties.correlation_id = original.correlation_id.clone().or_else(|| original.message_id.clone());
            Some(Publication {
                exchange: String::new(),
                routing_key: reply_to,
                body: Bytes::from(encode(&reply, app.message_bytes).ok()?),
                properties,
                mandatory: false,
            })
        })
        .collect();
    if publications.is_empty() {
        return;
    }
    for outcome in app.broker.publish(publications).await {
        if let Err(error) = outcome {
            tracing::warn!(%error, "an answer to a submission was not published");
        }
    }
}

#[cfg(test)]
mod tests {
    use drover_broker::{Properties, Tag};
    use drover_protocol::MessageType;

    use super::*;
    use crate::testing::Desk;

    #[tokio::test]
    async fn a_submission_says_by_its_header_which_trace_it_is_part_of() {
        let desk = Desk::new().await;
        desk.announce(&["work"]).await;
        let submitted = async |key: &str, traceparent: &str| {
            let properties = Properties {
                message_id: Some(key.into()),
                kind: Some(Submission::type_property()),
                headers: [("traceparent".to_owned(), traceparent.to_owned())].into(),
                ..Properties::default()
            };
            let delivery = Delivery {
                tag: Tag { session: 1, number: 1 },
                body: Bytes::from_static(br#"{"type": "work"}"#),
                properties,
                exchange: String::new(),
                routing_key: String::new(),
                redelivered: false,
            };
            let replies = accept(&desk.app, &[delivery]).await.expect("taken");
            let [SubmissionReply::Accepted { id, .. }] = replies.as_slice() else { panic!("{replies:?}") };
            let client = desk.database.connect().await.expect("a connection");
            let row =
                client.query_one("SELECT traceparent FROM jobs WHERE id = $1", &[&id.0]).await.expect("it is there");
            row.get::<_, Option<String>>(0)
        };
        let place = "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01";
        assert_eq!(submitted("a", place).await.as_deref(), Some(place));
        assert_eq!(submitted("b", "00-1").await, None, "what cannot be read is none");
    }

    fn delivery(number: u64, key: &str, sender: &str, body: &'static str) -> Delivery {
        let properties = Properties {
            message_id: Some(key.into()),
            app_id: Some(sender.into()),
            kind: Some(Submission::type_property()),
            ..Properties::default()
        };
        let body = Bytes::from_static(body.as_bytes());
        let (exchange, routing_key) = (String::new(), String::new());
        Delivery { tag: Tag { session: 1, number }, body, properties, exchange, routing_key, redelivered: false }
    }

    fn shown(replies: &[SubmissionReply]) -> Vec<String> {
        let shown = |reply: &SubmissionReply| match reply {
            SubmissionReply::Accepted { .. } => "accepted".to_owned(),
            SubmissionReply::Refused { error } => {
                format!("{} {}", error.kind, error.field.as_deref().unwrap_or_default())
            }
        };
        replies.iter().map(shown).collect()
    }

    #[tokio::test]
    async fn one_that_cannot_be_accepted_takes_no_other_with_it() {
        let desk = Desk::new().await;
        desk.announce(&["work", "refused"]).await;
        let client = desk.database.connect().await.expect("a connection");
        let refuse = "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no'; END $$;
            CREATE TRIGGER refuse BEFORE INSERT ON jobs FOR EACH ROW WHEN (NEW.type = 'refused') EXECUTE FUNCTION refuse()";
        client.batch_execute(refuse).await.expect("set up");
        let taken = [
            delivery(1, "a", "shop", r#"{"type": "work"}"#),
            delivery(2, "b\0", "shop", r#"{"type": "work"}"#),
            delivery(3, "c", "sh\0p", r#"{"type": "work"}"#),
            delivery(4, "d", "shop", r#"{"type": "refused"}"#),
            delivery(5, "e", "shop", r#"{"type": "work"}"#),
        ];
        let replies = accept_all(&desk.app, &taken, &CancellationToken::new()).await.expect("no shutdown");
        let expected = ["accepted", "malformed message_id", "malformed app_id", "internal ", "accepted"];
        assert_eq!(shown(&replies), expected);
    }

    #[tokio::test]
    async fn what_takes_too_long_together_is_accepted_apart() {
        let desk = Desk::new().await;
        desk.announce(&["work"]).await;
        desk.slow_above(1).await;
        let taken = ["a", "b", "c"].map(|key| delivery(1, key, "shop", r#"{"type": "work"}"#));
        let replies = accept_all(&desk.app, &taken, &CancellationToken::new()).await.expect("no shutdown");
        assert_eq!(shown(&replies), ["accepted", "accepted", "accepted"]);
    }
}
