//! Failure: a recording that cannot be completed, told to its uploader.

use crate::database::Database;
use sqlx::PgTransaction;
use uuid::Uuid;

/// Marks a recording in work as failed for `reason`; false when it no longer is in work in that run.
pub async fn mark(
    transaction: &mut PgTransaction<'static>,
    recording: Uuid,
    run: i32,
    reason: &str,
) -> Result<bool, sqlx::Error> {
    let marked = sqlx::query!(
        "UPDATE recordings SET state = 'failed', failure = $3, updated_at = now()
         WHERE id = $1 AND run = $2 AND state IN ('queued', 'processing')",
        recording,
        run,
        reason
    )
    .execute(&mut **transaction)
    .await?;
    Ok(marked.rows_affected() > 0)
}

/// Fails a recording in a transaction of its own.
pub async fn fail(database: &Database, recording: Uuid, run: i32, reason: &str) -> Result<(), sqlx::Error> {
    let work =
        async |transaction: &mut PgTransaction<'static>| mark(transaction, recording, run, reason).await;
    if database.run("fail_recording", work).await? {
        tell(recording, reason);
    }
    Ok(())
}

/// Counts and logs a recording that has failed.
pub fn tell(recording: Uuid, reason: &str) {
    metrics::counter!("throughline_recordings_failed_total").increment(1);
    tracing::error!(%recording, reason, "recording failed");
}
