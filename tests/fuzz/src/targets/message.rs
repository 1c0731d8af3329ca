//! The bodies of messages.

use drover_protocol::{
    Control, JobEvent, JobMessage, MessageType, Notification, Submission, SubmissionReply, WorkerEvent, decode,
    decode_one_or_many, encode, limits::MESSAGE_BYTES,
};
use serde_json::to_value;

pub(super) fn check(bytes: &[u8]) {
    one::<JobMessage>(bytes);
    one::<WorkerEvent>(bytes);
    one::<Control>(bytes);
    one::<Submission>(bytes);
    one::<SubmissionReply>(bytes);
    one::<Notification>(bytes);
    let kind = JobEvent::type_property();
    match decode_one_or_many::<JobEvent>(Some(&kind), bytes, MESSAGE_BYTES) {
        Ok(parts) => {
            for part in parts {
                match part {
                    Ok(event) => again(&event),
                    Err(part) => assert!(!part.error.to_string().is_empty() && part.body.len() <= bytes.len() * 2 + 64),
                }
            }
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

fn one<T: MessageType>(bytes: &[u8]) {
    match decode::<T>(Some(&T::type_property()), bytes, MESSAGE_BYTES) {
        Ok(message) => again(&message),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

fn again<T: MessageType>(message: &T) {
    // What is read may be larger when it is written: defaults and escapes.
    let Ok(body) = encode(message, 2 * MESSAGE_BYTES) else { panic!("what was read cannot be sent") };
    match decode::<T>(Some(&T::type_property()), &body, 2 * MESSAGE_BYTES) {
        Ok(read) => {
            assert_eq!(to_value(&read).ok(), to_value(message).ok(), "it says something else when it is sent again")
        }
        Err(error) => panic!("what was sent again is refused: {error}"),
    }
}
