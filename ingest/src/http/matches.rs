//! Matches: why speakers are shown where they are, chunk by chunk.

use super::explained::RunnerUp;
use super::openapi::{NoRecording, Usual};
use super::problem::ApiError;
use super::query::NoQuery;
use super::recordings::RecordingId;
use crate::context::Context;
use crate::recordings::matches::{self, Matches};
use crate::recordings::state;
use crate::recordings::view::{is_completed, milliseconds_of, seconds_of_chunk};
use axum::Json;
use axum::extract::State;
use diarization::blocks::{BLOCK_FRAMES, FRAME_SECONDS};
use diarization::evidence::{self, Part};
use diarization::explanation::Explanation;
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;
use uuid::Uuid;

/// Whom every chunk of a recording was given to.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MatchesFound {
    recording: Uuid,
    #[schema(value_type = state::State)]
    state: String,
    /// Whether the recording is still in work, and all this may change.
    provisional: bool,
    /// By chunk and speaker.
    matches: Vec<ChunkMatch>,
}

/// A speaker found in a chunk.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ChunkMatch {
    /// Number of the chunk, from 0.
    chunk: usize,
    /// Second of the recording at which the chunk begins.
    start: f64,
    /// Second at which it ends.
    end: f64,
    /// Label of the speaker.
    speaker: String,
    /// Seconds of the speaker's pieces in the chunk, short pauses included.
    seconds: f64,
    /// Probability that the speaker is right, 0 to 1.
    confidence: f64,
    /// Cosine of the voices, -1 to 1; null of speech too short to have a voice.
    score: Option<f64>,
    /// The next, where there is another.
    runner_up: Option<RunnerUp>,
    /// Whether a person said so of any of it; of that the confidence is 1.
    corrected: bool,
}

/// Why speakers are shown where they are
///
/// For every chunk the speakers found in it, each with confidence, score and runner-up.
#[utoipa::path(
    get, path = "/v1/recordings/{id}/matches", tag = "recordings", params(RecordingId),
    responses((status = 200, description = "The matches", body = MatchesFound), NoRecording, Usual)
)]
pub(crate) async fn matches(
    State(context): State<Arc<Context>>,
    RecordingId(id): RecordingId,
    NoQuery: NoQuery,
) -> Result<Json<MatchesFound>, ApiError> {
    let found = matches::of(&context.reads, id).await?.ok_or(ApiError::UnknownRecording(id))?;
    Ok(Json(as_json(id, &found)))
}

fn as_json(id: Uuid, found: &Matches) -> MatchesFound {
    let seconds = |chunk: usize| seconds_of_chunk(chunk as i32, found.chunk_blocks, found.samples);
    let part = |part: &Part| {
        let label = |speaker: usize| found.labels.label(speaker);
        let why = Explanation::of(&part.choice, label);
        ChunkMatch {
            chunk: part.part,
            start: seconds(part.part),
            end: seconds(part.part + 1),
            speaker: label(part.choice.best.speaker),
            seconds: milliseconds_of(part.frames as f64 * FRAME_SECONDS),
            confidence: why.confidence,
            score: why.score,
            runner_up: why.runner_up.map(RunnerUp::from),
            corrected: why.corrected,
        }
    };
    let parts = evidence::of_parts(&found.matches, found.chunk_blocks as usize * BLOCK_FRAMES);
    MatchesFound {
        recording: id,
        state: found.state.clone(),
        provisional: !is_completed(&found.state),
        matches: parts.iter().map(part).collect(),
    }
}
