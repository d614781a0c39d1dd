//! Recordings: showing, listing, reprocessing and deleting them.

use super::problem::{self, ApiError};
use crate::context::{Context, folder};
use crate::recordings::{change, view};
use crate::thread;
use axum::Json;
use axum::extract::{FromRequestParts, Path, State};
use axum::http::request::Parts;
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
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
        text.parse().map(Self).map_err(|_| ApiError::BadId(text.chars().take(80).collect()))
    }
}

/// `GET /v1/recordings/{id}`
pub(crate) async fn show(
    State(context): State<Arc<Context>>,
    RecordingId(id): RecordingId,
) -> Result<Response, ApiError> {
    let recording = view::recording(&context.pool, id).await?.ok_or(ApiError::UnknownRecording(id))?;
    Ok(Json(recording).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Page {
    limit: Option<u32>,
    before: Option<Uuid>,
}

/// `GET /v1/recordings?limit=&before=`: newest first; `before` is the `next` of the answer before.
pub(crate) async fn list(State(context): State<Arc<Context>>, uri: Uri) -> Result<Response, ApiError> {
    let page: Page = problem::query(&uri)?;
    let limit = page.limit.unwrap_or(PAGE).clamp(1, LARGEST_PAGE) as usize;
    // One more than shown says whether there is a next page.
    let mut recordings = view::list(&context.pool, limit as i64 + 1, page.before).await?;
    let more = recordings.len() > limit;
    recordings.truncate(limit);
    let next = recordings.last().filter(|_| more).map(|last| last.id);
    Ok(Json(json!({ "recordings": recordings, "next": next })).into_response())
}

/// `POST /v1/recordings/{id}/reprocess`
pub(crate) async fn reprocess(
    State(context): State<Arc<Context>>,
    RecordingId(id): RecordingId,
) -> Result<Response, ApiError> {
    let run = thread::on_its_own(async move || change::reprocess(&context, id).await).await??;
    let run = run.ok_or(ApiError::UnknownRecording(id))?;
    tracing::info!(recording = %id, run, "will be processed again");
    let location = format!("/v1/recordings/{id}");
    let body = json!({ "id": id, "state": "queued", "run": run });
    Ok((StatusCode::ACCEPTED, [(header::LOCATION, location)], Json(body)).into_response())
}

/// `DELETE /v1/recordings/{id}`. A deletion that was cut short between rows and objects is finished by the next one.
pub(crate) async fn delete(
    State(context): State<Arc<Context>>,
    RecordingId(id): RecordingId,
) -> Result<StatusCode, ApiError> {
    let deleted = thread::on_its_own(async move || {
        let had_rows = change::delete(&context, id).await?;
        let objects = context.objects.delete_folder(&folder(id)).await?;
        Ok::<_, ApiError>(had_rows || objects > 0)
    });
    if !deleted.await?? {
        return Err(ApiError::UnknownRecording(id));
    }
    tracing::info!(recording = %id, "deleted");
    Ok(StatusCode::NO_CONTENT)
}
