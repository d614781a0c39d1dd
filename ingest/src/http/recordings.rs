//! Recordings: showing, listing, reprocessing and deleting them.

use super::problem::ApiError;
use super::query::{NoQuery, Query};
use super::shown::shown;
use crate::context::Context;
use crate::recordings::{change, view};
use crate::thread;
use crate::upkeep::erasure::{self, Erased};
use axum::Json;
use axum::extract::{FromRequestParts, Path, State};
use axum::http::request::Parts;
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use std::sync::Arc;
use uuid::Uuid;

/// Recordings in one answer, unless asked otherwise and at most.
const PAGE: u32 = 50;
const LARGEST_PAGE: u32 = 500;

/// The id in the address.
pub(crate) struct RecordingId(pub Uuid);

impl<S: Send + Sync> FromRequestParts<S> for RecordingId {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let text =
            Path::<String>::from_request_parts(parts, state).await.map(|Path(text)| text).unwrap_or_default();
        text.parse().map(Self).map_err(|_| ApiError::BadId(shown(&text)))
    }
}

/// `GET /v1/recordings/{id}`
pub(crate) async fn show(
    State(context): State<Arc<Context>>,
    RecordingId(id): RecordingId,
    NoQuery: NoQuery,
) -> Result<Response, ApiError> {
    let recording = view::recording(&context.pool, id).await?.ok_or(ApiError::UnknownRecording(id))?;
    Ok(Json(recording).into_response())
}

/// `GET /v1/recordings?limit=&before=`: newest first; `before` is the `next` of the answer before.
pub(crate) async fn list(State(context): State<Arc<Context>>, uri: Uri) -> Result<Response, ApiError> {
    let query = Query::read(&uri, &["limit", "before"])?;
    let limit = query.get("limit", "a whole number")?.unwrap_or(PAGE).clamp(1, LARGEST_PAGE) as usize;
    let before = query.get("before", "the `next` of an answer before, an id")?;
    // One more than shown says whether there is a next page.
    let mut recordings = view::list(&context.pool, limit as i64 + 1, before).await?;
    let more = recordings.len() > limit;
    recordings.truncate(limit);
    let next = recordings.last().filter(|_| more).map(|last| last.id);
    Ok(Json(json!({ "recordings": recordings, "next": next })).into_response())
}

/// `POST /v1/recordings/{id}/reprocess`
pub(crate) async fn reprocess(
    State(context): State<Arc<Context>>,
    RecordingId(id): RecordingId,
    NoQuery: NoQuery,
) -> Result<Response, ApiError> {
    let run = thread::on_its_own(async move || change::reprocess(&context, id).await).await??;
    let run = run.ok_or(ApiError::UnknownRecording(id))?;
    tracing::info!(recording = %id, run, "will be processed again");
    let location = format!("/v1/recordings/{id}");
    let body = json!({ "id": id, "state": "queued", "run": run });
    Ok((StatusCode::ACCEPTED, [(header::LOCATION, location)], Json(body)).into_response())
}

/// `DELETE /v1/recordings/{id}`: 204 when nothing is left, 202 when the rows are gone and the audio goes as soon as the object store
/// allows it.
pub(crate) async fn delete(
    State(context): State<Arc<Context>>,
    RecordingId(id): RecordingId,
    NoQuery: NoQuery,
) -> Result<Response, ApiError> {
    match thread::on_its_own(async move || erasure::erase(&context, id).await).await?? {
        Erased::Gone => Ok(StatusCode::NO_CONTENT.into_response()),
        Erased::Pending => {
            let detail = "the object store cannot be reached; what is stored of it goes once it can";
            let body = json!({ "id": id, "state": "erasing", "detail": detail });
            Ok((StatusCode::ACCEPTED, Json(body)).into_response())
        }
        Erased::Unknown => Err(ApiError::UnknownRecording(id)),
    }
}
