//! Recordings: showing, listing, renaming and deleting them.

use super::changing;
use super::json::Given;
use super::openapi::{NoRecording, Usual};
use super::options::{self, OptionError};
use super::problem::{ApiError, Problem};
use super::query::{NoQuery, Query};
use super::shown::shown;
use crate::context::Context;
use crate::recordings::filter::Filter;
use crate::recordings::state::State as Stands;
use crate::recordings::title;
use crate::recordings::view::{self, Recording, Summary};
use crate::upkeep::erasure::{self, Erased};
use axum::Json;
use axum::extract::{FromRequestParts, Path, State};
use axum::http::request::Parts;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Datelike, Utc};
use serde::{Deserialize, Serialize};
use std::str::FromStr;
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

/// Recordings in one answer, unless asked otherwise and at most.
const PAGE: u32 = 50;
const LARGEST_PAGE: u32 = 500;

/// Values of `state`, for error messages.
const STATES: &str = "one or several of queued, processing, completed, completed_with_gaps, failed and cancelled, with commas between";

/// Names of states with commas between.
struct States(Vec<String>);

impl FromStr for States {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let name = |name: &str| name.parse().map(|state: Stands| state.name().to_owned());
        text.split(',').map(name).collect::<Result<_, _>>().map(Self)
    }
}

/// A time of the years 1 to 9999: others have no place in RFC 3339, nor all of them in the database.
struct Moment(DateTime<Utc>);

impl FromStr for Moment {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let moment: DateTime<Utc> = text.parse().map_err(|_| ())?;
        (1..=9999).contains(&moment.year()).then_some(Self(moment)).ok_or(())
    }
}

/// The id in the address.
#[derive(IntoParams)]
#[into_params(names("id"), parameter_in = Path)]
pub(crate) struct RecordingId(
    /// Id of a recording.
    pub Uuid,
);

/// A page of recordings.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RecordingList {
    /// Newest first.
    recordings: Vec<Summary>,
    /// What to give as `before` for the next page; null on the last.
    next: Option<Uuid>,
}

/// A recording that is gone but for its audio.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Erasing {
    id: Uuid,
    #[schema(pattern = "^erasing$")]
    state: &'static str,
    detail: &'static str,
}

impl<S: Send + Sync> FromRequestParts<S> for RecordingId {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let text =
            Path::<String>::from_request_parts(parts, state).await.map(|Path(text)| text).unwrap_or_default();
        text.parse().map(Self).map_err(|_| ApiError::BadId(shown(&text)))
    }
}

/// Show a recording
#[utoipa::path(
    get, path = "/v1/recordings/{id}", tag = "recordings", params(RecordingId),
    responses((status = 200, description = "The recording", body = Recording), NoRecording, Usual)
)]
pub(crate) async fn show(
    State(context): State<Arc<Context>>,
    RecordingId(id): RecordingId,
    NoQuery: NoQuery,
) -> Result<Json<Recording>, ApiError> {
    let recording = view::recording(&context.reads, id).await?.ok_or(ApiError::UnknownRecording(id))?;
    Ok(Json(recording))
}

/// What is to be changed of a recording.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Edit {
    /// The title: at most 300 characters.
    #[schema(min_length = 1, max_length = 300)]
    title: String,
}

/// Change a recording's title
#[utoipa::path(
    patch, path = "/v1/recordings/{id}", tag = "recordings", params(RecordingId),
    request_body = Edit,
    responses(
        (status = 200, description = "The recording as it is now", body = Recording),
        (status = 415, description = "The body is not JSON", body = Problem, content_type = "application/problem+json"),
        NoRecording, Usual
    )
)]
pub(crate) async fn edit(
    State(context): State<Arc<Context>>,
    RecordingId(id): RecordingId,
    NoQuery: NoQuery,
    Given(edit): Given<Edit>,
) -> Result<Json<Recording>, ApiError> {
    let edit = edit.ok_or_else(|| ApiError::Body("there is none; say what to change".to_owned()))?;
    let title = options::title(&edit.title)?.ok_or(OptionError::NoTitle)?;
    let shared = context.clone();
    if !changing::change(&context, id, async move || title::change(&shared, id, &title).await).await? {
        return Err(ApiError::UnknownRecording(id));
    }
    let recording = view::recording(&context.reads, id).await?.ok_or(ApiError::UnknownRecording(id))?;
    Ok(Json(recording))
}

/// List recordings, newest first
#[utoipa::path(
    get, path = "/v1/recordings", tag = "recordings",
    params(
        ("limit" = Option<u32>, Query, maximum = 4294967295u32, description = "Recordings in one answer: 50 unless asked otherwise, at most 500"),
        ("before" = Option<Uuid>, Query, description = "The `next` of the answer before"),
        ("state" = Option<Vec<Stands>>, Query, style = Form, explode = false, min_items = 1, description = "Only those in one of these states"),
        ("title" = Option<String>, Query, description = "Only those with this in the title, in whatever case"),
        ("created_after" = Option<DateTime<Utc>>, Query, description = "Only those uploaded later"),
        ("created_before" = Option<DateTime<Utc>>, Query, description = "Only those uploaded earlier")
    ),
    responses((status = 200, description = "A page of recordings", body = RecordingList), Usual)
)]
pub(crate) async fn list(
    State(context): State<Arc<Context>>,
    uri: Uri,
) -> Result<Json<RecordingList>, ApiError> {
    let query = Query::read(&uri, &["limit", "before", "state", "title", "created_after", "created_before"])?;
    let limit = query.get("limit", "a whole number")?.unwrap_or(PAGE).clamp(1, LARGEST_PAGE) as usize;
    let time = "a time such as 2026-01-31T12:00:00Z";
    let filter = Filter {
        before: query.get("before", "the `next` of an answer before, an id")?,
        states: query.get("state", STATES)?.map(|States(states)| states),
        title: query.get("title", "text")?,
        created_after: query.get("created_after", time)?.map(|Moment(moment)| moment),
        created_before: query.get("created_before", time)?.map(|Moment(moment)| moment),
    };
    // One more than shown says whether there is a next page.
    let mut recordings = view::list(&context.reads, limit as i64 + 1, &filter).await?;
    let more = recordings.len() > limit;
    recordings.truncate(limit);
    let next = recordings.last().filter(|_| more).map(|last| last.id);
    Ok(Json(RecordingList { recordings, next }))
}

/// Delete a recording with its audio, turns and voice vectors
#[utoipa::path(
    delete, path = "/v1/recordings/{id}", tag = "recordings", params(RecordingId),
    responses(
        (status = 204, description = "Nothing is left of it"),
        (status = 202, description = "The rows are gone; the audio goes as soon as the object store allows it", body = Erasing),
        (status = 409, description = "Something else is changing it; try again in a moment", body = Problem, content_type = "application/problem+json"),
        NoRecording, Usual
    )
)]
pub(crate) async fn delete(
    State(context): State<Arc<Context>>,
    RecordingId(id): RecordingId,
    NoQuery: NoQuery,
) -> Result<Response, ApiError> {
    let _turn = context.one_at_a_time.turn(id).await?;
    let shared = context.clone();
    match context.erasures.run_in_turn(async move || erasure::erase(&shared, id).await).await?? {
        Erased::Gone => Ok(StatusCode::NO_CONTENT.into_response()),
        Erased::Pending => {
            let detail = "the object store cannot be reached; what is stored of it goes once it can";
            let body = Erasing { id, state: "erasing", detail };
            Ok((StatusCode::ACCEPTED, Json(body)).into_response())
        }
        Erased::Unknown => Err(ApiError::UnknownRecording(id)),
    }
}
