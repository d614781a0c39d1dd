//! Outbox: messages are committed with what they tell of, and sent once that is committed.
//!
//! Chunks and decodings that wait their turn are also released here ([`crate::release`]). Every ingest process sends; rows that another
//! process has in hand are skipped. A message may be sent twice (a crash between confirm and commit), never not at all.

use crate::context::Context;
use crate::release;
use service_kit::broker::Backoff;
use service_kit::messages::{self, Message};
use service_kit::publisher::{Post, Publisher};
use service_kit::{telemetry, transaction};
use sqlx::PgTransaction;
use sqlx::types::Json;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use uuid::Uuid;

/// Rows taken at once.
const BATCH: i64 = 50;
/// Longest wait until rows of other processes, or left by a crash, are seen.
const POLL: Duration = Duration::from_millis(500);
/// Time between two looks whether there is room for jobs that wait their turn.
const LOOK: Duration = Duration::from_millis(100);
/// Longest wait for the broker's confirm; row locks are held meanwhile.
pub(crate) const CONFIRM_WITHIN: Duration = Duration::from_secs(15);
/// Time between two counts of the rows that wait.
const GAUGE_EVERY: Duration = Duration::from_secs(5);

/// Wakes the sender after a commit.
#[derive(Clone, Default)]
pub struct Wake(Arc<Notify>);

impl Wake {
    /// To be called once rows are committed.
    pub fn up(&self) {
        self.0.notify_one();
    }
}

/// Adds `message` to `queue` in the transaction that makes it true.
pub async fn add<M: Message>(
    transaction: &mut PgTransaction<'static>,
    recording: Uuid,
    queue: &str,
    message: &M,
) -> Result<(), sqlx::Error> {
    add_with(transaction, recording, queue, message, &Json(telemetry::current_context())).await
}

/// Adds `message` to `queue` with the trace that it belongs to.
pub async fn add_with<M: Message>(
    transaction: &mut PgTransaction<'static>,
    recording: Uuid,
    queue: &str,
    message: &M,
    trace: &Json<BTreeMap<String, String>>,
) -> Result<(), sqlx::Error> {
    let body = messages::encode(message).map_err(|error| sqlx::Error::Encode(error.into()))?;
    add_raw(transaction, recording, queue, M::TYPE, &body, trace).await
}

/// Adds an encoded message of type `kind`.
pub async fn add_raw(
    transaction: &mut PgTransaction<'static>,
    recording: Uuid,
    queue: &str,
    kind: &str,
    body: &[u8],
    trace: &Json<BTreeMap<String, String>>,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO outbox (recording_id, queue, kind, body, trace) VALUES ($1, $2, $3, $4, $5)",
        recording,
        queue,
        kind,
        body,
        trace as _,
    )
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

/// Outcome of one batch.
#[derive(Debug)]
pub struct Sent {
    /// Messages that are on their queues now.
    pub messages: usize,
    /// Queues that did not take theirs, and why.
    pub refused: BTreeMap<String, String>,
}

/// Sends until shutdown.
pub async fn run(context: Arc<Context>) -> anyhow::Result<()> {
    let publisher = Publisher::new(context.broker.clone());
    let mut backoff = Backoff::default();
    let mut refusing: BTreeMap<String, String> = BTreeMap::new();
    let mut counted: Option<Instant> = None;
    // Why nothing was released, told once.
    let mut unreleased = String::new();
    while !context.shutdown.is_asked() {
        if counted.is_none_or(|at| at.elapsed() >= GAUGE_EVERY) {
            count_waiting(&context).await;
            counted = Some(Instant::now());
        }
        if context.broker.blocked().is_some() {
            tokio::select! {
                () = context.broker.until_open() => {}
                () = tokio::time::sleep(GAUGE_EVERY) => {}
                () = context.shutdown.asked() => {}
            }
            continue;
        }
        let looking = Instant::now();
        let released = release::pass(&context).await.unwrap_or_else(|error| {
            let why = error.to_string();
            if why != unreleased {
                tracing::warn!(why, "no job can be released; will be tried again");
                unreleased = why;
            }
            release::Released::default()
        });
        // Where very much waits, looking takes time: most of it must be left for other work.
        let look_after = if released.waiting { LOOK.max(4 * looking.elapsed()) } else { POLL };
        let queues: Vec<String> = refusing.keys().cloned().collect();
        match send_batch(&context, &publisher, &queues).await {
            // One queue that refuses must not hold up the others: go on without it, then wait.
            Ok(sent) if !sent.refused.is_empty() => refusing.extend(sent.refused),
            Ok(sent) if sent.messages > 0 => {}
            Ok(_) if !refusing.is_empty() => {
                tracing::warn!(?refusing, "messages stay in the outbox; will be tried again");
                refusing.clear();
                backoff.wait(&context.shutdown).await;
            }
            Ok(_) => {
                backoff = Backoff::default();
                tokio::select! {
                    () = context.wake.0.notified() => {}
                    () = tokio::time::sleep(look_after) => {}
                    () = context.shutdown.asked() => {}
                }
            }
            Err(error) => {
                tracing::warn!(%error, "the outbox cannot be read; will be tried again");
                backoff.wait(&context.shutdown).await;
            }
        }
    }
    Ok(())
}

/// Sends up to a batch of what is committed, but for `without`, the queues that refused before.
pub async fn send_batch(
    context: &Context,
    publisher: &Publisher<impl Post>,
    without: &[String],
) -> Result<Sent, sqlx::Error> {
    transaction::run(&context.pool, "send outbox", &context.shutdown, async |transaction| {
        let rows = sqlx::query!(
            r#"SELECT id, queue, kind, body, trace AS "trace: Json<BTreeMap<String, String>>" FROM outbox
               WHERE queue <> ALL($1) ORDER BY id LIMIT $2 FOR UPDATE SKIP LOCKED"#,
            without,
            BATCH,
        )
        .fetch_all(&mut **transaction)
        .await?;
        let (mut confirmed, mut refused) = (Vec::new(), BTreeMap::new());
        for row in rows {
            if refused.contains_key(&row.queue) {
                continue;
            }
            let publish = publisher.publish_raw(&row.queue, &row.kind, &row.body, &row.trace);
            let outcome = match tokio::time::timeout(CONFIRM_WITHIN, publish).await {
                Ok(outcome) => outcome.map_err(|error| error.to_string()),
                Err(_) => Err(format!("the broker did not confirm within {} s", CONFIRM_WITHIN.as_secs())),
            };
            match outcome {
                Ok(()) => confirmed.push(row.id),
                Err(why) => {
                    refused.insert(row.queue, why);
                }
            }
        }
        sqlx::query!("DELETE FROM outbox WHERE id = ANY($1)", &confirmed).execute(&mut **transaction).await?;
        metrics::counter!("throughline_outbox_sent_total").increment(confirmed.len() as u64);
        Ok(Sent { messages: confirmed.len(), refused })
    })
    .await
}

async fn count_waiting(context: &Context) {
    let waiting = sqlx::query!(
        r#"SELECT count(*) AS "messages!", coalesce(extract(epoch FROM now() - min(created_at)), 0)::float8 AS "oldest!"
           FROM outbox"#
    )
    .fetch_one(&context.pool)
    .await;
    // A database that is away is told of by whoever needs it; the gauge keeps its last value.
    if let Ok(waiting) = waiting {
        metrics::gauge!("throughline_outbox_pending_messages").set(waiting.messages as f64);
        metrics::gauge!("throughline_outbox_oldest_seconds").set(waiting.oldest);
    }
}
