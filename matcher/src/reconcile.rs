//! Reconcile: finds recordings that no message will move any more. Postgres is the truth; the broker is disposable.

use crate::backlog::Backlog;
use crate::database::Database;
use crate::epoch::{self, Markable};
use crate::error::MatchError;
use crate::outbox;
use crate::republish::{self, Watch};
use service_kit::broker::Broker;
use service_kit::messages::RecordingDecoded;
use service_kit::topology;
use sqlx::PgTransaction;
use sqlx::types::Json;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Recordings moved in one pass at most.
const MOST_RECORDINGS: i64 = 100;
/// Recordings that moved within this time are left to their messages.
pub const SETTLED_AFTER: Duration = Duration::from_secs(10);

/// Looks for recordings to move, and for lost jobs, until shutdown.
pub async fn run(database: &Database, broker: &Broker, every: Duration, republish_after: Duration) {
    // Not at once: after an outage, what waits on the queues goes first.
    let mut ticks = tokio::time::interval_at(tokio::time::Instant::now() + every, every);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut watch = Watch::default();
    // At once: a broker that nobody knows yet has nothing to lose as long as nothing was given to it.
    look_at(database, broker).await;
    while !database.shutdown().is_asked() {
        tokio::select! {
            _ = ticks.tick() => {}
            () = database.shutdown().asked() => return,
        }
        round(database, broker, &mut watch, republish_after, Instant::now()).await;
    }
}

/// One look at everything. `now` is its time, on the clock that `watch` knows.
pub async fn round(
    database: &Database,
    broker: &(impl Markable + Backlog),
    watch: &mut Watch,
    republish_after: Duration,
    now: Instant,
) {
    if let Err(error) = pass(database, SETTLED_AFTER).await {
        tracing::warn!(%error, "recordings could not be reconciled; the next pass tries again");
    }
    look_at(database, broker).await;
    if let Err(error) = republish::pass(database, broker, watch, republish_after, now).await {
        tracing::warn!(%error, "lost jobs could not be looked for; the next pass tries again");
    }
}

async fn look_at(database: &Database, broker: &impl Markable) {
    if let Err(error) = epoch::look(database, broker).await {
        tracing::warn!(%error, "the broker could not be looked at; the next pass tries again");
    }
}

/// Tells a matcher, by a message, of every recording that can move and has not for `settled_after`; returns how many those are.
///
/// By a message, and not at once, so that an attempt that kills its matcher counts like any other and cannot be made for ever.
pub async fn pass(database: &Database, settled_after: Duration) -> Result<usize, MatchError> {
    let work = async |transaction: &mut PgTransaction<'static>| {
        // Touched, so that neither this nor another matcher tells of it again at once; what is locked is being moved.
        let movable = sqlx::query!(
            r#"UPDATE recordings SET updated_at = now()
               WHERE id IN (
                   SELECT r.id FROM recordings r
                   WHERE r.state IN ('queued', 'processing')
                     AND r.updated_at < now() - make_interval(secs => $1)
                     -- Nobody would take the message.
                     AND NOT EXISTS (SELECT 1 FROM paused_queues p WHERE p.queue = $3 AND p.resumed_at IS NULL)
                     AND (r.next_chunk = r.chunk_count OR EXISTS (
                         SELECT 1 FROM inbox i
                         WHERE i.recording_id = r.id AND i.chunk = r.next_chunk
                           AND i.model_version = r.model_version AND i.configuration = r.configuration
                           AND i.received_at < now() - make_interval(secs => $1)))
                   ORDER BY r.updated_at LIMIT $2 FOR UPDATE SKIP LOCKED)
               RETURNING id, run, trace AS "trace: Json<BTreeMap<String, String>>""#,
            settled_after.as_secs_f64(),
            MOST_RECORDINGS,
            topology::MATCH
        )
        .fetch_all(&mut **transaction)
        .await?;
        for row in &movable {
            tracing::info!(recording = %row.id, "no message moved the recording: a matcher is told of it");
            let told = RecordingDecoded { recording: row.id, run: row.run };
            outbox::add(transaction, row.id, topology::MATCH, &[told], &row.trace).await?;
        }
        Ok(movable.len())
    };
    Ok(database.run("reconcile", work).await?)
}
