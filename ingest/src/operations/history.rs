//! History: the whole as it was, minute by minute, for operators to see what led to the present.

use super::{read, snapshot};
use crate::context::Context;
use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgPool;
use std::sync::Arc;
use std::time::Duration;
use utoipa::ToSchema;

/// Time between two looks whether this minute is written down.
const LOOK_EVERY: Duration = Duration::from_secs(15);
/// Time before now that is shown.
const SHOWN: Duration = Duration::from_secs(3600);
/// Time for which the history is kept.
const KEPT: Duration = Duration::from_secs(24 * 3600);

/// The whole in one minute.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct Sample {
    /// The minute's start.
    pub at: DateTime<Utc>,
    /// Seconds of audio that waited or were in hand.
    pub backlog_audio_seconds: f64,
    /// Seconds of audio analysed per second, over the two minutes before.
    pub audio_seconds_per_second: f64,
    /// Workers alive.
    pub workers: i32,
}

/// Writes each minute down until shutdown. Every ingest process does: whichever is first in a minute.
pub(crate) async fn run(context: Arc<Context>) -> anyhow::Result<()> {
    while !context.shutdown.is_asked() {
        if let Err(error) = keep(&context.pool).await {
            tracing::debug!(%error, "this minute was not written down");
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            () = context.shutdown.asked() => {}
        }
    }
    Ok(())
}

/// Writes this minute down unless that is done, and forgets what is old.
async fn keep(pool: &PgPool) -> Result<(), sqlx::Error> {
    let kept = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT 1 FROM operations_samples WHERE at = date_trunc('minute', now())) AS "kept!""#
    );
    if kept.fetch_one(pool).await? {
        return Ok(());
    }
    let mut looking = snapshot(pool).await?;
    let backlog = read::backlog(&mut looking).await?;
    let throughput = read::throughput(&mut looking).await?;
    let (workers, _) = read::processes(&mut looking).await?;
    drop(looking);
    sqlx::query!(
        "INSERT INTO operations_samples (at, backlog_audio_seconds, audio_seconds_per_second, workers)
         VALUES (date_trunc('minute', now()), $1, $2, $3) ON CONFLICT (at) DO NOTHING",
        backlog.audio_seconds,
        throughput.audio_seconds_per_second,
        workers.iter().filter(|worker| worker.alive).count() as i32
    )
    .execute(pool)
    .await?;
    let old = KEPT.as_secs_f64();
    sqlx::query!("DELETE FROM operations_samples WHERE at < now() - make_interval(secs => $1)", old)
        .execute(pool)
        .await?;
    Ok(())
}

/// The last hour, oldest first. Minutes in which nobody looked are not there.
pub(crate) async fn of_the_last_hour(pool: &PgPool) -> Result<Vec<Sample>, sqlx::Error> {
    sqlx::query_as!(
        Sample,
        "SELECT at, backlog_audio_seconds, audio_seconds_per_second, workers FROM operations_samples
         WHERE at > now() - make_interval(secs => $1) ORDER BY at",
        SHOWN.as_secs_f64()
    )
    .fetch_all(pool)
    .await
}
