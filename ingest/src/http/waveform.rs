//! Waveform: how loud a recording is, for whoever draws it.

use super::openapi::{NoRecording, Usual};
use super::problem::ApiError;
use super::query::Query;
use super::recordings::RecordingId;
use crate::context::Context;
use crate::decode::peaks::{self, PER_SECOND};
use crate::recordings::player;
use crate::recordings::view::duration;
use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use serde::Serialize;
use std::num::NonZeroU32;
use std::sync::Arc;
use utoipa::ToSchema;
use uuid::Uuid;

/// How loud a recording is.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Waveform {
    recording: Uuid,
    /// Its length; null until it is decoded.
    duration_seconds: Option<f64>,
    /// How many peaks there are for one second.
    peaks_per_second: f64,
    /// The largest sample of each such part, 0 to 255 (full scale); null until it is decoded, and of recordings that were decoded
    /// before this was kept.
    #[schema(value_type = Option<Vec<i32>>)]
    peaks: Option<Vec<u8>>,
}

/// How loud a recording is, for whoever draws it
#[utoipa::path(
    get, path = "/v1/recordings/{id}/waveform", tag = "recordings",
    params(
        RecordingId,
        ("points" = Option<u32>, Query, minimum = 1, maximum = 4294967295u32, description = "At most so many peaks; all, 20 per second, unless given")
    ),
    responses((status = 200, description = "The peaks", body = Waveform), NoRecording, Usual)
)]
pub(crate) async fn waveform(
    State(context): State<Arc<Context>>,
    RecordingId(id): RecordingId,
    uri: Uri,
) -> Result<Json<Waveform>, ApiError> {
    let points: Option<NonZeroU32> =
        Query::read(&uri, &["points"])?.get("points", "a whole number, 1 or more")?;
    let found = player::waveform(&context.reads, id).await?.ok_or(ApiError::UnknownRecording(id))?;
    let points = points.map_or(usize::MAX, |points| points.get() as usize);
    let fewer = found.peaks.map(|all| peaks::at_most(points, all));
    let each = fewer.as_ref().map_or(1, |(_, each)| *each);
    Ok(Json(Waveform {
        recording: id,
        duration_seconds: duration(found.samples),
        peaks_per_second: f64::from(PER_SECOND) / each as f64,
        peaks: fewer.map(|(peaks, _)| peaks),
    }))
}
