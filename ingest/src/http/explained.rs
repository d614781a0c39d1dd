//! Explained: who comes next where a speaker is not certain, as answers show it.

use diarization::explanation;
use serde::Serialize;
use utoipa::ToSchema;

/// Who it is if it is not the speaker.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RunnerUp {
    /// Label.
    pub speaker: String,
    /// Probability that it is this speaker, 0 to 1.
    pub confidence: f64,
    /// Cosine of the voices, -1 to 1; null of speech too short to have a voice.
    pub score: Option<f64>,
}

impl From<explanation::RunnerUp> for RunnerUp {
    fn from(other: explanation::RunnerUp) -> Self {
        Self { speaker: other.speaker, confidence: other.confidence, score: other.score }
    }
}
