//! Audit: who did what, when, and to which recording. Kept for a time, for operators.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::{PgPool, PgTransaction};
use utoipa::ToSchema;
use uuid::Uuid;

/// Action for the audit, without its number and time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Deed {
    /// Name of the token.
    pub caller: String,
    /// Kind of action, as `recording.deleted`; else the method and the route.
    pub action: String,
    /// The recording, where it is about one.
    pub recording: Option<Uuid>,
    /// Other thing that it is about: a queue, a webhook or a dead letter.
    pub subject: Option<String>,
    /// Status of the answer; none where the caller had gone before it.
    pub status: Option<u16>,
}

/// One line of the audit.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Entry {
    pub number: i64,
    pub at: DateTime<Utc>,
    /// Name of the token; empty where none was asked for.
    pub caller: String,
    /// What was done, as `recording.deleted` or `queue.paused`; else the method and the route.
    pub action: String,
    /// It may be deleted by now.
    pub recording: Option<Uuid>,
    /// What else it was done to: a queue, a webhook, a dead letter.
    pub subject: Option<String>,
    /// Status of the answer; null where the caller had gone before it: it may have been done or not.
    pub status: Option<i16>,
}

/// Selection of entries; all that are given must hold.
#[derive(Debug, Default)]
pub(crate) struct Filter {
    /// Older than the one with this number.
    pub before: Option<i64>,
    /// Of this caller.
    pub caller: Option<String>,
    /// About this recording.
    pub recording: Option<Uuid>,
}

/// Notes what was done.
pub(crate) async fn write(pool: &PgPool, deed: &Deed) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO audit (caller, action, recording_id, subject, status) VALUES ($1, $2, $3, $4, $5)",
        deed.caller,
        deed.action,
        deed.recording,
        deed.subject,
        deed.status.map(|status| status as i16),
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// Notes an upload with the recording that it has become: clients may be gone by then.
pub(crate) async fn note_upload(
    transaction: &mut PgTransaction<'static>,
    caller: &str,
    recording: Uuid,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO audit (caller, action, recording_id) VALUES ($1, 'recording.uploaded', $2)",
        caller,
        recording
    )
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

/// Up to `limit` entries that pass `filter`, newest first.
pub(crate) async fn list(pool: &PgPool, limit: i64, filter: &Filter) -> Result<Vec<Entry>, sqlx::Error> {
    sqlx::query_as!(
        Entry,
        "SELECT number, at, caller, action, recording_id AS recording, subject, status FROM audit
         WHERE ($2::bigint IS NULL OR number < $2) AND ($3::text IS NULL OR caller = $3) AND ($4::uuid IS NULL OR recording_id = $4)
         ORDER BY number DESC LIMIT $1",
        limit,
        filter.before,
        filter.caller.as_deref() as _,
        filter.recording,
    )
    .fetch_all(pool)
    .await
}

/// Deletes what is older than so many days, some thousand lines of it; returns how many.
pub(crate) async fn clean(pool: &PgPool, days: u32) -> Result<u64, sqlx::Error> {
    let gone = sqlx::query!(
        "DELETE FROM audit WHERE number IN (
             SELECT number FROM audit WHERE at < now() - make_interval(days => $1) ORDER BY at LIMIT 5000 FOR UPDATE SKIP LOCKED)",
        days as i32
    );
    Ok(gone.execute(pool).await?.rows_affected())
}
