//! Speakers: who speaks in a recording, how much, and how alike they sound.

use super::view::{milliseconds_of, snapshot};
use diarization::blocks::FRAME_SECONDS;
use diarization::similarity::dot;
use pgvector::Vector;
use serde::Serialize;
use sqlx::PgPool;
use utoipa::ToSchema;
use uuid::Uuid;

/// A speaker's part in a recording.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SpeakerShare {
    /// What the speaker is called.
    pub label: String,
    /// Seconds of speech, overlapped speech included.
    pub speech_seconds: f64,
    /// Share of all speech, 0 to 1.
    pub share: f64,
}

/// The speakers of a recording.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SpeakersFound {
    /// Id of the recording.
    pub recording: Uuid,
    /// In the order of the recording's labels.
    pub speakers: Vec<SpeakerShare>,
    /// How alike each two of them sound, in their order: cosine of their voices, -1 to 1; null where that is not known: while the recording
    /// is in work, and of a speaker all of whose speech is too short to have a voice.
    pub similarity: Vec<Vec<Option<f64>>>,
}

/// The speakers of the recording `id`, if there is one: by its turns, so that they are always those that are shown.
pub(crate) async fn of(pool: &PgPool, id: Uuid) -> Result<Option<SpeakersFound>, sqlx::Error> {
    let mut snapshot = snapshot(pool).await?;
    let known = sqlx::query_scalar!("SELECT id FROM recordings WHERE id = $1", id);
    if known.fetch_optional(&mut *snapshot).await?.is_none() {
        return Ok(None);
    }
    let rows = sqlx::query!(
        r#"SELECT t.speaker_label, sum(t.end_frame - t.first_frame) AS "frames!", e.embedding_vector AS "voice?: Vector"
           FROM turns t LEFT JOIN speaker_embeddings e
                ON e.recording_id = t.recording_id AND e.speaker = t.speaker AND NOT t.provisional
           WHERE t.recording_id = $1
           GROUP BY t.speaker, t.speaker_label, e.embedding_vector ORDER BY t.speaker"#,
        id
    )
    .fetch_all(&mut *snapshot)
    .await?;
    let all: i64 = rows.iter().map(|row| row.frames).sum();
    let three_decimals = |value: f64| (value * 1000.0).round() / 1000.0;
    let voices: Vec<Option<Vector>> = rows.iter().map(|row| row.voice.clone()).collect();
    let alike = |a: &Option<Vector>, b: &Option<Vector>| {
        let (a, b) = a.as_ref().zip(b.as_ref())?;
        Some(three_decimals(f64::from(dot(a.as_slice(), b.as_slice())).clamp(-1.0, 1.0)))
    };
    let speaker = |label: String, frames: i64| SpeakerShare {
        label,
        speech_seconds: milliseconds_of(frames as f64 * FRAME_SECONDS),
        share: three_decimals(frames as f64 / all.max(1) as f64),
    };
    Ok(Some(SpeakersFound {
        recording: id,
        similarity: voices.iter().map(|a| voices.iter().map(|b| alike(a, b)).collect()).collect(),
        speakers: rows.into_iter().map(|row| speaker(row.speaker_label, row.frames)).collect(),
    }))
}
