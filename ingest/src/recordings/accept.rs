//! Accept: an upload becomes a recording, whose decoding waits its turn from then on.

use crate::audit;
use crate::context::Context;
use crate::recordings::claims::{self, Key};
use crate::recordings::priority::Priority;
use diarization::analysis::CONFIGURATION;
use diarization::diarize::Settings;
use service_kit::{telemetry, transaction};
use sqlx::PgTransaction;
use sqlx::types::Json;
use uuid::Uuid;

/// Facts about an upload that is stored.
#[derive(Clone, Debug)]
pub struct NewRecording {
    /// Its id.
    pub id: Uuid,
    /// Name of the token of whoever sent it; empty where none was asked for.
    pub caller: String,
    /// Its title.
    pub title: String,
    /// File field of its RTTM.
    pub file_stem: String,
    /// Object that holds the upload.
    pub object: String,
    /// Digest of the upload, hexadecimal.
    pub sha256: String,
    /// Bytes of the upload.
    pub bytes: u64,
    /// Settings that the uploader asked for.
    pub settings: Settings,
    /// True where chunks may be missing.
    pub allow_gaps: bool,
    /// Blocks per chunk.
    pub chunk_blocks: u32,
    /// Priority beside other recordings.
    pub priority: Priority,
}

/// Run that a new recording starts with.
pub const FIRST_RUN: i32 = 1;

/// Commits the recording, which is to be decoded; with `key`, which must still be this upload's, the recording has it from
/// then on, with its fingerprint. False, and nothing is committed, where the key has been lost to another upload.
pub async fn accept(
    context: &Context,
    new: &NewRecording,
    key: Option<&(Key, String)>,
) -> Result<bool, sqlx::Error> {
    let accepted = transaction::run(&context.pool, "accept upload", &context.shutdown, async |transaction| {
        // A commit whose answer was lost is tried again, and then the recording is there already, or even deleted.
        let erased = sqlx::query_scalar!("SELECT recording_id FROM erasures WHERE recording_id = $1", new.id)
            .fetch_optional(&mut **transaction)
            .await?;
        if erased.is_some() {
            return Ok(true);
        }
        if let Some((key, fingerprint)) = key
            && !claims::keep(transaction, key, new.id, fingerprint).await?
        {
            return Ok(false);
        }
        insert(transaction, context, new).await?;
        Ok(true)
    })
    .await?;
    context.wake.up();
    Ok(accepted)
}

/// Adds the recording, which is to be decoded, unless it is there already.
pub(crate) async fn insert(
    transaction: &mut PgTransaction<'static>,
    context: &Context,
    new: &NewRecording,
) -> Result<(), sqlx::Error> {
    let inserted = sqlx::query!(
        "INSERT INTO recordings (id, title, file_stem, run, upload_object, upload_sha256, upload_bytes, settings,
                                 model_version, configuration, chunk_blocks, trace, allow_gaps, caller, priority,
                                 decode_ordered_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, NULL)
         ON CONFLICT (id) DO NOTHING",
        new.id,
        new.title,
        new.file_stem,
        FIRST_RUN,
        new.object,
        new.sha256,
        new.bytes as i64,
        Json(&new.settings) as _,
        context.model_version,
        CONFIGURATION,
        new.chunk_blocks as i32,
        Json(telemetry::current_context()) as _,
        new.allow_gaps,
        new.caller,
        new.priority.name(),
    )
    .execute(&mut **transaction)
    .await?;
    if inserted.rows_affected() == 1 {
        audit::note_upload(transaction, &new.caller, new.id).await?;
    }
    Ok(())
}
