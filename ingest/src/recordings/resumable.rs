//! Resumable: uploads that come in parts, and may be interrupted between any two of them, until they are recordings.
//!
//! The offset of an upload moves only in a transaction that also notes the object which holds the bytes, and only from where
//! its sender thought it was. Of two that send at once, one is therefore told that the other was faster.

use crate::context::{Context, folder};
use crate::recordings::accept::{self, NewRecording};
use crate::recordings::priority::Priority;
use chrono::{DateTime, Utc};
use diarization::diarize::Settings;
use service_kit::transaction;
use sqlx::types::Json;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use uuid::Uuid;

/// Time for which the process that puts the parts together holds the upload without renewing that, in seconds.
pub(crate) const HOLDS: f64 = 30.0;
/// Time between two renewals of that hold.
pub(crate) const RENEW: Duration = Duration::from_secs(10);

/// Facts given of an upload when it is created.
#[derive(Clone, Debug)]
pub(crate) struct NewUpload {
    /// Its id, and later the recording's.
    pub id: Uuid,
    /// Name of the caller's token.
    pub caller: String,
    /// Bytes of the whole, if they are known.
    pub length: Option<u64>,
    /// The header as it was sent.
    pub metadata: String,
    /// Title of the recording.
    pub title: String,
    /// File field of its RTTM.
    pub file_stem: String,
    /// Settings that were asked for.
    pub settings: Settings,
    /// True where chunks may be missing.
    pub allow_gaps: bool,
    /// Blocks per chunk.
    pub chunk_blocks: u32,
    /// Priority beside other recordings.
    pub priority: Priority,
}

/// Progress of an upload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Progress {
    /// Bytes of the whole, if they are known.
    pub length: Option<u64>,
    /// Bytes that are kept.
    pub received: u64,
    /// The header as it was sent.
    pub metadata: String,
    /// Time at which it is deleted unless more comes.
    pub expires_at: DateTime<Utc>,
    /// True once it is a recording.
    pub is_recording: bool,
    /// Objects that hold it.
    pub parts: u64,
}

impl Progress {
    /// True once all bytes are there.
    pub fn is_whole(&self) -> bool {
        self.length == Some(self.received)
    }
}

/// A part of an upload that is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    /// Its object.
    pub object: String,
    /// First byte of the part in the upload.
    pub first_byte: u64,
    /// Its length.
    pub bytes: u64,
}

/// Folder of the parts of an upload.
pub(crate) fn parts_folder(upload: Uuid) -> String {
    format!("{}/parts", folder(upload))
}

/// Numbers of uploads that are not complete.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Open {
    /// In all.
    pub all: i64,
    /// Of one caller.
    pub of_caller: i64,
}

/// Counts the uploads that are not complete, in all and of `caller`.
pub(crate) async fn open(context: &Context, caller: &str) -> Result<Open, sqlx::Error> {
    sqlx::query_as!(
        Open,
        r#"SELECT count(*) AS "all!", count(*) FILTER (WHERE caller = $1) AS "of_caller!"
           FROM resumable_uploads WHERE recording_id IS NULL"#,
        caller
    )
    .fetch_one(&context.pool)
    .await
}

/// Notes a new upload.
pub(crate) async fn create(context: &Context, new: &NewUpload) -> Result<(), sqlx::Error> {
    transaction::run(&context.pool, "create upload", &context.shutdown, async |transaction| {
        sqlx::query!(
            "INSERT INTO resumable_uploads (id, caller, length, metadata, title, file_stem, settings, allow_gaps, chunk_blocks,
                                            priority, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, now() + make_interval(secs => $11))
             ON CONFLICT (id) DO NOTHING",
            new.id,
            new.caller,
            new.length.map(|length| length as i64),
            new.metadata,
            new.title,
            new.file_stem,
            Json(&new.settings) as _,
            new.allow_gaps,
            new.chunk_blocks as i32,
            new.priority.name(),
            context.limits.upload_expires_seconds as f64,
        )
        .execute(&mut **transaction)
        .await?;
        Ok(())
    })
    .await
}

/// Progress of the upload of `caller`; `None` where there is none.
pub(crate) async fn progress(
    context: &Context,
    upload: Uuid,
    caller: &str,
) -> Result<Option<Progress>, sqlx::Error> {
    let row = sqlx::query!(
        r#"SELECT length, received, metadata, expires_at, recording_id,
                  (SELECT count(*) FROM upload_parts p WHERE p.upload_id = u.id) AS "parts!"
           FROM resumable_uploads u WHERE id = $1 AND caller = $2"#,
        upload,
        caller
    )
    .fetch_optional(&context.pool)
    .await?;
    Ok(row.map(|row| Progress {
        length: row.length.map(|length| length as u64),
        received: row.received as u64,
        metadata: row.metadata,
        expires_at: row.expires_at,
        is_recording: row.recording_id.is_some(),
        parts: row.parts as u64,
    }))
}

/// The offset of an upload; `None` where there is none.
pub(crate) async fn offset(context: &Context, upload: Uuid) -> Result<Option<u64>, sqlx::Error> {
    let received = sqlx::query_scalar!("SELECT received FROM resumable_uploads WHERE id = $1", upload);
    Ok(received.fetch_optional(&context.pool).await?.map(|received| received as u64))
}

/// Says how long the upload is, once; false where that is said already, or less than has come.
pub(crate) async fn set_length(context: &Context, upload: Uuid, length: u64) -> Result<bool, sqlx::Error> {
    transaction::run(&context.pool, "length of upload", &context.shutdown, async |transaction| {
        let set = sqlx::query!(
            "UPDATE resumable_uploads SET length = $2 WHERE id = $1 AND coalesce(length, $2) = $2 AND received <= $2",
            upload,
            length as i64
        )
        .execute(&mut **transaction)
        .await?;
        Ok(set.rows_affected() == 1)
    })
    .await
}

/// Moves the offset over `part`, which is stored; false, and nothing is changed, unless the offset was where the part begins.
pub(crate) async fn append(context: &Context, upload: Uuid, part: &Part) -> Result<bool, sqlx::Error> {
    let (first_byte, bytes) = (part.first_byte as i64, part.bytes as i64);
    transaction::run(&context.pool, "append to upload", &context.shutdown, async |transaction| {
        let moved = sqlx::query!(
            "UPDATE resumable_uploads SET received = received + $3, expires_at = now() + make_interval(secs => $4)
             WHERE id = $1 AND received = $2",
            upload,
            first_byte,
            bytes,
            context.limits.upload_expires_seconds as f64,
        )
        .execute(&mut **transaction)
        .await?;
        if moved.rows_affected() == 0 {
            // A commit whose answer was lost is tried again; the object's name is nobody else's.
            let ours = sqlx::query_scalar!(
                "SELECT first_byte FROM upload_parts WHERE upload_id = $1 AND first_byte = $2 AND object = $3",
                upload,
                first_byte,
                part.object
            );
            return Ok(ours.fetch_optional(&mut **transaction).await?.is_some());
        }
        sqlx::query!(
            "INSERT INTO upload_parts (upload_id, first_byte, bytes, object) VALUES ($1, $2, $3, $4)",
            upload,
            first_byte,
            bytes,
            part.object
        )
        .execute(&mut **transaction)
        .await?;
        Ok(true)
    })
    .await
}

/// Outcome of asking for a whole upload in order to put it together.
#[derive(Debug)]
pub(crate) enum Composing {
    /// It is ours to do.
    Ours(Box<Whole>),
    /// Another one is at it.
    Others,
    /// It is a recording already.
    Recording,
    /// There is no such upload, or not all of it has come.
    None,
}

/// A whole upload that is held until it is a recording.
#[derive(Debug)]
pub(crate) struct Whole {
    /// The recording that it will be, but for the digest.
    pub recording: NewRecording,
    /// Parts that hold its bytes, in order.
    pub parts: Vec<Part>,
}

/// Asks for a whole upload, to put it together.
pub(crate) async fn hold(context: &Context, upload: Uuid) -> Result<Composing, sqlx::Error> {
    transaction::run(&context.pool, "hold upload", &context.shutdown, async |transaction| {
        let held = sqlx::query!(
            r#"UPDATE resumable_uploads SET composing_until = now() + make_interval(secs => $2)
               WHERE id = $1 AND received = length AND recording_id IS NULL
                 AND (composing_until IS NULL OR composing_until < now())
               RETURNING title, file_stem, settings AS "settings: Json<Settings>", allow_gaps, chunk_blocks, priority, received, caller"#,
            upload,
            HOLDS
        )
        .fetch_optional(&mut **transaction)
        .await?;
        let Some(row) = held else {
            let state = sqlx::query!(
                r#"SELECT recording_id, received = length AS whole FROM resumable_uploads WHERE id = $1"#,
                upload
            )
            .fetch_optional(&mut **transaction)
            .await?;
            return Ok(match state {
                Some(state) if state.recording_id.is_some() => Composing::Recording,
                Some(state) if state.whole == Some(true) => Composing::Others,
                _ => Composing::None,
            });
        };
        let parts = sqlx::query!(
            "SELECT first_byte, bytes, object FROM upload_parts WHERE upload_id = $1 ORDER BY first_byte",
            upload
        )
        .fetch_all(&mut **transaction)
        .await?;
        let part = |object, first: i64, bytes: i64| Part {
            object,
            first_byte: first as u64,
            bytes: bytes as u64,
        };
        Ok(Composing::Ours(Box::new(Whole {
            recording: NewRecording {
                id: upload,
                caller: row.caller,
                title: row.title,
                file_stem: row.file_stem,
                object: format!("{}/upload", folder(upload)),
                sha256: String::new(),
                bytes: row.received as u64,
                settings: row.settings.0,
                allow_gaps: row.allow_gaps,
                chunk_blocks: row.chunk_blocks as u32,
                priority: row.priority.parse().unwrap_or_default(),
            },
            parts: parts.into_iter().map(|row| part(row.object, row.first_byte, row.bytes)).collect(),
        })))
    })
    .await
}

/// Goes on holding an upload, until dropped.
pub(crate) async fn renew(context: &Context, upload: Uuid) {
    loop {
        tokio::time::sleep(RENEW).await;
        let renewed = sqlx::query!(
            "UPDATE resumable_uploads SET composing_until = now() + make_interval(secs => $2)
             WHERE id = $1 AND composing_until IS NOT NULL",
            upload,
            HOLDS
        );
        if let Err(error) = renewed.execute(&context.pool).await {
            // Another one may then do the same, which is only double work.
            tracing::warn!(%upload, error = error.to_string(), "the upload could not be held on to");
        }
    }
}

/// Lets go of an upload that could not be put together.
pub(crate) async fn release(context: &Context, upload: Uuid) {
    let released = sqlx::query!("UPDATE resumable_uploads SET composing_until = NULL WHERE id = $1", upload);
    if let Err(error) = released.execute(&context.pool).await {
        // It runs out by itself.
        tracing::warn!(%upload, error = error.to_string(), "the upload could not be let go of");
    }
}

/// Makes the upload the recording `new`, which is stored, which is to be decoded; false where the upload is gone.
pub(crate) async fn accept(context: &Context, new: &NewRecording) -> Result<bool, sqlx::Error> {
    let accepted = transaction::run(&context.pool, "accept upload", &context.shutdown, async |transaction| {
        let row = sqlx::query!("SELECT recording_id FROM resumable_uploads WHERE id = $1 FOR UPDATE", new.id)
            .fetch_optional(&mut **transaction)
            .await?;
        let Some(row) = row else {
            // Deleted; or accepted by another so long ago that nothing is known of the upload any more.
            let recording = sqlx::query_scalar!("SELECT id FROM recordings WHERE id = $1", new.id)
                .fetch_optional(&mut **transaction)
                .await?;
            return Ok(recording.is_some());
        };
        // One that is accepted already, by us or by another, is not accepted twice: its recording may be deleted meanwhile.
        if row.recording_id.is_some() {
            return Ok(true);
        }
        accept::insert(transaction, context, new).await?;
        sqlx::query!(
            "UPDATE resumable_uploads SET recording_id = id, composing_until = NULL,
                    expires_at = now() + make_interval(secs => $2)
             WHERE id = $1",
            new.id,
            context.limits.upload_expires_seconds as f64,
        )
        .execute(&mut **transaction)
        .await?;
        Ok(true)
    })
    .await?;
    context.wake.up();
    Ok(accepted)
}

/// Deletes an upload that is no recording, of `caller` or of anybody, and notes that its objects must go; false where there is none.
pub(crate) async fn delete(
    context: &Context,
    upload: Uuid,
    caller: Option<&str>,
) -> Result<bool, sqlx::Error> {
    // A commit whose answer was lost is tried again, and finds nothing to delete.
    let any = AtomicBool::new(false);
    transaction::run(&context.pool, "delete upload", &context.shutdown, async |transaction| {
        let deleted = sqlx::query!(
            "DELETE FROM resumable_uploads WHERE id = $1 AND recording_id IS NULL AND ($2::text IS NULL OR caller = $2)",
            upload,
            caller
        )
        .execute(&mut **transaction)
        .await?;
        if deleted.rows_affected() == 1 {
            sqlx::query!("INSERT INTO erasures (recording_id) VALUES ($1) ON CONFLICT DO NOTHING", upload)
                .execute(&mut **transaction)
                .await?;
            any.store(true, Ordering::Relaxed);
        }
        Ok(())
    })
    .await?;
    Ok(any.into_inner())
}
