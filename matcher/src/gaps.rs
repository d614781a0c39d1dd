//! Gaps: chunks that a recording goes without, where its uploader allowed that.

use sqlx::PgTransaction;
use uuid::Uuid;

/// Leaves a gap where `chunk` cannot be analysed; false unless the recording is in work in that run and may have gaps.
pub async fn leave(
    transaction: &mut PgTransaction<'static>,
    recording: Uuid,
    run: i32,
    chunk: i32,
    reason: &str,
) -> Result<bool, sqlx::Error> {
    let left = sqlx::query!(
        "INSERT INTO gaps (recording_id, chunk, reason)
         SELECT id, $3, $4 FROM recordings
         WHERE id = $1 AND run = $2 AND allow_gaps AND state IN ('queued', 'processing')
         ON CONFLICT (recording_id, chunk) DO UPDATE SET reason = excluded.reason, awaited = false",
        recording,
        run,
        chunk,
        reason
    )
    .execute(&mut **transaction)
    .await?;
    Ok(left.rows_affected() > 0)
}

/// Nobody tries any more to close the gap at `chunk`, if there is one.
pub async fn give_up(
    transaction: &mut PgTransaction<'static>,
    recording: Uuid,
    chunk: i32,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE gaps SET awaited = false WHERE recording_id = $1 AND chunk = $2 AND awaited",
        recording,
        chunk
    )
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

/// Closes the gap at `chunk`, whose analysis has come after all. A recording that was completed without it is completed anew.
pub async fn close(
    transaction: &mut PgTransaction<'static>,
    recording: Uuid,
    chunk: i32,
) -> Result<(), sqlx::Error> {
    let closed = sqlx::query!("DELETE FROM gaps WHERE recording_id = $1 AND chunk = $2", recording, chunk)
        .execute(&mut **transaction)
        .await?;
    if closed.rows_affected() > 0 {
        // Its cursor is at the end already: only the decision over the whole is to be made again.
        sqlx::query!(
            "UPDATE recordings SET state = 'processing', completed_at = NULL, updated_at = now()
             WHERE id = $1 AND state = 'completed_with_gaps'",
            recording
        )
        .execute(&mut **transaction)
        .await?;
    }
    Ok(())
}

/// The gaps of a recording, ascending.
pub async fn of(transaction: &mut PgTransaction<'static>, recording: Uuid) -> Result<Vec<i32>, sqlx::Error> {
    sqlx::query_scalar!("SELECT chunk FROM gaps WHERE recording_id = $1 ORDER BY chunk", recording)
        .fetch_all(&mut **transaction)
        .await
}
