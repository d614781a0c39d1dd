//! Checks: a person has listened to a turn and found it right.

use super::changing;
use super::json::{Given, whole};
use super::openapi::Usual;
use super::problem::{ApiError, Problem};
use super::query::NoQuery;
use super::recordings::RecordingId;
use super::shown::shown;
use crate::context::Context;
use crate::recordings::checks::{self, Checked, Outcome};
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;

/// A turn, and whether it is right.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Check {
    /// First frame of the turn, as the recording's turns show it.
    #[serde(deserialize_with = "whole")]
    first_frame: u32,
    /// One past its last frame.
    #[serde(deserialize_with = "whole")]
    end_frame: u32,
    /// Label of its speaker.
    speaker: String,
    /// True where it is right as it is shown, false to take that back.
    checked: bool,
}

/// How far a review has come.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Review {
    /// Turns of the recording that are checked.
    checked: i64,
}

/// Note that a turn was checked
///
/// Turns show it as `checked`. It is kept with the recording, and holds for the turn as long as its speaker is the same.
#[utoipa::path(
    put, path = "/v1/recordings/{id}/checks", tag = "recordings", params(RecordingId),
    request_body = Check,
    responses(
        (status = 200, description = "It is noted", body = Review),
        (status = 409, description = "The recording is not completed", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "The body is not JSON", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is no such recording or turn", body = Problem, content_type = "application/problem+json"),
        Usual
    )
)]
pub(crate) async fn check(
    State(context): State<Arc<Context>>,
    RecordingId(id): RecordingId,
    NoQuery: NoQuery,
    Given(check): Given<Check>,
) -> Result<Json<Review>, ApiError> {
    let Check { first_frame, end_frame, speaker, checked } =
        check.ok_or_else(|| ApiError::Body("there is none; say which turn is checked".to_owned()))?;
    let unknown = ApiError::NoSuchTurn(shown(&speaker), first_frame, end_frame);
    let (Ok(first_frame), Ok(end_frame)) = (first_frame.try_into(), end_frame.try_into()) else {
        return Err(unknown);
    };
    // No label has one, and Postgres takes none.
    if speaker.contains('\0') {
        return Err(unknown);
    }
    let turn = Checked { first_frame, end_frame, label: speaker };
    let shared = context.clone();
    let noted =
        changing::change(&context, id, async move || checks::check(&shared, id, &turn, checked).await)
            .await?;
    match noted {
        Outcome::Noted(checked) => Ok(Json(Review { checked })),
        Outcome::Unknown => Err(ApiError::UnknownRecording(id)),
        Outcome::NotCompleted(state) => Err(ApiError::NotCompleted(state)),
        Outcome::NoSuchTurn => Err(unknown),
    }
}
