//! What the database says at the end, tree by tree.

use std::collections::HashMap;

use anyhow::Context;
use chrono::{DateTime, Utc};
use drover_engine::workflow::WorkflowState;
use serde_json::Value;
use tokio_postgres::{Client, Row as Record};
use uuid::Uuid;

/// A root with everything below it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tree {
    pub(crate) root: Uuid,
    /// The label of its submission.
    pub(crate) key: Option<String>,
    pub(crate) rows: Vec<Row>,
    /// In the order of folding.
    pub(crate) history: Vec<Happened>,
}

/// A job's row.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) id: Uuid,
    pub(crate) parent: Option<Uuid>,
    pub(crate) step: Option<usize>,
    pub(crate) batch: Option<u32>,
    pub(crate) job_type: String,
    pub(crate) status: String,
    pub(crate) dispatch: u32,
    /// Hundredths of a percent.
    pub(crate) progress: u32,
    pub(crate) error: Option<Value>,
    pub(crate) result: Value,
    /// Of a workflow.
    pub(crate) workflow: Option<WorkflowState>,
}

/// A line of the history.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Happened {
    pub(crate) job: Uuid,
    pub(crate) dispatch: u32,
    pub(crate) kind: String,
    pub(crate) detail: Value,
    pub(crate) at_ns: u64,
}

const ROOTS: &str = "SELECT id FROM jobs WHERE parent_id IS NULL ORDER BY id";
const ROWS: &str = "
    SELECT id, root_id, parent_id, step_index, batch_index, type, status, dispatch, progress, error, result, workflow,
        labels ->> 'chaos' AS key
    FROM jobs
    WHERE id = ANY ($1) OR (root_id = ANY ($1) AND parent_id IS NOT NULL)";
const HISTORY: &str =
    "SELECT root_id, job_id, dispatch, kind, detail, at FROM history WHERE root_id = ANY ($1) ORDER BY root_id, id";

/// Every root.
pub(crate) async fn roots(client: &Client) -> anyhow::Result<Vec<Uuid>> {
    Ok(client.query(ROOTS, &[]).await?.iter().map(|row| row.get(0)).collect())
}

/// The trees of these roots.
pub(crate) async fn trees(client: &Client, roots: &[Uuid]) -> anyhow::Result<Vec<Tree>> {
    let mut trees: HashMap<Uuid, Tree> =
        roots.iter().map(|root| (*root, Tree { root: *root, ..Tree::default() })).collect();
    for record in client.query(ROWS, &[&roots]).await? {
        let tree = trees.get_mut(&record.get("root_id")).context("a row of another tree")?;
        let row = row(&record)?;
        if row.id == tree.root {
            tree.key = record.get("key");
        }
        tree.rows.push(row);
    }
    for record in client.query(HISTORY, &[&roots]).await? {
        let tree = trees.get_mut(&record.get("root_id")).context("history of another tree")?;
        tree.history.push(happened(&record)?);
    }
    Ok(trees.into_values().collect())
}

fn row(record: &Record) -> anyhow::Result<Row> {
    let unsigned = |name: &str| anyhow::Ok(u32::try_from(record.get::<_, i32>(name))?);
    let optional = |name: &str| record.get::<_, Option<i32>>(name).map(u32::try_from).transpose();
    let workflow: Option<Value> = record.get("workflow");
    Ok(Row {
        id: record.get("id"),
        parent: record.get("parent_id"),
        step: optional("step_index")?.map(usize::try_from).transpose()?,
        batch: optional("batch_index")?,
        job_type: record.get("type"),
        status: record.get("status"),
        dispatch: unsigned("dispatch")?,
        progress: unsigned("progress")?,
        error: record.get("error"),
        result: record.get::<_, Option<Value>>("result").unwrap_or_default(),
        workflow: workflow.map(serde_json::from_value).transpose()?,
    })
}

fn happened(record: &Record) -> anyhow::Result<Happened> {
    let at: DateTime<Utc> = record.get("at");
    Ok(Happened {
        job: record.get("job_id"),
        dispatch: u32::try_from(record.get::<_, i32>("dispatch"))?,
        kind: record.get("kind"),
        detail: record.get::<_, Option<Value>>("detail").unwrap_or_default(),
        at_ns: u64::try_from(at.timestamp_nanos_opt().context("a time")?)?,
    })
}
