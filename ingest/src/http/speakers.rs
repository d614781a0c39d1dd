//! Speakers: who speaks in a recording, how much, and how alike they sound.

use super::openapi::{NoRecording, Usual};
use super::problem::ApiError;
use super::query::NoQuery;
use super::recordings::RecordingId;
use crate::context::Context;
use crate::recordings::speakers::{self, SpeakersFound};
use axum::Json;
use axum::extract::State;
use std::sync::Arc;

/// Who speaks in a recording
///
/// Each speaker's share of the speech, and how alike the voices are.
#[utoipa::path(
    get, path = "/v1/recordings/{id}/speakers", tag = "recordings", params(RecordingId),
    responses((status = 200, description = "The speakers", body = SpeakersFound), NoRecording, Usual)
)]
pub(crate) async fn speakers(
    State(context): State<Arc<Context>>,
    RecordingId(id): RecordingId,
    NoQuery: NoQuery,
) -> Result<Json<SpeakersFound>, ApiError> {
    Ok(Json(speakers::of(&context.reads, id).await?.ok_or(ApiError::UnknownRecording(id))?))
}
