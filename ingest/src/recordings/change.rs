//! Change: reprocessing. (Cancelling is [`super::cancel`], deleting [`crate::upkeep::erasure`].)

use super::wanted::Wanted;
use crate::context::Context;
use crate::outbox;
use diarization::analysis::CONFIGURATION;
use diarization::channels::Channels;
use diarization::diarize::Settings;
use diarization::hints::HintError;
use service_kit::messages::RecordingDecoded;
use service_kit::{telemetry, topology, transaction};
use sqlx::PgTransaction;
use sqlx::types::Json;
use uuid::Uuid;

/// Outcome of a request to process a recording again.
#[derive(Debug, PartialEq, Eq)]
pub enum Reprocessing {
    /// A new run has begun.
    Begun {
        /// Its number.
        run: i32,
        /// True where the run is made of the analyses of the run before.
        reused: bool,
    },
    /// There is no such recording.
    Unknown,
    /// The new settings contradict those that the recording was uploaded with.
    Refused(HintError),
}

/// Starts a new run with the models and the configuration in force. Where the run before had the same, did not fail, all its chunks
/// were analysed, and of the same channels, its analyses are used again unless `wanted` says otherwise: then only the matcher has work.
/// Voice vectors of the run before stay until the new run replaces them.
pub async fn reprocess(
    context: &Context,
    recording: Uuid,
    wanted: &Wanted,
) -> Result<Reprocessing, sqlx::Error> {
    let outcome = transaction::run(&context.pool, "reprocess", &context.shutdown, async |transaction| {
        let row = sqlx::query!(
            r#"SELECT settings AS "settings: Json<Settings>", model_version, configuration, state FROM recordings WHERE id = $1 FOR UPDATE"#,
            recording
        )
        .fetch_optional(&mut **transaction)
        .await?;
        let Some(row) = row else { return Ok(Reprocessing::Unknown) };
        let before = row.settings.0.clone();
        let settings = match wanted.applied_to(row.settings.0) {
            Ok(settings) => settings,
            Err(error) => return Ok(Reprocessing::Refused(error)),
        };
        let same = row.model_version == context.model_version && row.configuration == CONFIGURATION;
        // What made a recording fail may be its analyses.
        let may_reuse = same && !wanted.always && row.state != "failed";
        let reused = may_reuse
            && is_analysed(transaction, recording).await?
            && has_fitting_channels(transaction, recording, &before, &settings).await?;
        let run = begin(context, transaction, recording, &settings, reused).await?;
        // Turns and voice vectors stay readable until the new run has something to put in their place.
        sqlx::query!("DELETE FROM gaps WHERE recording_id = $1", recording).execute(&mut **transaction).await?;
        if reused {
            let notice = RecordingDecoded { recording, run };
            outbox::add(transaction, recording, topology::MATCH, &notice).await?;
        } else {
            sqlx::query!("DELETE FROM inbox WHERE recording_id = $1", recording).execute(&mut **transaction).await?;
            sqlx::query!("DELETE FROM chunks WHERE recording_id = $1", recording).execute(&mut **transaction).await?;
        }
        Ok(Reprocessing::Begun { run, reused })
    })
    .await?;
    context.wake.up();
    Ok(outcome)
}

/// True where every chunk of a recording that is decoded has its analysis, by the models and the configuration that it is pinned to.
async fn is_analysed(transaction: &mut PgTransaction<'static>, recording: Uuid) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(
        r#"SELECT coalesce(r.chunk_count = (
               SELECT count(*) FROM chunks c JOIN inbox i ON i.recording_id = c.recording_id AND i.chunk = c.chunk
               WHERE c.recording_id = r.id AND i.model_version = r.model_version AND i.configuration = r.configuration
           ), false) AS "analysed!"
           FROM recordings r WHERE r.id = $1"#,
        recording
    )
    .fetch_one(&mut **transaction)
    .await
}

/// True where the analysed tracks and channels are those that `settings` ask for. They were cut as `before` asked.
async fn has_fitting_channels(
    transaction: &mut PgTransaction<'static>,
    recording: Uuid,
    before: &Settings,
    settings: &Settings,
) -> Result<bool, sqlx::Error> {
    if (before.channels, before.tracks) != (settings.channels, settings.tracks) {
        return Ok(false);
    }
    // By itself nothing is separated of which the uploader knows that one person speaks.
    if settings.channels != Channels::Auto || settings.hints.max_speakers != Some(1) {
        return Ok(true);
    }
    let separated = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT 1 FROM chunks WHERE recording_id = $1 AND channels > 1) AS "separated!""#,
        recording
    );
    Ok(!separated.fetch_one(&mut **transaction).await?)
}

/// Raises the run and puts the cursor before the first chunk; unless analyses are `reused`, nothing is decoded either, and its decoding waits
/// its turn.
async fn begin(
    context: &Context,
    transaction: &mut PgTransaction<'static>,
    recording: Uuid,
    settings: &Settings,
    reused: bool,
) -> Result<i32, sqlx::Error> {
    sqlx::query_scalar!(
        "UPDATE recordings
         SET run = run + 1, state = 'queued', failure = NULL, completed_at = NULL, next_chunk = 0, reference_set = NULL,
             chunk_count = CASE WHEN $6 THEN chunk_count END, samples = CASE WHEN $6 THEN samples END,
             warnings = CASE WHEN $6 THEN warnings ELSE '{}' END, result_warnings = '{}',
             model_version = $2, configuration = $3, trace = $4, settings = $5, resend = false, updated_at = now(),
             turn = NULL, decode_ordered_at = CASE WHEN $6 THEN decode_ordered_at END
         WHERE id = $1
         RETURNING run",
        recording,
        context.model_version,
        CONFIGURATION,
        Json(telemetry::current_context()) as _,
        Json(settings) as _,
        reused
    )
    .fetch_one(&mut **transaction)
    .await
}
