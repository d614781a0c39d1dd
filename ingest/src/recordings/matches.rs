//! Matches: what is stored of why a piece of a recording is a speaker's.

use super::labels::Labels;
use super::view::snapshot;
use diarization::diarize::Settings;
use diarization::evidence::{Candidate, Choice, Match};
use sqlx::types::Json;
use sqlx::{PgPool, PgTransaction};
use uuid::Uuid;

/// The matches of a recording, and what they are read by.
pub(crate) struct Matches {
    pub state: String,
    pub labels: Labels,
    pub chunk_blocks: i32,
    pub samples: Option<i64>,
    pub matches: Vec<Match>,
}

/// The matches of the recording `id`, if there is one.
pub(crate) async fn of(pool: &PgPool, id: Uuid) -> Result<Option<Matches>, sqlx::Error> {
    let mut snapshot = snapshot(pool).await?;
    let row = sqlx::query!(
        r#"SELECT state, settings AS "settings: Json<Settings>", chunk_blocks, samples FROM recordings WHERE id = $1"#,
        id
    )
    .fetch_optional(&mut *snapshot)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let shown = sqlx::query!("SELECT DISTINCT speaker, speaker_label FROM turns WHERE recording_id = $1", id)
        .fetch_all(&mut *snapshot)
        .await?;
    Ok(Some(Matches {
        matches: stored(&mut snapshot, id).await?,
        state: row.state,
        labels: Labels::new(
            shown.into_iter().map(|row| (row.speaker, row.speaker_label)),
            row.settings.0.labels,
        ),
        chunk_blocks: row.chunk_blocks,
        samples: row.samples,
    }))
}

/// The matches of a recording, by first frame and slot.
pub(super) async fn stored(
    snapshot: &mut PgTransaction<'static>,
    id: Uuid,
) -> Result<Vec<Match>, sqlx::Error> {
    let rows = sqlx::query!(
        "SELECT first_frame, end_frame, slot, speaker, score, confidence, runner_up, runner_up_score, runner_up_confidence, corrected
         FROM matches WHERE recording_id = $1 ORDER BY first_frame, slot",
        id
    )
    .fetch_all(&mut **snapshot)
    .await?;
    let number = |value: i32| usize::try_from(value).unwrap_or_default();
    let candidate = |speaker, score, confidence| Candidate { speaker: number(speaker), score, confidence };
    let matched = rows.into_iter().map(|row| Match {
        first_frame: number(row.first_frame),
        end_frame: number(row.end_frame),
        slot: u8::try_from(row.slot).unwrap_or_default(),
        choice: Choice {
            best: candidate(row.speaker, row.score, row.confidence),
            runner_up: row
                .runner_up
                .zip(row.runner_up_confidence)
                .map(|(speaker, confidence)| candidate(speaker, row.runner_up_score, confidence)),
            corrected: row.corrected,
        },
    });
    Ok(matched.collect())
}
