//! Corrections: what people said of a recording, in the order in which they said it.

use crate::chunks::Pinned;
use chrono::{DateTime, Utc};
use diarization::corrections::{Correction, Made};
use sqlx::PgTransaction;
use sqlx::types::Json;
use uuid::Uuid;

/// A correction as it is stored.
#[derive(Clone, Debug)]
pub struct Stored {
    /// Its number in the recording, from 1.
    pub number: i32,
    /// Correction that was made, and whether of the analyses that the recording has now.
    pub made: Made,
    /// True where it could be applied.
    pub applied: bool,
    /// Time at which it was made.
    pub created_at: DateTime<Utc>,
}

/// The corrections of a recording, by number.
pub async fn stored(
    transaction: &mut PgTransaction<'static>,
    pinned: &Pinned,
) -> Result<Vec<Stored>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"SELECT number, correction AS "correction: Json<Correction>", applied, created_at,
                  model_version = $2 AND configuration = $3 AS "same_analyses!"
           FROM corrections WHERE recording_id = $1 ORDER BY number"#,
        pinned.recording,
        pinned.model_version,
        pinned.configuration
    )
    .fetch_all(&mut **transaction)
    .await?;
    let stored = rows.into_iter().map(|row| Stored {
        number: row.number,
        made: Made { correction: row.correction.0, same_analyses: row.same_analyses },
        applied: row.applied,
        created_at: row.created_at,
    });
    Ok(stored.collect())
}

/// Corrections of `stored`, as they are to be applied.
pub fn made(stored: &[Stored]) -> Vec<Made> {
    stored.iter().map(|it| it.made.clone()).collect()
}

/// Stores one more, which is applied.
pub async fn add(
    transaction: &mut PgTransaction<'static>,
    pinned: &Pinned,
    number: i32,
    correction: &Correction,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO corrections (recording_id, number, correction, model_version, configuration, applied)
         VALUES ($1, $2, $3, $4, $5, true)",
        pinned.recording,
        number,
        Json(correction) as _,
        pinned.model_version,
        pinned.configuration
    )
    .execute(&mut **transaction)
    .await?;
    sqlx::query!("UPDATE recordings SET corrections_made = $2 WHERE id = $1", pinned.recording, number)
        .execute(&mut **transaction)
        .await?;
    Ok(())
}

/// Takes one back.
pub async fn remove(
    transaction: &mut PgTransaction<'static>,
    recording: Uuid,
    number: i32,
) -> Result<(), sqlx::Error> {
    sqlx::query!("DELETE FROM corrections WHERE recording_id = $1 AND number = $2", recording, number)
        .execute(&mut **transaction)
        .await?;
    Ok(())
}

/// Notes which of the corrections, by number, could be applied.
pub async fn note_applied(
    transaction: &mut PgTransaction<'static>,
    recording: Uuid,
    applied: &[(i32, bool)],
) -> Result<(), sqlx::Error> {
    let (numbers, applied): (Vec<i32>, Vec<bool>) = applied.iter().copied().unzip();
    sqlx::query!(
        "UPDATE corrections c SET applied = now.applied
         FROM UNNEST($2::integer[], $3::boolean[]) AS now (number, applied)
         WHERE c.recording_id = $1 AND c.number = now.number AND c.applied <> now.applied",
        recording,
        &numbers,
        &applied
    )
    .execute(&mut **transaction)
    .await?;
    Ok(())
}
