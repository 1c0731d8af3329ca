//! Names that become parts of queue names and routing keys.

use drover_protocol::{JobType, Names};

/// AMQP's longest name.
const NAME_BYTES: usize = 255;

pub(super) fn check(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let (one, other) = text.split_once('\n').unwrap_or((&text, "work"));
    let (names, job_type) = (Names::new(one), JobType::new(other));
    for error in [names.as_ref().err().map(ToString::to_string), job_type.as_ref().err().map(ToString::to_string)] {
        assert!(error.is_none_or(|error| !error.is_empty()));
    }
    if let (Ok(names), Ok(job_type)) = (names, job_type) {
        let queue = names.jobs_queue(&job_type);
        assert!(queue.len() <= NAME_BYTES, "{} bytes", queue.len());
        assert!(queue.chars().all(|char| char.is_ascii_graphic()), "{queue:?}");
        assert_eq!(job_type.as_str(), other);
    }
}
