//! What handlers really did, as they write it down themselves: a line a deed, each appended by one write.
//!
//! A line is `<nanoseconds since 1970> <deed> <job> <attempt> <dispatch> <call>`. A call is one run of a handler, named by
//! its worker, the process and a number: `worker-2/4711/17`.

use std::{
    collections::HashMap,
    fmt, fs,
    io::Write as _,
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, bail};
use uuid::Uuid;

/// What a handler did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// It was called.
    Begin,
    /// It did what must not be done twice; then it returns.
    Effect,
    /// It saw that it should stop.
    Told,
    /// It returns that it completed, with errors or without.
    Completed,
    /// It returns a failure.
    Failed,
    /// It returns that it stopped.
    Stopped,
    /// It was dropped before it returned, or panicked.
    Dropped,
}

const DEEDS: [(Deed, &str); 7] = [
    (Deed::Begin, "begin"),
    (Deed::Effect, "effect"),
    (Deed::Told, "told"),
    (Deed::Completed, "completed"),
    (Deed::Failed, "failed"),
    (Deed::Stopped, "stopped"),
    (Deed::Dropped, "dropped"),
];

/// A line of the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Nanoseconds since 1970 by the machine's clock.
    pub at_ns: u64,
    /// What was done.
    pub deed: Deed,
    /// The job.
    pub job: Uuid,
    /// Its attempt.
    pub attempt: u32,
    /// The fence.
    pub dispatch: u32,
    /// Which run of a handler.
    pub call: String,
}

impl Line {
    /// The worker of the call.
    #[must_use]
    pub fn worker(&self) -> &str {
        self.call.split('/').next().unwrap_or_default()
    }

    /// Appends the line, by one write.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn append(&self, mut file: &fs::File) -> std::io::Result<()> {
        file.write_all(format!("{self}\n").as_bytes())
    }

    /// Reads a line.
    ///
    /// # Errors
    /// It is none.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        let parts: Vec<&str> = text.split(' ').collect();
        let [at_ns, deed, job, attempt, dispatch, call] = parts.as_slice() else {
            bail!("{text:?} is no line of a ledger");
        };
        let deed = DEEDS.iter().find(|(_, name)| name == deed).with_context(|| format!("{text:?}: unknown deed"))?.0;
        let of = || format!("{text:?} is no line of a ledger");
        Ok(Self {
            at_ns: at_ns.parse().with_context(of)?,
            deed,
            job: job.parse().with_context(of)?,
            attempt: attempt.parse().with_context(of)?,
            dispatch: dispatch.parse().with_context(of)?,
            call: (*call).to_owned(),
        })
    }
}

impl Deed {
    /// Its name in the ledger.
    #[must_use]
    pub fn name(self) -> &'static str {
        DEEDS.iter().find(|(deed, _)| *deed == self).map_or("", |(_, name)| name)
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at_ns, deed, job, attempt, dispatch, call } = self;
        write!(f, "{at_ns} {} {job} {attempt} {dispatch} {call}", deed.name())
    }
}

/// The lines of each job, in the order of time.
pub type Ledger = HashMap<Uuid, Vec<Line>>;

/// Reads every file of a folder.
///
/// # Errors
/// A file cannot be read, or a line is none.
pub fn read(folder: &Path) -> anyhow::Result<Ledger> {
    let mut ledger = Ledger::new();
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        for line in text.lines() {
            let line = Line::parse(line).with_context(|| path.display().to_string())?;
            ledger.entry(line.job).or_default().push(line);
        }
    }
    ledger.values_mut().for_each(|lines| lines.sort_by_key(|line| line.at_ns));
    Ok(ledger)
}

/// The machine's clock, in nanoseconds since 1970.
#[must_use]
pub fn now_ns() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(at_ns: u64, deed: Deed) -> Line {
        Line { at_ns, deed, job: Uuid::from_u128(7), attempt: 2, dispatch: 3, call: "worker-1/42/9".into() }
    }

    #[test]
    fn what_is_written_is_read_in_the_order_of_time() {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, lines) in
            [("a", vec![line(30, Deed::Completed)]), ("b", vec![line(10, Deed::Begin), line(20, Deed::Effect)])]
        {
            let file = fs::File::options().create(true).append(true).open(folder.path().join(name)).expect("opened");
            lines.iter().for_each(|line| line.append(&file).expect("written"));
        }
        let ledger = read(folder.path()).expect("read");
        let expected = vec![line(10, Deed::Begin), line(20, Deed::Effect), line(30, Deed::Completed)];
        assert_eq!(ledger, Ledger::from([(Uuid::from_u128(7), expected)]));
        assert_eq!(ledger[&Uuid::from_u128(7)][0].worker(), "worker-1");
    }

    #[test]
    fn a_torn_line_is_an_error_that_names_it() {
        let torn = line(10, Deed::Begin).to_string();
        for end in [5, torn.len() - 15] {
            let error = Line::parse(&torn[..end]).expect_err("torn").to_string();
            assert!(error.contains(&torn[..end]), "{error}");
        }
    }
}
