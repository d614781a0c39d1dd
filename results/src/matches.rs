//! Matches: the rows that say why a turn is its speaker's.

use diarization::evidence::Match;
use sqlx::PgTransaction;
use uuid::Uuid;

/// Matches inserted by one statement.
const PAGE: usize = 2000;

/// Inserts matches.
pub async fn insert(
    transaction: &mut PgTransaction<'static>,
    recording: Uuid,
    matches: &[Match],
) -> Result<(), sqlx::Error> {
    for page in matches.chunks(PAGE) {
        let first: Vec<i32> = page.iter().map(|it| it.first_frame as i32).collect();
        let end: Vec<i32> = page.iter().map(|it| it.end_frame as i32).collect();
        let slots: Vec<i16> = page.iter().map(|it| it.slot.into()).collect();
        let best: Vec<_> = page.iter().map(|it| it.choice.best).collect();
        let next: Vec<_> = page.iter().map(|it| it.choice.runner_up).collect();
        let speakers: Vec<i32> = best.iter().map(|it| it.speaker as i32).collect();
        let scores: Vec<Option<f32>> = best.iter().map(|it| it.score).collect();
        let confidences: Vec<f32> = best.iter().map(|it| it.confidence).collect();
        let next_speakers: Vec<Option<i32>> = next.iter().map(|it| it.map(|it| it.speaker as i32)).collect();
        let next_scores: Vec<Option<f32>> = next.iter().map(|it| it.and_then(|it| it.score)).collect();
        let corrected: Vec<bool> = page.iter().map(|it| it.choice.corrected).collect();
        let next_confidences: Vec<Option<f32>> = next.iter().map(|it| it.map(|it| it.confidence)).collect();
        sqlx::query!(
            "INSERT INTO matches (recording_id, first_frame, end_frame, slot, speaker, score, confidence,
                                  runner_up, runner_up_score, runner_up_confidence, corrected)
             SELECT $1, m.* FROM UNNEST($2::integer[], $3::integer[], $4::smallint[], $5::integer[], $6::real[], $7::real[],
                                        $8::integer[], $9::real[], $10::real[], $11::boolean[]) AS m",
            recording,
            &first,
            &end,
            &slots,
            &speakers,
            &scores as _,
            &confidences,
            &next_speakers as _,
            &next_scores as _,
            &next_confidences as _,
            &corrected
        )
        .execute(&mut **transaction)
        .await?;
    }
    Ok(())
}

/// Deletes all matches of a recording.
pub async fn clear(transaction: &mut PgTransaction<'static>, recording: Uuid) -> Result<(), sqlx::Error> {
    sqlx::query!("DELETE FROM matches WHERE recording_id = $1", recording)
        .execute(&mut **transaction)
        .await?;
    Ok(())
}
