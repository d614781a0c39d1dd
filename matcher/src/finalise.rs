//! Finalise: decides over the whole recording and commits its turns, its voices and its completion at once.

use crate::analysis;
use crate::database::Database;
use crate::error::MatchError;
use crate::turns;
use diarization::analysis::BlockAnalysis;
use diarization::blocks::SAMPLE_RATE;
use diarization::diarize::{Diarization, Diarizer, Settings};
use pgvector::Vector;
use sqlx::PgTransaction;
use sqlx::types::Json;
use std::time::Instant;
use uuid::Uuid;

/// A recording all of whose chunks are matched.
struct Matched {
    chunk_count: i32,
    samples: Option<i64>,
    model_version: String,
    configuration: String,
    settings: Json<Settings>,
}

/// Completes a recording whose last chunk is matched. False when there was nothing to complete, or somebody else did.
///
/// The replay runs outside any transaction, so the row is not locked while it lasts; the commit then makes sure that nothing
/// has changed under it.
#[tracing::instrument(name = "finalise", skip_all, fields(%recording))]
pub async fn finalise(database: &Database, recording: Uuid, run: i32) -> Result<bool, MatchError> {
    let started = Instant::now();
    let Some((matched, analyses)) = load(database, recording, run).await? else { return Ok(false) };
    let settings = matched.settings.0.clone();
    let found = tokio::task::spawn_blocking(move || replay(&analyses, settings))
        .await
        .map_err(|error| MatchError::Unusable(format!("the recording could not be clustered: {error}")))??;
    let completed = commit(database, recording, run, &matched, &found).await?;
    if completed {
        let took = started.elapsed().as_secs_f64();
        metrics::counter!("throughline_recordings_completed_total").increment(1);
        metrics::histogram!("throughline_finalise_seconds").record(took);
        tracing::info!(
            %recording,
            speakers = found.speakers.len(),
            turns = found.turns.len(),
            audio_seconds = matched.samples.unwrap_or(0) as f64 / f64::from(SAMPLE_RATE),
            finalise_seconds = took,
            "recording completed"
        );
    }
    Ok(completed)
}

async fn load(
    database: &Database,
    recording: Uuid,
    run: i32,
) -> Result<Option<(Matched, Vec<Vec<u8>>)>, sqlx::Error> {
    let work = async |transaction: &mut PgTransaction<'static>| {
        let matched = sqlx::query_as!(
            Matched,
            r#"SELECT chunk_count AS "chunk_count!", samples, model_version, configuration,
                      settings AS "settings: Json<Settings>"
               FROM recordings
               WHERE id = $1 AND run = $2 AND state IN ('queued', 'processing') AND next_chunk = chunk_count"#,
            recording,
            run
        )
        .fetch_optional(&mut **transaction)
        .await?;
        let Some(matched) = matched else { return Ok(None) };
        let analyses = sqlx::query_scalar!(
            "SELECT analysis FROM inbox
             WHERE recording_id = $1 AND model_version = $2 AND configuration = $3 AND chunk < $4
             ORDER BY chunk",
            recording,
            matched.model_version,
            matched.configuration,
            matched.chunk_count
        )
        .fetch_all(&mut **transaction)
        .await?;
        Ok(Some((matched, analyses)))
    };
    database.run("load_recording", work).await
}

/// The whole recording in one process: what `throughline diarize` does past inference.
fn replay(analyses: &[Vec<u8>], settings: Settings) -> Result<Diarization, MatchError> {
    let unusable =
        |why: String| MatchError::Unusable(format!("what is stored of the recording cannot be used: {why}"));
    let mut blocks: Vec<BlockAnalysis> = Vec::new();
    for bytes in analyses {
        blocks.extend(analysis::decode(bytes).map_err(|flaw| unusable(flaw.to_string()))?);
    }
    analysis::one_dimension(&blocks).map_err(|flaw| unusable(flaw.to_string()))?;
    let mut diarizer = Diarizer::new(settings);
    for block in blocks {
        diarizer.push(block).map_err(|error| unusable(error.to_string()))?;
    }
    Ok(diarizer.finish())
}

#[tracing::instrument(name = "commit", skip_all, fields(%recording))]
async fn commit(
    database: &Database,
    recording: Uuid,
    run: i32,
    matched: &Matched,
    found: &Diarization,
) -> Result<bool, sqlx::Error> {
    let work = async |transaction: &mut PgTransaction<'static>| {
        // The update takes the row's lock, and changes it only if it still is what the replay was made of.
        let completed = sqlx::query!(
            "UPDATE recordings SET state = 'completed', completed_at = now(), updated_at = now(), failure = NULL
             WHERE id = $1 AND run = $2 AND state IN ('queued', 'processing')
               AND next_chunk = $3 AND chunk_count = $3 AND model_version = $4 AND configuration = $5",
            recording,
            run,
            matched.chunk_count,
            matched.model_version,
            matched.configuration
        )
        .execute(&mut **transaction)
        .await?
        .rows_affected();
        if completed == 0 {
            return Ok(false);
        }
        turns::clear(transaction, recording).await?;
        let label = |speaker: usize| found.speakers[speaker].label.clone();
        turns::insert(transaction, recording, &found.turns, false, label).await?;
        replace_speakers(transaction, recording, &matched.model_version, found).await?;
        Ok(true)
    };
    database.run("commit", work).await
}

async fn replace_speakers(
    transaction: &mut PgTransaction<'static>,
    recording: Uuid,
    model_version: &str,
    found: &Diarization,
) -> Result<(), sqlx::Error> {
    sqlx::query!("DELETE FROM speaker_embeddings WHERE recording_id = $1", recording)
        .execute(&mut **transaction)
        .await?;
    let numbers: Vec<i32> = (0..found.speakers.len() as i32).collect();
    let labels: Vec<String> = found.speakers.iter().map(|s| s.label.clone()).collect();
    let vectors: Vec<Vector> = found.speakers.iter().map(|s| Vector::from(s.embedding.clone())).collect();
    let seconds: Vec<f64> = found.speakers.iter().map(|s| s.speech_seconds).collect();
    sqlx::query!(
        "INSERT INTO speaker_embeddings (recording_id, model_version, speaker, speaker_label, embedding_vector, speech_seconds)
         SELECT $1, $2, s.* FROM UNNEST($3::integer[], $4::text[], $5::vector[], $6::double precision[]) AS s",
        recording,
        model_version,
        &numbers,
        &labels,
        &vectors as _,
        &seconds
    )
    .execute(&mut **transaction)
    .await?;
    Ok(())
}
