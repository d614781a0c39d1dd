//! Change: reprocessing. (Deleting is [`crate::upkeep::erasure`].)

use crate::context::Context;
use crate::outbox;
use diarization::analysis::CONFIGURATION;
use service_kit::messages::DecodeJob;
use service_kit::{telemetry, topology, transaction};
use sqlx::types::Json;
use uuid::Uuid;

/// Starts a new run with the models and the configuration in force, and returns its number; `None` without such a recording.
/// Voice vectors of the run before stay until the new run replaces them.
pub async fn reprocess(context: &Context, recording: Uuid) -> Result<Option<i32>, sqlx::Error> {
    let run = transaction::run(&context.pool, "reprocess", &context.shutdown, async |transaction| {
        let run = sqlx::query_scalar!(
            "UPDATE recordings
             SET run = run + 1, state = 'queued', failure = NULL, completed_at = NULL, chunk_count = NULL, samples = NULL,
                 next_chunk = 0, reference_set = NULL, warnings = '{}', model_version = $2, configuration = $3, trace = $4,
                 resend = false, updated_at = now()
             WHERE id = $1
             RETURNING run",
            recording,
            context.model_version,
            CONFIGURATION,
            Json(telemetry::current_context()) as _,
        )
        .fetch_optional(&mut **transaction)
        .await?;
        let Some(run) = run else { return Ok(None) };
        sqlx::query!("DELETE FROM inbox WHERE recording_id = $1", recording).execute(&mut **transaction).await?;
        sqlx::query!("DELETE FROM gaps WHERE recording_id = $1", recording).execute(&mut **transaction).await?;
        sqlx::query!("DELETE FROM chunks WHERE recording_id = $1", recording).execute(&mut **transaction).await?;
        // Turns and voice vectors stay readable until the new run has something to put in their place.
        outbox::add(transaction, recording, topology::DECODE, &DecodeJob { recording, run }).await?;
        Ok(Some(run))
    })
    .await?;
    context.wake.up();
    Ok(run)
}
