//! The AsyncAPI 3.0 document: which message goes where, told from the orchestrator's side.

use schemars::{JsonSchema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use crate::{
    Control, JobEvent, JobMessage, MessageType, Names, Notification, Submission, SubmissionReply, WorkerEvent, example,
    limits,
};

/// Version of the AMQP binding objects.
const AMQP_BINDING: &str = "0.3.0";

/// The document for exchanges and queues of the given names.
///
/// Schemas are in draft 07 here, which is what AsyncAPI tools read; they say the same as those of [`crate::schema::all`].
#[must_use]
pub fn document(names: &Names) -> Value {
    let settings = SchemaSettings::draft07().with(|settings| settings.definitions_path = "/components/schemas".into());
    let mut generator = settings.into_generator();
    let messages = messages(&mut generator);
    let channels = channels(names);
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "Drover",
            "version": "1.0.0",
            "description": "Workflow jobs over AMQP 0-9-1, as the orchestrator sees it: it sends jobs to workers, and \
                receives what they report and what other systems ask for. Fields that a receiver does not know are \
                ignored, except in submissions. See README.md beside this file for the rules.",
            "license": { "name": "MIT OR Apache-2.0" },
        },
        "defaultContentType": "application/json",
        "channels": channels.iter().map(|channel| (channel.id.to_owned(), channel.to_json())).collect::<Map<_, _>>(),
        "operations":
            channels.iter().map(|channel| (channel.operation.to_owned(), channel.operation_json())).collect::<Map<_, _>>(),
        "components": { "messages": messages, "schemas": generator.take_definitions(true) },
    })
}

/// A channel and the one thing that is done with it.
struct Channel {
    id: &'static str,
    address: Option<String>,
    description: &'static str,
    /// `send` or `receive`, by the orchestrator.
    action: &'static str,
    operation: &'static str,
    summary: &'static str,
    message: &'static str,
    parameters: Value,
    binding: Value,
    /// The channel that an answer goes to.
    reply: Option<&'static str>,
}

fn queue(name: &str) -> Value {
    let queue = json!({ "name": name, "durable": true, "exclusive": false, "autoDelete": false });
    json!({ "amqp": { "is": "queue", "queue": queue, "bindingVersion": AMQP_BINDING } })
}

fn exchange(name: &str, kind: &str) -> Value {
    let exchange = json!({ "name": name, "type": kind, "durable": true, "autoDelete": false });
    json!({ "amqp": { "is": "routingKey", "exchange": exchange, "bindingVersion": AMQP_BINDING } })
}

fn channels(names: &Names) -> Vec<Channel> {
    let job_type = json!({ "type": { "description": "The job type." } });
    let ended = json!({
        "status": {
            "description": "How the job ended.",
            "enum": ["completed", "completed_with_errors", "failed", "cancelled"],
        },
        "type": { "description": "The job type or workflow." },
    });
    vec![
        Channel {
            id: "jobs",
            address: Some("{type}".into()),
            description: "One quorum queue per job type, named after the exchange and the type, for example \
                `drover.jobs.validate_import`; the orchestrator declares it. What is rejected goes to the dead letters.",
            action: "send",
            operation: "dispatchJob",
            summary: "Start one dispatch of a job on whichever worker is free.",
            message: "job",
            parameters: job_type,
            binding: exchange(&names.jobs_exchange(), "direct"),
            reply: Some("events"),
        },
        inbox("events", names.events_queue(), names)
            .about("Events of jobs: one, or an array of up to 1000 in one message.")
            .receives("foldEvents", "Take what happened to jobs.", "event"),
        inbox("logs", names.logs_queue(), names)
            .about("Log events of jobs, apart so that a chatty job never delays a status.")
            .receives("storeLogs", "Take log lines of jobs.", "event"),
        inbox("heartbeats", names.heartbeats_queue(), names)
            .about("What workers say of themselves, apart so that a backlog of events never delays a heartbeat.")
            .receives("watchWorkers", "Take a worker's arrival, heartbeats and end.", "worker"),
        Channel {
            id: "control",
            address: None,
            description: "A fanout exchange; each worker session binds an exclusive auto-delete queue of its own. \
                What concerns one worker alone, as `welcome`, is sent straight to that queue by the default exchange.",
            action: "send",
            operation: "controlWorkers",
            summary: "Tell workers to stop jobs, to drain, or that they may begin.",
            message: "control",
            parameters: Value::Null,
            binding: exchange(&names.control_exchange(), "fanout"),
            reply: None,
        },
        Channel {
            id: "submit",
            address: None,
            description: "Requests of other systems. The exchange passes all to the queue `drover.submit`, whatever the \
                routing key. `message_id`, or `idempotency_key` in the body, is required; a repeat with the same `app_id` \
                makes no second job.",
            action: "receive",
            operation: "takeSubmission",
            summary: "Make a job, and answer with its id or with the reason why not.",
            message: "submission",
            parameters: Value::Null,
            binding: exchange(&names.submit_exchange(), "fanout"),
            reply: Some("submissionReplies"),
        },
        Channel {
            id: "submissionReplies",
            address: None,
            description: "The queue that the submission's `reply_to` names.",
            action: "send",
            operation: "answerSubmission",
            summary: "Say what became of a submission.",
            message: "submission_reply",
            parameters: Value::Null,
            binding: json!({}),
            reply: None,
        },
        Channel {
            id: "notifications",
            address: Some("job.{status}.{type}".into()),
            description: "A topic exchange that other systems bind queues of their own to, for example with \
                `job.failed.#`.",
            action: "send",
            operation: "notifyOfEnd",
            summary: "Tell whoever listens that a job ended.",
            message: "notification",
            parameters: ended,
            binding: exchange(&names.notifications_exchange(), "topic"),
            reply: None,
        },
        Channel {
            id: "dead",
            address: Some(names.dead()),
            description: "What nobody could process, as it came. The API (`/api/v1/dead`) lists it with the reason.",
            action: "receive",
            operation: "keepDeadLetter",
            summary: "Keep it where a person finds it and can send it again.",
            message: "dead",
            parameters: Value::Null,
            binding: queue(&names.dead()),
            reply: None,
        },
    ]
}

/// A queue of the events exchange, bound by its own name.
fn inbox(id: &'static str, name: String, names: &Names) -> Channel {
    Channel {
        id,
        binding: exchange(&names.events_exchange(), "direct"),
        address: Some(name),
        description: "",
        action: "receive",
        operation: "",
        summary: "",
        message: "",
        parameters: Value::Null,
        reply: None,
    }
}

impl Channel {
    fn about(self, description: &'static str) -> Self {
        Self { description, ..self }
    }

    fn receives(self, operation: &'static str, summary: &'static str, message: &'static str) -> Self {
        Self { operation, summary, message, ..self }
    }

    fn to_json(&self) -> Value {
        let mut channel = json!({
            "address": self.address,
            "description": self.description,
            "messages": { self.message: { "$ref": format!("#/components/messages/{}", self.message) } },
            "bindings": self.binding,
        });
        if !self.parameters.is_null() {
            channel["parameters"] = self.parameters.clone();
        }
        channel
    }

    fn operation_json(&self) -> Value {
        let channel = json!({ "$ref": format!("#/channels/{}", self.id) });
        let message = json!({ "$ref": format!("#/channels/{}/messages/{}", self.id, self.message) });
        let mut operation = json!({
            "action": self.action,
            "summary": self.summary,
            "channel": channel,
            "messages": [message],
        });
        if self.action == "send" {
            // Broadcasts and replies may find nobody; a job must find its queue.
            let mandatory = self.message == "job";
            operation["bindings"] =
                json!({ "amqp": { "deliveryMode": 2, "mandatory": mandatory, "bindingVersion": AMQP_BINDING } });
        }
        if let Some(reply) = self.reply {
            operation["reply"] = json!({
                "address": {
                    "description": "The property `reply_to` of the message.",
                    "location": "$message.header#/reply_to",
                },
                "channel": { "$ref": format!("#/channels/{reply}") },
            });
        }
        operation
    }
}

fn messages(generator: &mut SchemaGenerator) -> Value {
    let traced = json!({ "traceparent": text("W3C trace context.") });
    let job_headers = json!({
        "traceparent": text("W3C trace context of the workflow's trace; events may repeat it."),
        "attempt": text("The attempt, as in the body."),
        "dispatch": text("The dispatch, as in the body."),
    });
    let one_event = generator.subschema_for::<JobEvent>();
    let events = json!({
        "oneOf": [one_event, { "type": "array", "items": one_event, "maxItems": limits::EVENTS_PER_MESSAGE }],
    });
    json!({
        "job": message::<JobMessage>("A job for a worker", &job_headers, payload::<JobMessage>(generator), &[
            ("message_id", "the job's id"), ("correlation_id", "the root job's id"),
            ("reply_to", "routing key, on the events exchange, for the job's events"),
        ]),
        "event": message::<JobEvent>("What happened to a job", &traced, events, &[
            ("message_id", "anything unique"), ("correlation_id", "the root job's id"),
        ]),
        "worker": message::<WorkerEvent>("What a worker says of itself", &traced, payload::<WorkerEvent>(generator), &[
            ("message_id", "anything unique"),
            ("reply_to", "of `worker_up`: the worker's control queue, where `welcome` is sent"),
        ]),
        "control": message::<Control>("What workers are told", &traced, payload::<Control>(generator), &[]),
        "submission": message::<Submission>(
            "A request for a job or a workflow", &traced, payload::<Submission>(generator), &[
                ("message_id", "unique with `app_id`: a repeat makes no second job; required without `idempotency_key`"),
                ("app_id", "the system that asks"), ("reply_to", "queue for the answer; absent: no answer"),
                ("correlation_id", "comes back with the answer; absent: the `message_id` does"),
            ],
        ),
        "submission_reply": message::<SubmissionReply>(
            "What became of a submission", &traced, payload::<SubmissionReply>(generator),
            &[("correlation_id", "of the submission, else its `message_id`")],
        ),
        "notification": message::<Notification>("A job ended", &traced, payload::<Notification>(generator), &[
            ("message_id", "as `id` of the body: the same for a repeat"),
        ]),
        "dead": {
            "name": "dead",
            "title": "A message that nobody could process; its body is whatever came",
        },
    })
}

fn text(description: &str) -> Value {
    json!({ "type": "string", "description": description })
}

fn object(properties: &Value) -> Value {
    json!({ "type": "object", "properties": properties })
}

fn payload<T: JsonSchema>(generator: &mut SchemaGenerator) -> Value {
    generator.subschema_for::<T>().to_value()
}

/// A message with its headers and its AMQP properties; those that every message has are added here.
fn message<T: MessageType>(title: &str, headers: &Value, payload: Value, properties: &[(&str, &str)]) -> Value {
    let type_property = T::type_property();
    let is_notification = T::NAME == Notification::NAME;
    let content_type = if is_notification { "application/cloudevents+json" } else { "application/json" };
    let mut amqp: Map<String, Value> = properties.iter().map(|(key, text)| ((*key).into(), (*text).into())).collect();
    amqp.insert("type".into(), type_property.clone().into());
    amqp.insert("content_type".into(), content_type.into());
    amqp.insert("delivery_mode".into(), "2 (persistent)".into());
    amqp.insert("timestamp".into(), "when it was published".into());
    amqp.entry("app_id").or_insert_with(|| "who published it".into());
    let bodies = example::all().into_iter().find(|examples| examples.type_property == type_property);
    let examples: Vec<Value> = bodies
        .into_iter()
        .flat_map(|examples| examples.bodies)
        .map(|body| json!({ "name": body["kind"].as_str().unwrap_or(T::NAME), "payload": body }))
        .collect();
    json!({
        "name": type_property,
        "title": title,
        "contentType": content_type,
        "headers": object(headers),
        "payload": payload,
        "bindings": { "amqp": { "messageType": type_property, "bindingVersion": AMQP_BINDING } },
        "x-amqp-properties": amqp,
        "examples": examples,
    })
}
