//! Operations: the operator's overview, and pausing and resuming queues.

use super::auth::Caller;
use super::openapi::Usual;
use super::parameter::Parameter;
use super::problem::{ApiError, Problem};
use super::query::NoQuery;
use super::shown::shown;
use crate::context::Context;
use crate::operations::history::{self, Sample};
use crate::operations::{self, overview::Overview, queues};
use axum::extract::State;
use axum::{Extension, Json};
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// A queue after it was paused or resumed.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct QueueState {
    /// Name.
    pub name: String,
    /// Whether nothing is taken from it.
    pub paused: bool,
}

/// The last hour.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct History {
    /// A sample for each minute, oldest first; none for minutes in which no ingest was there.
    pub samples: Vec<Sample>,
}

/// Show the last hour
///
/// Backlog, throughput and workers, minute by minute.
#[utoipa::path(
    get, path = "/v1/operations/history", tag = "operations",
    responses((status = 200, description = "The last hour", body = History), Usual)
)]
pub(crate) async fn history(
    State(context): State<Arc<Context>>,
    NoQuery: NoQuery,
) -> Result<Json<History>, ApiError> {
    Ok(Json(History { samples: history::of_the_last_hour(&context.reads).await? }))
}

/// Show everything at a glance
///
/// What is wrong, what waits and for how long, how fast it goes, the workers, the queues, the recordings in work and when they will be done, how sure the
/// latest results are, and what has failed.
#[utoipa::path(
    get, path = "/v1/operations", tag = "operations",
    responses((status = 200, description = "The overview", body = Overview), Usual)
)]
pub(crate) async fn overview(
    State(context): State<Arc<Context>>,
    NoQuery: NoQuery,
) -> Result<Json<Overview>, ApiError> {
    Ok(Json(operations::overview(&context).await?))
}

/// Pause a queue
///
/// Nothing more is taken from it, by anybody, until it is resumed. What is in hand is finished.
#[utoipa::path(
    post, path = "/v1/queues/{name}/pause", tag = "operations", params(("name" = String, Path, description = "Name of the queue")),
    responses(
        (status = 200, description = "The queue as it is now", body = QueueState),
        (status = 404, description = "There is no such queue", body = Problem, content_type = "application/problem+json"),
        Usual
    )
)]
pub(crate) async fn pause(
    State(context): State<Arc<Context>>,
    Extension(caller): Extension<Caller>,
    Parameter(name): Parameter<String>,
    NoQuery: NoQuery,
) -> Result<Json<QueueState>, ApiError> {
    known(&context, &name).await?;
    queues::pause(&context, &name, &caller.0).await?;
    tracing::info!(queue = name, "paused");
    Ok(Json(QueueState { name, paused: true }))
}

/// Resume a queue
///
/// What waits on it is worked off again.
#[utoipa::path(
    post, path = "/v1/queues/{name}/resume", tag = "operations", params(("name" = String, Path, description = "Name of the queue")),
    responses(
        (status = 200, description = "The queue as it is now", body = QueueState),
        (status = 404, description = "There is no such queue", body = Problem, content_type = "application/problem+json"),
        Usual
    )
)]
pub(crate) async fn resume(
    State(context): State<Arc<Context>>,
    Parameter(name): Parameter<String>,
    NoQuery: NoQuery,
) -> Result<Json<QueueState>, ApiError> {
    known(&context, &name).await?;
    queues::resume(&context, &name).await?;
    tracing::info!(queue = name, "resumed");
    Ok(Json(QueueState { name, paused: false }))
}

async fn known(context: &Context, name: &str) -> Result<(), ApiError> {
    let known = queues::pausable(context).await?;
    if known.contains(name) {
        return Ok(());
    }
    let names: Vec<String> = known.into_iter().collect();
    Err(ApiError::UnknownQueue(shown(name), names.join(", ")))
}
