//! JSON Schemas of every message, generated from the types. They are committed in `docs/wire/`, for those who write a
//! worker or a publisher in another language.

use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::Value;

use crate::{Control, JobEvent, JobMessage, MessageType, Notification, Submission, SubmissionReply, WorkerEvent};

/// The schema of one type (draft 2020-12), with what it refers to in `$defs`.
#[must_use]
pub fn of<T: JsonSchema>() -> Value {
    SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<T>().to_value()
}

/// The schema of a message's body, titled by its `type` property. Events come alone or as an array.
fn body<T: MessageType>() -> Value {
    let mut schema = of::<T>();
    schema["title"] = T::type_property().into();
    schema
}

/// One message type: its `type` property and the schema of its body.
#[derive(Clone, Debug, PartialEq)]
pub struct MessageSchema {
    /// The `type` property, for example `drover.job.v1`.
    pub type_property: String,
    /// The schema.
    pub schema: Value,
}

/// The schemas of all message types.
#[must_use]
pub fn all() -> Vec<MessageSchema> {
    fn entry<T: MessageType>() -> MessageSchema {
        MessageSchema { type_property: T::type_property(), schema: body::<T>() }
    }
    vec![
        entry::<JobMessage>(),
        entry::<JobEvent>(),
        entry::<WorkerEvent>(),
        entry::<Control>(),
        entry::<Submission>(),
        entry::<SubmissionReply>(),
        entry::<Notification>(),
    ]
}
