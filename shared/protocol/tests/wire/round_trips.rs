//! What is written is read again as it was, and nothing that arrives can bring a reader down.

use drover_protocol::{
    Control, JobEvent, JobMessage, MessageType, Notification, Submission, SubmissionReply, WorkerEvent, decode,
    decode_one_or_many, encode, example, limits, schema,
};
use proptest::{collection::vec, prelude::*};

use crate::strategies;

const LIMIT: usize = limits::MESSAGE_BYTES;

fn decode_as_everything(body: &[u8]) {
    fn one<T: MessageType>(body: &[u8]) {
        let Ok(message) = decode::<T>(None, body, LIMIT) else { return };
        let again = encode(&message, LIMIT).expect("what was accepted can be sent on");
        assert!(decode::<T>(None, &again, LIMIT).is_ok());
    }
    one::<JobMessage>(body);
    one::<WorkerEvent>(body);
    one::<Control>(body);
    one::<Submission>(body);
    one::<SubmissionReply>(body);
    one::<Notification>(body);
    for part in decode_one_or_many::<JobEvent>(None, body, LIMIT).into_iter().flatten() {
        match part {
            Ok(event) => assert!(encode(&event, LIMIT).is_ok()),
            Err(bad) => assert!(!bad.to_string().is_empty()),
        }
    }
}

proptest! {
    #[test]
    fn events_come_back_as_they_were(events in vec(strategies::event(), 1..4)) {
        let mut bodies = Vec::new();
        for event in &events {
            let body = encode(event, LIMIT).unwrap();
            prop_assert_eq!(&decode::<JobEvent>(Some("drover.event.v1"), &body, LIMIT).unwrap(), event);
            bodies.push(String::from_utf8(body).unwrap());
        }
        let array = format!("[{}]", bodies.join(","));
        let parts = decode_one_or_many::<JobEvent>(None, array.as_bytes(), LIMIT).unwrap();
        let parts: Vec<JobEvent> = parts.into_iter().map(Result::unwrap).collect();
        prop_assert_eq!(parts, events);
    }

    #[test]
    fn jobs_come_back_as_they_were(job in strategies::job()) {
        let body = encode(&job, LIMIT).unwrap();
        prop_assert_eq!(decode::<JobMessage>(None, &body, LIMIT).unwrap(), job);
    }

    #[test]
    fn what_is_sent_fits_the_schema(event in strategies::event(), job in strategies::job()) {
        for (index, value) in [(0, serde_json::to_value(&job).unwrap()), (1, serde_json::to_value(&event).unwrap())] {
            let validator = jsonschema::validator_for(&schema::all()[index].schema).unwrap();
            prop_assert!(validator.is_valid(&value), "{value}");
        }
    }

    #[test]
    fn no_bytes_bring_a_reader_down(body in vec(any::<u8>(), 0..300)) {
        decode_as_everything(&body);
    }

    #[test]
    fn no_json_brings_a_reader_down(value in strategies::json()) {
        decode_as_everything(value.to_string().as_bytes());
    }

    /// Near misses: a good message in which one place holds something else.
    #[test]
    fn no_near_miss_brings_a_reader_down(which: prop::sample::Index, at: prop::sample::Index, value in strategies::json()) {
        let bodies: Vec<_> = example::all().into_iter().flat_map(|examples| examples.bodies).collect();
        let mut body = which.get(bodies.as_slice()).clone();
        let mut places = Vec::new();
        collect_pointers(&body, String::new(), &mut places);
        let place: &String = at.get(&places);
        *body.pointer_mut(place).unwrap() = value;
        decode_as_everything(body.to_string().as_bytes());
    }
}

fn collect_pointers(value: &serde_json::Value, at: String, places: &mut Vec<String>) {
    match value {
        serde_json::Value::Object(fields) => {
            fields.iter().for_each(|(key, value)| collect_pointers(value, format!("{at}/{key}"), places));
        }
        serde_json::Value::Array(values) => {
            values
                .iter()
                .enumerate()
                .for_each(|(index, value)| collect_pointers(value, format!("{at}/{index}"), places));
        }
        _ => {}
    }
    places.push(at);
}
