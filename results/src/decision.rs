//! Decision: what was decided over the whole of a recording when it was completed, kept so that a correction need not decide it again.

use diarization::decision::Decision;
use serde::{Deserialize, Serialize};
use sqlx::PgTransaction;
use uuid::Uuid;

/// To be raised whenever what a stored decision holds, or means, has changed.
const VERSION: u32 = 3;

#[derive(Serialize, Deserialize)]
struct Stored<D> {
    version: u32,
    decision: D,
}

/// The decision in `bytes`; nothing where another release wrote it, in a way that this one does not know.
fn decode(bytes: &[u8]) -> Option<Decision> {
    let stored: Stored<Decision> = rmp_serde::from_slice(bytes).ok()?;
    (stored.version == VERSION).then_some(stored.decision)
}

fn encode(decision: &Decision) -> Result<Vec<u8>, sqlx::Error> {
    let stored = Stored { version: VERSION, decision };
    rmp_serde::to_vec_named(&stored).map_err(|error| sqlx::Error::Encode(error.into()))
}

/// Decision that is stored of the recording. `None` where the recording was completed before decisions were kept, or where
/// another release wrote it in a way that this one does not know.
pub async fn stored(
    transaction: &mut PgTransaction<'static>,
    recording: Uuid,
) -> Result<Option<Decision>, sqlx::Error> {
    let bytes = sqlx::query_scalar!("SELECT decision FROM decisions WHERE recording_id = $1", recording)
        .fetch_optional(&mut **transaction)
        .await?;
    Ok(bytes.as_deref().and_then(decode))
}

/// Stores it, in place of the one before.
pub async fn store(
    transaction: &mut PgTransaction<'static>,
    recording: Uuid,
    decision: &Decision,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO decisions (recording_id, decision) VALUES ($1, $2)
         ON CONFLICT (recording_id) DO UPDATE SET decision = excluded.decision",
        recording,
        encode(decision)?
    )
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use diarization::diarize::Settings;
    use diarization::survey::Survey;

    #[test]
    fn a_decision_is_read_as_it_was_stored_and_none_of_another_release() {
        let decided = Survey::new(Settings::default()).decide().labelled().expect("all is read").decision();
        assert_eq!(decode(&encode(&decided).expect("writes")), Some(decided.clone()));
        let other = Stored { version: VERSION + 1, decision: &decided };
        assert_eq!(decode(&rmp_serde::to_vec_named(&other).expect("writes")), None);
        assert_eq!(decode(b"rubbish"), None);
    }
}
