//! Matches: why speakers are shown where they are, chunk by chunk.

use super::problem::ApiError;
use super::query::NoQuery;
use super::recordings::RecordingId;
use crate::context::Context;
use crate::recordings::matches::{self, Matches};
use crate::recordings::view::{is_completed, milliseconds_of, seconds_of_chunk};
use axum::Json;
use axum::extract::State;
use diarization::blocks::{BLOCK_FRAMES, FRAME_SECONDS};
use diarization::evidence::{self, Part};
use diarization::explanation::Explanation;
use serde_json::{Value, json};
use std::sync::Arc;
use uuid::Uuid;

/// `GET /v1/recordings/{id}/matches`: each speaker of each chunk with confidence, score and runner-up, by chunk and speaker.
pub(crate) async fn matches(
    State(context): State<Arc<Context>>,
    RecordingId(id): RecordingId,
    NoQuery: NoQuery,
) -> Result<Json<Value>, ApiError> {
    let found = matches::of(&context.pool, id).await?.ok_or(ApiError::UnknownRecording(id))?;
    Ok(Json(as_json(id, &found)))
}

fn as_json(id: Uuid, found: &Matches) -> Value {
    let seconds = |chunk: usize| seconds_of_chunk(chunk as i32, found.chunk_blocks, found.samples);
    let part = |part: &Part| {
        let label = |speaker: usize| found.labels.label(speaker);
        let mut shown = json!(Explanation::of(&part.choice, label));
        shown["chunk"] = json!(part.part);
        shown["start"] = json!(seconds(part.part));
        shown["end"] = json!(seconds(part.part + 1));
        shown["speaker"] = json!(label(part.choice.best.speaker));
        shown["seconds"] = json!(milliseconds_of(part.frames as f64 * FRAME_SECONDS));
        shown
    };
    let parts = evidence::of_parts(&found.matches, found.chunk_blocks as usize * BLOCK_FRAMES);
    json!({
        "recording": id,
        "state": found.state,
        "provisional": !is_completed(&found.state),
        "matches": parts.iter().map(part).collect::<Vec<_>>(),
    })
}
