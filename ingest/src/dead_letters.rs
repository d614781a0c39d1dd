//! Dead letters: what failed for good, for the operator to look at, replay or drop.

use crate::context::Context;
use crate::outbox;
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use service_kit::attempts::{Attempt, History};
use service_kit::messages::{DecodeJob, Message};
use service_kit::transaction;
use sqlx::types::Json;
use sqlx::{PgPool, PgTransaction};
use std::collections::BTreeMap;
use utoipa::ToSchema;
use uuid::Uuid;

/// Prefix of the names of all our queues.
const OUR_QUEUES: &str = "throughline.";

/// A message that failed for good.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DeadLetter {
    pub id: i64,
    pub recording: Option<Uuid>,
    pub run: Option<i32>,
    pub chunk: Option<i32>,
    /// Queue that it was on.
    pub queue: String,
    /// Why it was given up.
    pub reason: String,
    /// What went wrong at the last attempt; where nobody could say, why it was given up.
    pub failure: String,
    /// Type of the message.
    pub message: String,
    /// Bytes of the message.
    pub bytes: i32,
    /// What was tried, oldest first.
    pub attempts: Vec<FailedAttempt>,
    pub trace_id: Option<String>,
    pub died_at: DateTime<Utc>,
}

/// One attempt that failed.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FailedAttempt {
    pub reason: String,
    /// Who tried: service, host and process; empty where nobody could say.
    pub by: String,
    pub at: DateTime<Utc>,
}

impl From<&Attempt> for FailedAttempt {
    fn from(attempt: &Attempt) -> Self {
        Self { reason: attempt.reason.clone(), by: attempt.by.clone(), at: attempt.at }
    }
}

/// Outcome of a replay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replay {
    /// The message is in the outbox, and its recording in work again.
    Sent(Uuid),
    /// There is no such letter.
    Unknown,
    /// It is about no recording that could be read in it.
    NoRecording,
    /// Its recording has been reprocessed since.
    Stale,
    /// The audio of the recording's chunks is no longer kept.
    Cleared,
}

/// Up to `limit` letters older than `before`, newest first; only those of `recording`, if given.
pub(crate) async fn list(
    pool: &PgPool,
    limit: i64,
    before: Option<i64>,
    recording: Option<Uuid>,
) -> Result<Vec<DeadLetter>, sqlx::Error> {
    find(pool, limit, before, recording, None).await
}

/// The letter `id`, if there is one.
pub(crate) async fn show(pool: &PgPool, id: i64) -> Result<Option<DeadLetter>, sqlx::Error> {
    Ok(find(pool, 1, None, None, Some(id)).await?.pop())
}

async fn find(
    pool: &PgPool,
    limit: i64,
    before: Option<i64>,
    recording: Option<Uuid>,
    id: Option<i64>,
) -> Result<Vec<DeadLetter>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"SELECT id, recording_id, run, chunk, queue, reason, kind, octet_length(body) AS "bytes!",
                  attempts AS "attempts: Json<History>", trace->>'traceparent' AS traceparent, died_at
           FROM dead_letters
           WHERE ($2::bigint IS NULL OR id < $2) AND ($3::uuid IS NULL OR recording_id = $3) AND ($4::bigint IS NULL OR id = $4)
           ORDER BY id DESC LIMIT $1"#,
        limit,
        before,
        recording,
        id
    )
    .fetch_all(pool)
    .await?;
    let letters = rows.into_iter().map(|row| DeadLetter {
        failure: row.attempts.0.attempts().last().map_or_else(|| row.reason.clone(), |it| it.reason.clone()),
        id: row.id,
        recording: row.recording_id,
        run: row.run,
        chunk: row.chunk,
        queue: row.queue,
        reason: row.reason,
        message: row.kind,
        bytes: row.bytes,
        attempts: row.attempts.0.attempts().iter().map(FailedAttempt::from).collect(),
        // version-TRACE-span-flags (W3C Trace Context)
        trace_id: row.traceparent.and_then(|text| text.split('-').nth(1).map(str::to_owned)),
        died_at: row.died_at,
    });
    Ok(letters.collect())
}

/// Sends the message of the letter `id` to its queue again, with all its attempts before it, and takes its recording up again
/// where it had failed.
pub async fn replay(context: &Context, id: i64) -> Result<Replay, sqlx::Error> {
    let outcome = transaction::run(&context.pool, "replay", &context.shutdown, async |transaction| {
        let letter = sqlx::query!(
            r#"SELECT recording_id, run, chunk, queue, kind, body, trace AS "trace: Json<BTreeMap<String, String>>"
               FROM dead_letters WHERE id = $1 FOR UPDATE"#,
            id
        )
        .fetch_optional(&mut **transaction)
        .await?;
        let Some(letter) = letter else { return Ok(Replay::Unknown) };
        let (Some(recording), Some(run)) = (letter.recording_id, letter.run) else {
            return Ok(Replay::NoRecording);
        };
        if !letter.queue.starts_with(OUR_QUEUES) {
            return Ok(Replay::NoRecording);
        }
        let decoded = match take_up(transaction, recording, run).await? {
            Ok(decoded) => decoded,
            Err(refused) => return Ok(refused),
        };
        // A gap stays until the replay closes it; meanwhile its job counts as one that can be lost.
        sqlx::query!(
            "UPDATE gaps SET awaited = true WHERE recording_id = $1 AND chunk = $2",
            recording,
            letter.chunk
        )
        .execute(&mut **transaction)
        .await?;
        outbox::add_raw(transaction, recording, &letter.queue, &letter.kind, &letter.body, &letter.trace)
            .await?;
        // Its decoding had stopped when the recording failed.
        if !decoded && letter.kind != DecodeJob::TYPE {
            sqlx::query!("UPDATE recordings SET decode_ordered_at = NULL WHERE id = $1", recording)
                .execute(&mut **transaction)
                .await?;
        }
        sqlx::query!("DELETE FROM dead_letters WHERE id = $1", id).execute(&mut **transaction).await?;
        Ok(Replay::Sent(recording))
    })
    .await?;
    context.wake.up();
    Ok(outcome)
}

/// Takes a failed recording up again, in that run; whether it is decoded to the end. What the replay comes to if it cannot be.
async fn take_up(
    transaction: &mut PgTransaction<'static>,
    recording: Uuid,
    run: i32,
) -> Result<Result<bool, Replay>, sqlx::Error> {
    let row = sqlx::query!(
        r#"SELECT state, chunk_count IS NOT NULL AS "decoded!", clearing_run >= run AS "cleared!"
           FROM recordings WHERE id = $1 AND run = $2 FOR UPDATE"#,
        recording,
        run
    )
    .fetch_optional(&mut **transaction)
    .await?;
    let Some(row) = row else { return Ok(Err(Replay::Stale)) };
    if row.cleared {
        return Ok(Err(Replay::Cleared));
    }
    if row.state == "failed" {
        sqlx::query!(
            "UPDATE recordings SET state = 'processing', failure = NULL, updated_at = now() WHERE id = $1",
            recording
        )
        .execute(&mut **transaction)
        .await?;
    }
    Ok(Ok(row.decoded))
}

/// Deletes the letter `id` for good; false if there is none. Its recording stays as it is.
pub(crate) async fn discard(context: &Context, id: i64) -> Result<bool, sqlx::Error> {
    let deleted = sqlx::query!("DELETE FROM dead_letters WHERE id = $1", id).execute(&context.pool).await?;
    Ok(deleted.rows_affected() == 1)
}

/// The body of the letter `id` as JSON, for people to look at; analyses are long and hold voice vectors, so only their size is told.
pub(crate) async fn body(pool: &PgPool, id: i64) -> Result<Option<Value>, sqlx::Error> {
    let row =
        sqlx::query!("SELECT kind, body FROM dead_letters WHERE id = $1", id).fetch_optional(pool).await?;
    Ok(row.map(|row| readable(&row.kind, &row.body)))
}

fn readable(kind: &str, body: &[u8]) -> Value {
    use service_kit::messages::{ChunkAnalysed, ChunkJob, RecordingDecoded, decode};
    let read = match kind {
        DecodeJob::TYPE => decode::<DecodeJob>(kind, body).ok().map(serde_json::to_value),
        ChunkJob::TYPE => decode::<ChunkJob>(kind, body).ok().map(serde_json::to_value),
        RecordingDecoded::TYPE => decode::<RecordingDecoded>(kind, body).ok().map(serde_json::to_value),
        ChunkAnalysed::TYPE => decode::<ChunkAnalysed>(kind, body)
            .ok()
            .map(|m| serde_json::to_value(ChunkAnalysed { analysis: Vec::new(), ..m })),
        _ => None,
    };
    read.and_then(Result::ok).unwrap_or(Value::Null)
}
