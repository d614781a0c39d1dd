//! Matches: the rows that say why a turn is its speaker's.

use diarization::evidence::Match;
use sqlx::PgPool;
use uuid::Uuid;

/// A speaker, the score and the confidence, to the last bit.
type CandidateRow = (i32, Option<u32>, u32);

/// First frame, end frame, slot, the speaker and who comes next.
pub type MatchRow = (i32, i32, i16, CandidateRow, Option<CandidateRow>);

/// The matches stored of a recording, by first frame and slot.
pub async fn stored(pool: &PgPool, recording: Uuid) -> Result<Vec<MatchRow>, sqlx::Error> {
    type Selected = (i32, i32, i16, i32, Option<f32>, f32, Option<i32>, Option<f32>, Option<f32>);
    let rows: Vec<Selected> = sqlx::query_as(
        "SELECT first_frame, end_frame, slot, speaker, score, confidence, runner_up, runner_up_score, runner_up_confidence
         FROM matches WHERE recording_id = $1 ORDER BY first_frame, slot",
    )
    .bind(recording)
    .fetch_all(pool)
    .await?;
    let row =
        |(first, end, slot, speaker, score, confidence, next, next_score, next_confidence): Selected| {
            let bits = |score: Option<f32>| score.map(f32::to_bits);
            let next = next.zip(next_confidence).map(|(speaker, c)| (speaker, bits(next_score), c.to_bits()));
            (first, end, slot, (speaker, bits(score), confidence.to_bits()), next)
        };
    Ok(rows.into_iter().map(row).collect())
}

/// The rows of `matches`.
pub fn rows_of(matches: &[Match]) -> Vec<MatchRow> {
    let candidate = |it: diarization::evidence::Candidate| {
        (it.speaker as i32, it.score.map(f32::to_bits), it.confidence.to_bits())
    };
    let row = |it: &Match| {
        let choice = it.choice;
        let next = choice.runner_up.map(candidate);
        (it.first_frame as i32, it.end_frame as i32, it.slot.into(), candidate(choice.best), next)
    };
    matches.iter().map(row).collect()
}
