//! Speakers: the rows with the voice of each speaker of a completed recording.

use diarization::diarize::Speaker;
use pgvector::Vector;
use sqlx::PgTransaction;
use uuid::Uuid;

/// Replaces the speakers of a recording.
pub async fn replace(
    transaction: &mut PgTransaction<'static>,
    recording: Uuid,
    model_version: &str,
    speakers: &[Speaker],
) -> Result<(), sqlx::Error> {
    sqlx::query!("DELETE FROM speaker_embeddings WHERE recording_id = $1", recording)
        .execute(&mut **transaction)
        .await?;
    let numbers: Vec<i32> = (0..speakers.len() as i32).collect();
    let labels: Vec<String> = speakers.iter().map(|s| s.label.clone()).collect();
    let vector = |s: &Speaker| (!s.embedding.is_empty()).then(|| Vector::from(s.embedding.clone()));
    let vectors: Vec<Option<Vector>> = speakers.iter().map(vector).collect();
    let seconds: Vec<f64> = speakers.iter().map(|s| s.speech_seconds).collect();
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
