//! Dead letters: the operator's calls.

use super::problem::ApiError;
use super::query::{NoQuery, Query};
use super::shown::shown;
use crate::context::Context;
use crate::dead_letters::{self, Replay};
use crate::thread;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use std::sync::Arc;

/// Letters in one answer, unless asked otherwise and at most.
const PAGE: u32 = 50;
const LARGEST_PAGE: u32 = 500;

fn number(text: &str) -> Result<i64, ApiError> {
    text.parse().map_err(|_| ApiError::BadLetterId(shown(text)))
}

/// `GET /v1/dead-letters?limit=&before=&recording=`: newest first; `before` is the `next` of the answer before.
pub(crate) async fn list(State(context): State<Arc<Context>>, uri: Uri) -> Result<Response, ApiError> {
    let query = Query::read(&uri, &["limit", "before", "recording"])?;
    let limit = query.get("limit", "a whole number")?.unwrap_or(PAGE).clamp(1, LARGEST_PAGE) as usize;
    let before = query.get("before", "the `next` of an answer before, a number")?;
    let recording = query.get("recording", "the id of a recording")?;
    // One more than shown says whether there is a next page.
    let mut letters = dead_letters::list(&context.pool, limit as i64 + 1, before, recording).await?;
    let more = letters.len() > limit;
    letters.truncate(limit);
    let next = letters.last().filter(|_| more).map(|last| last.id);
    Ok(Json(json!({ "dead_letters": letters, "next": next })).into_response())
}

/// `GET /v1/dead-letters/{id}`
pub(crate) async fn show(
    State(context): State<Arc<Context>>,
    Path(id): Path<String>,
    NoQuery: NoQuery,
) -> Result<Response, ApiError> {
    let id = number(&id)?;
    let letter = dead_letters::show(&context.pool, id).await?.ok_or(ApiError::UnknownLetter(id))?;
    let body = dead_letters::body(&context.pool, id).await?;
    Ok(Json(json!({ "dead_letter": letter, "body": body })).into_response())
}

/// `POST /v1/dead-letters/{id}/replay`
pub(crate) async fn replay(
    State(context): State<Arc<Context>>,
    Path(id): Path<String>,
    NoQuery: NoQuery,
) -> Result<Response, ApiError> {
    let id = number(&id)?;
    match thread::on_its_own(async move || dead_letters::replay(&context, id).await).await?? {
        Replay::Sent(recording) => {
            tracing::info!(%recording, letter = id, "replayed");
            let location = format!("/v1/recordings/{recording}");
            let body = json!({ "recording": recording });
            Ok((StatusCode::ACCEPTED, [(header::LOCATION, location)], Json(body)).into_response())
        }
        Replay::Unknown => Err(ApiError::UnknownLetter(id)),
        Replay::NoRecording => Err(ApiError::NotReplayable(
            id,
            "it is about no recording that could be read in it; drop it".to_owned(),
        )),
        Replay::Stale => Err(ApiError::NotReplayable(
            id,
            "its recording has been reprocessed since, and nothing waits for it; drop it".to_owned(),
        )),
        Replay::Cleared => Err(ApiError::NotReplayable(
            id,
            "the chunks of its recording are no longer stored; reprocess the recording, and drop it"
                .to_owned(),
        )),
    }
}

/// `DELETE /v1/dead-letters/{id}`
pub(crate) async fn drop(
    State(context): State<Arc<Context>>,
    Path(id): Path<String>,
    NoQuery: NoQuery,
) -> Result<StatusCode, ApiError> {
    let id = number(&id)?;
    if !dead_letters::discard(&context, id).await? {
        return Err(ApiError::UnknownLetter(id));
    }
    tracing::info!(letter = id, "dead letter dropped");
    Ok(StatusCode::NO_CONTENT)
}
