//! Queues: how much waits on them, and pausing and resuming them.

use super::overview::Queue;
use crate::context::Context;
use chrono::{DateTime, Utc};
use diarization::analysis::CONFIGURATION;
use service_kit::paused_queues;
use service_kit::topology::{self, DEAD, DECODE, MATCH};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Longest wait for the broker's counts.
const COUNT_WITHIN: Duration = Duration::from_secs(3);

/// The queues that can be paused: those of all recordings in work, of all workers that are there, and of what is uploaded now.
pub(crate) async fn pausable(context: &Context) -> Result<BTreeSet<String>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"SELECT model_version AS "model_version!", configuration AS "configuration!" FROM workers WHERE model_version IS NOT NULL
           UNION SELECT model_version, configuration FROM recordings WHERE state IN ('queued', 'processing')"#
    )
    .fetch_all(&context.reads)
    .await?;
    let of_chunks = rows.iter().map(|row| topology::chunk_queue(&row.model_version, &row.configuration));
    let fixed =
        [DECODE.to_owned(), MATCH.to_owned(), topology::chunk_queue(&context.model_version, CONFIGURATION)];
    // One that was paused must be found again, whatever has become of its workers.
    let paused = paused_queues::read(&context.reads).await?;
    Ok(of_chunks.chain(fixed).chain(paused).collect())
}

/// True where `queue` is one of chunks.
pub(crate) fn is_of_chunks(queue: &str) -> bool {
    ![DECODE, MATCH, DEAD].contains(&queue)
}

/// Pauses `queue` for all its consumers, for the caller `by`. Twice is once.
pub(crate) async fn pause(context: &Context, queue: &str, by: &str) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO paused_queues (queue, paused_by) VALUES ($1, $2)
         ON CONFLICT (queue) DO UPDATE SET paused_at = now(), paused_by = $2, resumed_at = NULL
         WHERE paused_queues.resumed_at IS NOT NULL",
        queue,
        by
    )
    .execute(&context.pool)
    .await?;
    context.announce.notify_one();
    Ok(())
}

/// Lets `queue` be consumed again. Twice is once.
pub(crate) async fn resume(context: &Context, queue: &str) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE paused_queues SET resumed_at = now() WHERE queue = $1 AND resumed_at IS NULL",
        queue
    )
    .execute(&context.pool)
    .await?;
    context.announce.notify_one();
    Ok(())
}

/// The queues that are paused: since when and by whom.
async fn pauses(context: &Context) -> Result<BTreeMap<String, (DateTime<Utc>, String)>, sqlx::Error> {
    let rows = sqlx::query!("SELECT queue, paused_at, paused_by FROM paused_queues WHERE resumed_at IS NULL")
        .fetch_all(&context.reads)
        .await?;
    Ok(rows.into_iter().map(|row| (row.queue, (row.paused_at, row.paused_by))).collect())
}

/// All queues with what the broker counts on them.
pub(crate) async fn all(context: &Context) -> Result<Vec<Queue>, sqlx::Error> {
    let paused = pauses(context).await?;
    let names = pausable(context).await?.into_iter().map(|name| (name, true));
    let names: Vec<(String, bool)> = names.chain([(DEAD.to_owned(), false)]).collect();
    let counting = count(context, names.iter().map(|(name, _)| name.as_str()));
    let counted = match tokio::time::timeout(COUNT_WITHIN, counting).await {
        Ok(Ok(counted)) => counted,
        Ok(Err(error)) => {
            tracing::debug!(%error, "the queues could not be counted");
            Vec::new()
        }
        Err(_) => Vec::new(),
    };
    let mut counted = counted.into_iter();
    let queue = |(name, pausable): (String, bool)| {
        let counts = counted.next();
        let pause = paused.get(&name);
        Queue {
            paused: pause.is_some(),
            paused_since: pause.map(|(since, _)| *since),
            paused_by: pause.map(|(_, by)| by.clone()),
            messages: counts.map(|(messages, _)| messages),
            consumers: counts.map(|(_, consumers)| consumers),
            name,
            pausable,
        }
    };
    Ok(names.into_iter().map(queue).collect())
}

/// Messages that wait on each queue, and its consumers.
async fn count(context: &Context, names: impl Iterator<Item = &str>) -> lapin::Result<Vec<(u32, u32)>> {
    let mut counted = Vec::new();
    for name in names {
        let depth = context.broker.depth(name).await?;
        counted.push(depth.map_or((0, 0), |depth| (depth.messages, depth.consumers)));
    }
    Ok(counted)
}
