//! Outcome: everything that users read of a recording, replaced at once.

use crate::chunks::Pinned;
use crate::{matches, speakers, turns};
use diarization::diarize::Diarization;
use sqlx::PgTransaction;

/// Replaces turns, matches and speakers of a recording by those of `found`.
pub async fn replace(
    transaction: &mut PgTransaction<'static>,
    pinned: &Pinned,
    found: &Diarization,
) -> Result<(), sqlx::Error> {
    let recording = pinned.recording;
    turns::clear(transaction, recording).await?;
    let label = |speaker: usize| found.speakers[speaker].label.clone();
    turns::insert(transaction, recording, &found.turns, false, label).await?;
    matches::clear(transaction, recording).await?;
    matches::insert(transaction, recording, &found.matches).await?;
    speakers::replace(transaction, recording, &pinned.model_version, &found.speakers).await
}
