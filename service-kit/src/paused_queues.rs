//! Paused queues: the table in which ingest and matcher read what an operator has paused.

use crate::pauses::Pauses;
use crate::shutdown::Shutdown;
use sqlx::PgPool;
use std::collections::BTreeSet;
use std::time::Duration;

/// Interval between two looks at the table, within which a service notices a change.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The queues that are paused now.
pub async fn read(pool: &PgPool) -> Result<BTreeSet<String>, sqlx::Error> {
    let names = sqlx::query_scalar!("SELECT queue FROM paused_queues WHERE resumed_at IS NULL");
    Ok(names.fetch_all(pool).await?.into_iter().collect())
}

/// Keeps `pauses` up to date until shutdown. While the database is away, what was known stays in force.
pub async fn follow(pool: &PgPool, pauses: &Pauses, shutdown: &Shutdown) {
    while !shutdown.is_asked() {
        match read(pool).await {
            Ok(paused) => pauses.set(paused),
            Err(error) => tracing::debug!(%error, "the paused queues could not be read"),
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            () = shutdown.asked() => {}
        }
    }
}
