//! Finalise: decides over the whole recording and commits its turns, its voices and its completion at once.

use crate::claim::Claim;
use crate::database::Database;
use crate::error::MatchError;
use crate::failure;
use crate::gaps;
use crate::replay::{self, Replay, Replayed};
use diarization::blocks::SAMPLE_RATE;
use results::{corrections, decision, outcome};
use sqlx::PgTransaction;
use std::time::Instant;
use uuid::Uuid;

/// Outcome of a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Committed {
    /// The recording is completed.
    Now,
    /// It is no longer what was replayed: completed by another, run again, deleted.
    Superseded,
    /// A gap has closed, or opened, since.
    OtherGaps,
}

/// Completes a recording whose last chunk is matched. False when there was nothing to complete; [`MatchError::Claimed`] while another is
/// at it, or died at it a moment ago.
///
/// The replay does not lock the row while it lasts; the commit makes sure that nothing has changed under it.
#[tracing::instrument(name = "finalise", skip_all, fields(%recording))]
pub async fn finalise(database: &Database, recording: Uuid, run: i32) -> Result<bool, MatchError> {
    let claim = Claim::of(database, recording, run).await?.ok_or(MatchError::Claimed)?;
    claim.during(complete(database, recording, run)).await
}

async fn complete(database: &Database, recording: Uuid, run: i32) -> Result<bool, MatchError> {
    loop {
        let started = Instant::now();
        let replay = match replay::replay(database, recording, run).await? {
            Replay::Nothing => return Ok(false),
            // Run again, deleted, completed by another, or a gap has closed: the next look tells.
            Replay::Changed => continue,
            Replay::AllGaps => {
                failure::fail(database, recording, run, "none of the recording could be analysed").await?;
                return Ok(false);
            }
            Replay::Done(replayed) => replayed,
        };
        match commit(database, recording, run, &replay).await? {
            Committed::Superseded => return Ok(false),
            // Whoever brought the news may have found the recording in hand, and left it.
            Committed::OtherGaps => continue,
            Committed::Now => {}
        }
        let took = started.elapsed().as_secs_f64();
        metrics::counter!("throughline_recordings_completed_total").increment(1);
        metrics::histogram!("throughline_finalise_seconds").record(took);
        let confidence = metrics::histogram!("throughline_match_confidence");
        replay.found.matches.iter().for_each(|it| confidence.record(f64::from(it.choice.best.confidence)));
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
    replayed: &Replayed,
) -> Result<Committed, sqlx::Error> {
    let work = async |transaction: &mut PgTransaction<'static>| {
        // Under the row's lock, and only if it still is what the replay was made of.
        sqlx::query_scalar!("SELECT id FROM recordings WHERE id = $1 FOR UPDATE", recording)
            .fetch_optional(&mut **transaction)
            .await?;
        let Replayed { matched, gaps, found, decision, applied, pinned } = replayed;
        if gaps::of(transaction, recording).await? != *gaps {
            return Ok(Committed::OtherGaps);
        }
        let completed = sqlx::query!(
            "UPDATE recordings SET state = CASE WHEN $6 THEN 'completed_with_gaps' ELSE 'completed' END, completed_at = now(), updated_at = now(), failure = NULL, resend = false, result_warnings = $7
             WHERE id = $1 AND run = $2 AND state IN ('queued', 'processing')
               AND next_chunk = $3 AND chunk_count = $3 AND model_version = $4 AND configuration = $5",
            recording,
            run,
            matched.chunk_count,
            matched.model_version,
            matched.configuration,
            !gaps.is_empty(),
            &replayed.warnings()
        )
        .execute(&mut **transaction)
        .await?
        .rows_affected();
        if completed == 0 {
            return Ok(Committed::Superseded);
        }
        outcome::replace(transaction, pinned, found).await?;
        decision::store(transaction, recording, decision).await?;
        // Nobody has said anything since: what is in work is not corrected.
        corrections::note_applied(transaction, recording, applied).await?;
        Ok(Committed::Now)
    };
    database.run("commit", work).await
}
