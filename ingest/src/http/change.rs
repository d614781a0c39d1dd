//! Change: cancelling a recording, and processing it again.

use super::changing;
use super::json::{Given, null_or};
use super::openapi::{NoRecording, Usual};
use super::options::{self, ChannelsWanted, OptionError};
use super::problem::{ApiError, Problem};
use super::query::NoQuery;
use super::recordings::RecordingId;
use crate::context::Context;
use crate::recordings::cancel::{self, Cancelling};
use crate::recordings::change::{self, Reprocessing};
use crate::recordings::state;
use crate::recordings::wanted::Wanted;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{HeaderName, LOCATION};
use diarization::similarity::Threshold;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;
use uuid::Uuid;

/// What a reprocessing is to do otherwise than the run before. A setting that is not named stays; null takes it back.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Reprocess {
    /// Probability from which two voices count as the same: lower merges more speakers, higher splits more.
    #[serde(deserialize_with = "null_or")]
    #[schema(value_type = Option<f64>, minimum = 0.01, maximum = 0.99)]
    threshold: Option<Option<f64>>,
    /// How many speakers there are; takes the place of `min_speakers` and `max_speakers`.
    #[serde(deserialize_with = "null_or")]
    #[schema(value_type = Option<u32>, minimum = 1, maximum = 100)]
    num_speakers: Option<Option<usize>>,
    #[serde(deserialize_with = "null_or")]
    #[schema(value_type = Option<u32>, minimum = 1, maximum = 100)]
    min_speakers: Option<Option<usize>>,
    #[serde(deserialize_with = "null_or")]
    #[schema(value_type = Option<u32>, minimum = 1, maximum = 100)]
    max_speakers: Option<Option<usize>>,
    /// How speakers are named: `numbered`, `interview`, or names with commas between.
    #[serde(deserialize_with = "null_or")]
    #[schema(value_type = Option<String>, min_length = 1)]
    labels: Option<Option<String>>,
    /// What is done with the channels of the file: `auto`, `mix` or `separate`. Another than before has all analysed anew.
    #[serde(deserialize_with = "null_or")]
    #[schema(value_type = Option<ChannelsWanted>)]
    channels: Option<Option<String>>,
    /// Which audio tracks of the file are heard: `default`, `all`, or the number of one. Another than before has all analysed anew.
    #[serde(deserialize_with = "null_or")]
    #[schema(value_type = Option<String>, min_length = 1)]
    tracks: Option<Option<String>>,
    analyse: Analyse,
}

/// Whether the chunks are analysed anew.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Analyse {
    /// Not where what is stored fits: all chunks analysed, and models and configuration still the same.
    #[default]
    Auto,
    /// In any case.
    Always,
}

/// Where a run gets its analyses from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Analyses {
    /// From what is stored.
    Reused,
    /// The upload is cut and analysed anew.
    Anew,
}

/// A recording that will be processed again.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Reprocessed {
    id: Uuid,
    state: state::State,
    /// Number of the new run.
    run: i32,
    analyses: Analyses,
}

/// A recording that is cancelled.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Cancelled {
    id: Uuid,
    state: state::State,
    /// Raised with the cancelling.
    run: i32,
}

impl Reprocess {
    fn wanted(self) -> Result<Wanted, OptionError> {
        let threshold = match self.threshold {
            Some(Some(number)) => Some(Some(Threshold::try_from(number)?)),
            other => other.map(|_| None),
        };
        let labels = match self.labels {
            Some(Some(text)) => Some(Some(text.parse()?)),
            other => other.map(|_| None),
        };
        let channels = match self.channels {
            Some(Some(word)) => Some(Some(options::channels(&word)?)),
            other => other.map(|_| None),
        };
        let tracks = match self.tracks {
            Some(Some(word)) => Some(Some(options::tracks(&word)?)),
            other => other.map(|_| None),
        };
        Ok(Wanted {
            threshold,
            num_speakers: self.num_speakers,
            min_speakers: self.min_speakers,
            max_speakers: self.max_speakers,
            labels,
            channels,
            tracks,
            always: self.analyse == Analyse::Always,
        })
    }
}

/// Process a recording again
///
/// With the models of today, and with other settings if the body says so. Where models and configuration are still those of the run before
/// and it did not fail, its analyses are used again, and the answer is there in seconds. Turns and voice vectors stay until the new run replaces them.
#[utoipa::path(
    post, path = "/v1/recordings/{id}/reprocess", tag = "recordings", params(RecordingId),
    request_body(content = Option<Reprocess>, description = "What is to be different; may be left out"),
    responses(
        (status = 202, description = "It will be", body = Reprocessed, headers(("Location" = String, description = "Address of the recording"))),
        (status = 409, description = "Something else is changing the recording; try again in a moment", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "The body is not JSON", body = Problem, content_type = "application/problem+json"),
        NoRecording, Usual
    )
)]
pub(crate) async fn reprocess(
    State(context): State<Arc<Context>>,
    RecordingId(id): RecordingId,
    NoQuery: NoQuery,
    Given(body): Given<Reprocess>,
) -> Result<(StatusCode, [(HeaderName, String); 1], Json<Reprocessed>), ApiError> {
    let wanted = body.unwrap_or_default().wanted()?;
    let shared = context.clone();
    let outcome =
        changing::change(&context, id, async move || change::reprocess(&shared, id, &wanted).await).await?;
    let (run, analyses) = match outcome {
        Reprocessing::Begun { run, reused: true } => (run, Analyses::Reused),
        Reprocessing::Begun { run, reused: false } => (run, Analyses::Anew),
        Reprocessing::Unknown => return Err(ApiError::UnknownRecording(id)),
        Reprocessing::Refused(error) => return Err(OptionError::Hints(error).into()),
    };
    tracing::info!(recording = %id, run, ?analyses, "will be processed again");
    let location = format!("/v1/recordings/{id}");
    let body = Reprocessed { id, state: state::State::Queued, run, analyses };
    Ok((StatusCode::ACCEPTED, [(LOCATION, location)], Json(body)))
}

/// Cancel a recording in work
///
/// What is shown of it stays; reprocessing takes it up again. One that is cancelled already stays so.
#[utoipa::path(
    post, path = "/v1/recordings/{id}/cancel", tag = "recordings", params(RecordingId),
    responses(
        (status = 200, description = "It is cancelled", body = Cancelled),
        (status = 409, description = "It is completed or has failed, or something else is changing it", body = Problem, content_type = "application/problem+json"),
        NoRecording, Usual
    )
)]
pub(crate) async fn cancel(
    State(context): State<Arc<Context>>,
    RecordingId(id): RecordingId,
    NoQuery: NoQuery,
) -> Result<Json<Cancelled>, ApiError> {
    let shared = context.clone();
    match changing::change(&context, id, async move || cancel::cancel(&shared, id).await).await? {
        Cancelling::Cancelled(run) => {
            tracing::info!(recording = %id, run, "cancelled");
            tokio::spawn(async move { cancel::clear(&context, id, run).await });
            Ok(Json(Cancelled { id, state: state::State::Cancelled, run }))
        }
        Cancelling::Ended(state) => Err(ApiError::NotInWork(id, state)),
        Cancelling::Unknown => Err(ApiError::UnknownRecording(id)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use diarization::channels::Channels;
    use diarization::tracks::Tracks;

    fn wanted(body: &str) -> Result<Wanted, String> {
        let body: Reprocess = serde_json::from_str(body).map_err(|error| error.to_string())?;
        body.wanted().map_err(|error| error.to_string())
    }

    #[test]
    fn a_setting_is_given_taken_back_or_not_named() {
        assert_eq!(wanted("{}"), Ok(Wanted::default()));
        let some = wanted(
            r#"{"num_speakers": 2, "threshold": null, "labels": "Ann,Bob", "channels": "mix", "tracks": "all", "analyse": "always"}"#,
        );
        let some = some.expect("is read");
        assert_eq!((some.channels, some.tracks), (Some(Some(Channels::Mix)), Some(Some(Tracks::All))));
        assert_eq!(wanted(r#"{"channels": null}"#).expect("is read").channels, Some(None));
        assert_eq!((some.num_speakers, some.threshold, some.always), (Some(Some(2)), Some(None), true));
        assert!(some.labels.is_some_and(|labels| labels.is_some()));
    }

    #[test]
    fn what_cannot_be_used_is_refused_by_name() {
        assert!(wanted(r#"{"speakers": 2}"#).is_err_and(|why| why.contains("`speakers`")));
        assert!(wanted(r#"{"threshold": 75}"#).is_err_and(|why| why.contains("between 0.01 and 0.99")));
        assert!(wanted(r#"{"channels": "stereo"}"#).is_err_and(|why| why.contains("auto, mix or separate")));
        assert!(wanted(r#"{"analyse": "never"}"#).is_err_and(|why| why.contains("`always`")));
        assert!(wanted(r#"{"labels": "Ann,,Bob"}"#).is_err_and(|why| why.contains("interview")));
    }
}
