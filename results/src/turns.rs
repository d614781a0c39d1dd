//! Turns: the rows that users read who spoke when from.

use diarization::timeline::Turn;
use sqlx::PgTransaction;
use uuid::Uuid;

/// Turns inserted by one statement.
const PAGE: usize = 2000;

/// Inserts turns; `label` names a speaker.
pub async fn insert(
    transaction: &mut PgTransaction<'static>,
    recording: Uuid,
    turns: &[Turn],
    provisional: bool,
    label: impl Fn(usize) -> String,
) -> Result<(), sqlx::Error> {
    for page in turns.chunks(PAGE) {
        let first: Vec<i32> = page.iter().map(|t| t.first_frame as i32).collect();
        let end: Vec<i32> = page.iter().map(|t| t.end_frame as i32).collect();
        let speakers: Vec<i32> = page.iter().map(|t| t.speaker as i32).collect();
        let labels: Vec<String> = page.iter().map(|t| label(t.speaker)).collect();
        sqlx::query!(
            "INSERT INTO turns (recording_id, first_frame, end_frame, speaker, speaker_label, provisional)
             SELECT $1, t.*, $2 FROM UNNEST($3::integer[], $4::integer[], $5::integer[], $6::text[]) AS t",
            recording,
            provisional,
            &first,
            &end,
            &speakers,
            &labels
        )
        .execute(&mut **transaction)
        .await?;
    }
    Ok(())
}

/// Deletes all turns of a recording.
pub async fn clear(transaction: &mut PgTransaction<'static>, recording: Uuid) -> Result<(), sqlx::Error> {
    sqlx::query!("DELETE FROM turns WHERE recording_id = $1", recording).execute(&mut **transaction).await?;
    Ok(())
}
