//! Finalise: decides over the whole recording and commits its turns, its voices and its completion at once.

use crate::database::Database;
use crate::error::MatchError;
use crate::failure;
use crate::gaps;
use crate::matches;
use crate::replay::{self, Replay};
use crate::turns;
use diarization::blocks::SAMPLE_RATE;
use diarization::diarize::Diarization;
use pgvector::Vector;
use sqlx::PgTransaction;
use std::time::Instant;
use uuid::Uuid;

/// What became of a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Committed {
    /// The recording is completed.
    Now,
    /// It is no longer what was replayed: completed by another, run again, deleted.
    Superseded,
    /// A gap has closed, or opened, since.
    OtherGaps,
}

/// Completes a recording whose last chunk is matched. False when there was nothing to complete, or somebody else does.
///
/// The replay does not lock the row while it lasts; the commit makes sure that nothing has changed under it.
#[tracing::instrument(name = "finalise", skip_all, fields(%recording))]
pub async fn finalise(database: &Database, recording: Uuid, run: i32) -> Result<bool, MatchError> {
    loop {
        let started = Instant::now();
        let replay = match replay::replay(database, recording, run).await? {
            Replay::Nothing => return Ok(false),
            Replay::InHand => {
                tracing::info!(%recording, "another matcher is finalising the recording");
                return Ok(false);
            }
            Replay::AllGaps => {
                failure::fail(database, recording, run, "none of the recording could be analysed").await?;
                return Ok(false);
            }
            Replay::Done(replayed) => replayed,
        };
        match commit(database, recording, run, &replay.matched, &replay.gaps, &replay.found).await? {
            Committed::Superseded => return Ok(false),
            // Whoever brought the news may have found the recording in hand, and left it.
            Committed::OtherGaps => continue,
            Committed::Now => {}
        }
        let took = started.elapsed().as_secs_f64();
        metrics::counter!("throughline_recordings_completed_total").increment(1);
        metrics::histogram!("throughline_finalise_seconds").record(took);
        tracing::info!(
            %recording,
            speakers = replay.found.speakers.len(),
            turns = replay.found.turns.len(),
            audio_seconds = replay.matched.samples.unwrap_or(0) as f64 / f64::from(SAMPLE_RATE),
            finalise_seconds = took,
            "recording completed"
        );
        return Ok(true);
    }
}

#[tracing::instrument(name = "commit", skip_all, fields(%recording))]
async fn commit(
    database: &Database,
    recording: Uuid,
    run: i32,
    matched: &replay::Matched,
    gaps: &[i32],
    found: &Diarization,
) -> Result<Committed, sqlx::Error> {
    let work = async |transaction: &mut PgTransaction<'static>| {
        // Under the row's lock, and only if it still is what the replay was made of.
        sqlx::query_scalar!("SELECT id FROM recordings WHERE id = $1 FOR UPDATE", recording)
            .fetch_optional(&mut **transaction)
            .await?;
        if gaps::of(transaction, recording).await? != gaps {
            return Ok(Committed::OtherGaps);
        }
        let completed = sqlx::query!(
            "UPDATE recordings SET state = CASE WHEN $6 THEN 'completed_with_gaps' ELSE 'completed' END, completed_at = now(), updated_at = now(), failure = NULL, resend = false
             WHERE id = $1 AND run = $2 AND state IN ('queued', 'processing')
               AND next_chunk = $3 AND chunk_count = $3 AND model_version = $4 AND configuration = $5",
            recording,
            run,
            matched.chunk_count,
            matched.model_version,
            matched.configuration,
            !gaps.is_empty()
        )
        .execute(&mut **transaction)
        .await?
        .rows_affected();
        if completed == 0 {
            return Ok(Committed::Superseded);
        }
        turns::clear(transaction, recording).await?;
        let label = |speaker: usize| found.speakers[speaker].label.clone();
        turns::insert(transaction, recording, &found.turns, false, label).await?;
        matches::clear(transaction, recording).await?;
        matches::insert(transaction, recording, &found.matches).await?;
        replace_speakers(transaction, recording, &matched.model_version, found).await?;
        Ok(Committed::Now)
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
