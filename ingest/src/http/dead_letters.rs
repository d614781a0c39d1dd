//! Dead letters: the operator's calls.

use super::audit::Subject;
use super::json::{Given, wholes};
use super::openapi::Usual;
use super::parameter::Parameter;
use super::problem::{ApiError, Problem};
use super::query::{NoQuery, Query};
use super::shown::shown;
use crate::context::Context;
use crate::dead_letters::{self, DeadLetter, Replay};
use axum::extract::State;
use axum::http::header::{HeaderName, LOCATION};
use axum::http::{StatusCode, Uri};
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::Arc;
use utoipa::ToSchema;
use uuid::Uuid;

/// Letters in one answer, unless asked otherwise and at most.
const PAGE: u32 = 50;
const LARGEST_PAGE: u32 = 500;

/// A page of dead letters.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DeadLetterList {
    /// Newest first.
    dead_letters: Vec<DeadLetter>,
    /// What to give as `before` for the next page; null on the last.
    next: Option<i64>,
}

/// A dead letter with its message.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OpenedLetter {
    dead_letter: DeadLetter,
    /// The message; null where it cannot be read. Analyses are long and hold voice vectors, and are left out.
    #[schema(value_type = Option<Object>)]
    body: Option<Value>,
}

/// A dead letter whose message was sent again.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Replayed {
    recording: Uuid,
}

/// The dead letters to replay.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Many {
    /// Their numbers; 500 at most.
    #[schema(min_items = 1, max_items = 500)]
    #[serde(deserialize_with = "wholes")]
    letters: Vec<i64>,
}

/// What became of each.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ReplayedMany {
    /// Those whose message was sent again.
    replayed: Vec<ReplayedOne>,
    /// Those that could not be replayed, which stay as they are.
    refused: Vec<Refused>,
}

/// A dead letter whose message was sent again, among others.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ReplayedOne {
    letter: i64,
    recording: Uuid,
}

/// A dead letter that could not be replayed.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Refused {
    letter: i64,
    /// Why, and what to do.
    detail: String,
}

fn number(text: &str) -> Result<i64, ApiError> {
    text.parse().map_err(|_| ApiError::BadLetterId(shown(text)))
}

/// List dead letters, newest first
#[utoipa::path(
    get, path = "/v1/dead-letters", tag = "dead letters",
    params(
        ("limit" = Option<u32>, Query, maximum = 4294967295u32, description = "Letters in one answer: 50 unless asked otherwise, at most 500"),
        ("before" = Option<i64>, Query, description = "The `next` of the answer before"),
        ("recording" = Option<Uuid>, Query, description = "Only those of this recording")
    ),
    responses((status = 200, description = "A page of dead letters", body = DeadLetterList), Usual)
)]
pub(crate) async fn list(
    State(context): State<Arc<Context>>,
    uri: Uri,
) -> Result<Json<DeadLetterList>, ApiError> {
    let query = Query::read(&uri, &["limit", "before", "recording"])?;
    let limit = query.get("limit", "a whole number")?.unwrap_or(PAGE).clamp(1, LARGEST_PAGE) as usize;
    let before = query.get("before", "the `next` of an answer before, a number")?;
    let recording = query.get("recording", "the id of a recording")?;
    // One more than shown says whether there is a next page.
    let mut letters = dead_letters::list(&context.reads, limit as i64 + 1, before, recording).await?;
    let more = letters.len() > limit;
    letters.truncate(limit);
    let next = letters.last().filter(|_| more).map(|last| last.id);
    Ok(Json(DeadLetterList { dead_letters: letters, next }))
}

/// Show a dead letter with its message
#[utoipa::path(
    get, path = "/v1/dead-letters/{id}", tag = "dead letters", params(("id" = i64, Path, description = "Number of the letter")),
    responses(
        (status = 200, description = "The letter", body = OpenedLetter),
        (status = 404, description = "There is no such letter", body = Problem, content_type = "application/problem+json"),
        Usual
    )
)]
pub(crate) async fn show(
    State(context): State<Arc<Context>>,
    Parameter(id): Parameter<String>,
    NoQuery: NoQuery,
) -> Result<Json<OpenedLetter>, ApiError> {
    let id = number(&id)?;
    let letter = dead_letters::show(&context.reads, id).await?.ok_or(ApiError::UnknownLetter(id))?;
    let body = dead_letters::body(&context.reads, id).await?;
    Ok(Json(OpenedLetter { dead_letter: letter, body }))
}

/// Send a dead letter's message again
#[utoipa::path(
    post, path = "/v1/dead-letters/{id}/replay", tag = "dead letters", params(("id" = i64, Path, description = "Number of the letter")),
    responses(
        (status = 202, description = "It is sent", body = Replayed, headers(("Location" = String, description = "Address of its recording"))),
        (status = 404, description = "There is no such letter", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "It cannot be replayed; the detail says why", body = Problem, content_type = "application/problem+json"),
        Usual
    )
)]
pub(crate) async fn replay(
    State(context): State<Arc<Context>>,
    Parameter(id): Parameter<String>,
    NoQuery: NoQuery,
) -> Result<(StatusCode, [(HeaderName, String); 1], Json<Replayed>), ApiError> {
    let recording = replay_one(context, number(&id)?).await?;
    let location = format!("/v1/recordings/{recording}");
    Ok((StatusCode::ACCEPTED, [(LOCATION, location)], Json(Replayed { recording })))
}

/// Send the messages of many dead letters again
///
/// One after the other, each by itself: those that cannot be replayed do not keep the others back.
#[utoipa::path(
    post, path = "/v1/dead-letters/replay", tag = "dead letters", request_body = Many,
    responses((status = 200, description = "What became of each", body = ReplayedMany), Usual)
)]
pub(crate) async fn replay_many(
    State(context): State<Arc<Context>>,
    NoQuery: NoQuery,
    Given(many): Given<Many>,
) -> Result<(Extension<Subject>, Json<ReplayedMany>), ApiError> {
    let letters = many.map(|many| many.letters).unwrap_or_default();
    if letters.is_empty() || letters.len() > LARGEST_PAGE as usize {
        let wanted = format!("letters must name 1 to {LARGEST_PAGE} dead letters");
        return Err(ApiError::Body(wanted));
    }
    let mut answer = ReplayedMany { replayed: Vec::new(), refused: Vec::new() };
    for letter in letters {
        match replay_one(context.clone(), letter).await {
            Ok(recording) => answer.replayed.push(ReplayedOne { letter, recording }),
            Err(refused @ (ApiError::UnknownLetter(_) | ApiError::NotReplayable(..))) => {
                answer.refused.push(Refused { letter, detail: refused.to_string() });
            }
            // What is done is told all the same.
            Err(error) if !answer.replayed.is_empty() => {
                answer.refused.push(Refused { letter, detail: error.to_string() });
            }
            Err(error) => return Err(error),
        }
    }
    let sent: Vec<String> = answer.replayed.iter().map(|one| one.letter.to_string()).collect();
    let subject = (!sent.is_empty()).then(|| sent.join(", "));
    Ok((Extension(Subject(subject)), Json(answer)))
}

async fn replay_one(context: Arc<Context>, id: i64) -> Result<Uuid, ApiError> {
    let shared = context.clone();
    match context.changes.run_in_turn(async move || dead_letters::replay(&shared, id).await).await?? {
        Replay::Sent(recording) => {
            tracing::info!(%recording, letter = id, "replayed");
            Ok(recording)
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

/// Drop a dead letter for good
///
/// Its recording stays as it is.
#[utoipa::path(
    delete, path = "/v1/dead-letters/{id}", tag = "dead letters", params(("id" = i64, Path, description = "Number of the letter")),
    responses(
        (status = 204, description = "It is gone"),
        (status = 404, description = "There is no such letter", body = Problem, content_type = "application/problem+json"),
        Usual
    )
)]
pub(crate) async fn drop(
    State(context): State<Arc<Context>>,
    Parameter(id): Parameter<String>,
    NoQuery: NoQuery,
) -> Result<StatusCode, ApiError> {
    let id = number(&id)?;
    if !dead_letters::discard(&context, id).await? {
        return Err(ApiError::UnknownLetter(id));
    }
    tracing::info!(letter = id, "dead letter dropped");
    Ok(StatusCode::NO_CONTENT)
}
