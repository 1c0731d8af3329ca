//! What was done, by whom, and what came of it.

use std::sync::{Mutex, PoisonError};

use serde_json::Value;
use uuid::Uuid;

use crate::store::Store;

/// Longest detail that is kept, in bytes of JSON.
const DETAIL_BYTES: usize = 4_096;
/// Longest target that is kept, in bytes.
const TARGET_BYTES: usize = 256;

/// A line of the audit.
#[derive(Clone, Debug)]
pub struct Line {
    /// The token; none: that of the configuration, or none at all.
    pub token_id: Option<Uuid>,
    /// Its name.
    pub token_name: Option<String>,
    /// Its role at that time.
    pub role: Option<&'static str>,
    /// What was asked for.
    pub action: &'static str,
    /// What it was done to.
    pub target: Option<String>,
    /// The HTTP status that was answered.
    pub status: i32,
    /// Where it came from.
    pub address: Option<String>,
    /// More about it.
    pub detail: Option<Value>,
}

/// Keeps lines. Whoever asked is answered once the line is kept, so that nothing is done without one; lines that come while
/// others are written go together with the next, so that many at once cost few commits.
pub struct Audit {
    store: Store,
    pending: Mutex<Pending>,
    writing: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Pending {
    lines: Vec<Line>,
    /// How many batches were taken from here.
    taken: u64,
}

impl Audit {
    pub(super) fn new(store: Store) -> Self {
        Self { store, pending: Mutex::default(), writing: tokio::sync::Mutex::default() }
    }

    /// Keeps a line. One that the database does not take is in the log.
    pub async fn keep(&self, line: Line) {
        let batch = {
            let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
            pending.lines.push(bounded(line));
            pending.taken
        };
        let _turn = self.writing.lock().await;
        let lines = {
            let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
            if pending.taken != batch {
                // Whoever had its turn before wrote it.
                return;
            }
            pending.taken += 1;
            std::mem::take(&mut pending.lines)
        };
        if let Err(error) = self.store.insert_audit(&lines).await {
            for line in &lines {
                tracing::error!(%error, ?line, "a line of the audit cannot be kept in the database");
            }
        }
    }
}

fn bounded(mut line: Line) -> Line {
    if let Some(target) = &mut line.target {
        target.retain(|c| c != '\0');
        target.truncate(target.floor_char_boundary(TARGET_BYTES));
    }
    line.detail = line.detail.map(|detail| {
        let text = detail.to_string();
        // JSON of others may hold a NUL, which the database does not take.
        if text.len() <= DETAIL_BYTES && !text.contains("\\u0000") {
            return detail;
        }
        let cut = text.floor_char_boundary(DETAIL_BYTES);
        Value::from(text.get(..cut).unwrap_or_default().replace("\\u0000", ""))
    });
    line
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::Desk;

    fn line(number: i32) -> Line {
        let (token_name, role) = (Some("ann".into()), Some("operator"));
        let (action, target, address) = ("cancel", Some("x".into()), Some("127.0.0.1".into()));
        Line { token_id: None, token_name, role, action, target, status: number, address, detail: None }
    }

    #[tokio::test]
    async fn every_line_is_kept_once_however_many_come_at_once() {
        let desk = Desk::new().await;
        let audit = Audit::new(desk.app.store.clone());
        futures_util::future::join_all((0..200).map(|number| audit.keep(line(number)))).await;
        let lines = desk.app.store.view_audit(&Default::default(), None, 500).await.unwrap();
        let mut numbers: Vec<i64> = lines.iter().map(|(_, line)| line["status"].as_i64().unwrap()).collect();
        numbers.sort_unstable();
        assert_eq!(numbers, (0..200).collect::<Vec<_>>());
        assert!(audit.pending.lock().unwrap().taken < 200, "they share commits");
    }

    #[test]
    fn a_line_has_a_bound_and_no_nul() {
        let long =
            Line { target: Some("ü\0".repeat(9_999)), detail: Some(json!({ "a": "x\0y".repeat(9_999) })), ..line(1) };
        let kept = bounded(long);
        let (target, detail) = (kept.target.unwrap(), kept.detail.unwrap().to_string());
        assert!(target.len() <= TARGET_BYTES && !target.contains('\0'));
        assert!(detail.len() <= DETAIL_BYTES * 2 && !detail.contains("u0000"), "{}", detail.len());
        assert_eq!(bounded(Line { detail: Some(json!({ "a": 1 })), ..line(1) }).detail, Some(json!({ "a": 1 })));
    }

    #[tokio::test]
    async fn nobody_changes_a_line_or_deletes_it_before_its_time() {
        let desk = Desk::new().await;
        Audit::new(desk.app.store.clone()).keep(line(1)).await;
        let client = desk.database.connect().await.unwrap();
        for change in ["UPDATE audit SET status = 2", "DELETE FROM audit"] {
            let refused = client.execute(change, &[]).await.unwrap_err();
            assert!(refused.as_db_error().unwrap().message().contains("kept for 30 days"), "{change}");
        }
        let aged = "INSERT INTO audit (at, action, status) VALUES (now() - interval '400 days', 'cancel', 202)";
        client.execute(aged, &[]).await.unwrap();
        let year = std::time::Duration::from_secs(365 * 86_400);
        assert_eq!(desk.app.store.delete_old_audit(year, 10).await.unwrap(), 1);
        assert_eq!(desk.app.store.view_audit(&Default::default(), None, 9).await.unwrap().len(), 1);
    }
}
