//! Accept: an upload becomes a recording, and its decoding is ordered, in one transaction.

use crate::context::Context;
use crate::outbox;
use diarization::analysis::CONFIGURATION;
use diarization::diarize::Settings;
use service_kit::messages::DecodeJob;
use service_kit::{telemetry, topology, transaction};
use sqlx::types::Json;
use uuid::Uuid;

/// What is known of an upload that is stored.
#[derive(Clone, Debug)]
pub(crate) struct NewRecording {
    pub id: Uuid,
    pub title: String,
    pub file_stem: String,
    pub object: String,
    pub sha256: String,
    pub bytes: u64,
    pub settings: Settings,
    pub chunk_blocks: u32,
}

/// Run that a new recording starts with.
pub(crate) const FIRST_RUN: i32 = 1;

/// Commits the recording and the order to decode it.
pub(crate) async fn accept(context: &Context, new: &NewRecording) -> Result<(), sqlx::Error> {
    let job = DecodeJob { recording: new.id, run: FIRST_RUN };
    transaction::run(&context.pool, "accept upload", &context.shutdown, async |transaction| {
        // A commit whose answer was lost is tried again, and then the recording is there already.
        let inserted = sqlx::query!(
            "INSERT INTO recordings (id, title, file_stem, run, upload_object, upload_sha256, upload_bytes, settings,
                                     model_version, configuration, chunk_blocks, trace)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
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
        )
        .execute(&mut **transaction)
        .await?;
        if inserted.rows_affected() == 1 {
            outbox::add(transaction, new.id, topology::DECODE, &job).await?;
        }
        Ok(())
    })
    .await?;
    context.wake.up();
    Ok(())
}
