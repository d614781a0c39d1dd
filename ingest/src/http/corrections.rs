//! Corrections: a person says who is who, and takes it back.

use super::json::{Given, whole};
use super::openapi::{NoRecording, Usual};
use super::problem::{ApiError, Problem};
use super::query::NoQuery;
use super::recordings::RecordingId;
use super::shown::shown;
use crate::context::Context;
use crate::recordings::corrections::{self, Change, Outcome};
use crate::recordings::view::milliseconds_of;
use axum::Json;
use axum::extract::{FromRequestParts, Path, State};
use axum::http::request::Parts;
use chrono::{DateTime, Utc};
use diarization::blocks::{frame_start_seconds, nearest_frame};
use diarization::corrections::{
    self as corrections_of, Correction, Newcomer, Request, Spoken, Target, To, TurnShown,
};
use results::corrections::Stored;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

/// What a person says of a recording.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum NewCorrection {
    /// A speaker is called by another name.
    Rename {
        /// Label of the speaker.
        speaker: String,
        /// The name: 1 to 80 printable characters, and no other speaker's.
        name: String,
    },
    /// Two speakers are one.
    Merge {
        /// Label of the one.
        speaker: String,
        /// Label of the other, which both have then.
        into: String,
    },
    /// A turn is another speaker's.
    Move {
        /// First frame of the turn, as the recording's turns show it.
        #[serde(deserialize_with = "whole")]
        first_frame: u32,
        /// One past its last frame.
        #[serde(deserialize_with = "whole")]
        end_frame: u32,
        /// Label of the speaker whom it is shown under.
        speaker: String,
        /// Whose it is.
        to: Whose,
    },
    /// A turn is two, one after the other.
    Split {
        /// First frame of the turn, as the recording's turns show it.
        #[serde(deserialize_with = "whole")]
        first_frame: u32,
        /// One past its last frame.
        #[serde(deserialize_with = "whole")]
        end_frame: u32,
        /// Label of the speaker whom it is shown under.
        speaker: String,
        /// Seconds from the start of the recording at which the second begins.
        #[schema(minimum = 0)]
        at: f64,
    },
    /// A turn begins or ends elsewhere.
    Border {
        /// First frame of the turn, as the recording's turns show it.
        #[serde(deserialize_with = "whole")]
        first_frame: u32,
        /// One past its last frame.
        #[serde(deserialize_with = "whole")]
        end_frame: u32,
        /// Label of the speaker whom it is shown under.
        speaker: String,
        /// Which end of it.
        edge: Edge,
        /// Seconds from the start of the recording at which it is to begin or end.
        #[schema(minimum = 0)]
        at: f64,
    },
    /// A turn is no speech, and goes.
    Remove {
        /// First frame of the turn, as the recording's turns show it.
        #[serde(deserialize_with = "whole")]
        first_frame: u32,
        /// One past its last frame.
        #[serde(deserialize_with = "whole")]
        end_frame: u32,
        /// Label of the speaker whom it is shown under.
        speaker: String,
    },
    /// A turn was missed.
    Add {
        /// Seconds from the start of the recording.
        #[schema(minimum = 0)]
        start: f64,
        /// Seconds from the start of the recording.
        #[schema(minimum = 0)]
        end: f64,
        /// Whose it is; `similar` says nothing here.
        speaker: Whose,
    },
}

/// An end of a turn.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Edge {
    /// Where it begins.
    Start,
    /// Where it ends.
    End,
}

/// Whose a turn is: the label of a speaker, or a new one.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(
    untagged,
    expecting = "`to` must be a speaker's label, or {\"new\": NAME}, with \"similar\": true where what sounds like it goes along"
)]
pub(crate) enum Whose {
    /// Label of a speaker of the recording.
    Label(String),
    /// A speaker whom nobody has told apart so far.
    New(NewSpeaker),
}

/// A new speaker.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewSpeaker {
    /// Name: 1 to 80 printable characters, and no other speaker's.
    new: String,
    /// Whether what else of the speaker sounds more like the turn than like the rest goes along.
    #[serde(default)]
    #[schema(default = false)]
    similar: bool,
}

/// What was said, with the labels of that moment.
#[derive(Debug, Serialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum Said {
    /// A speaker is called by another name.
    Rename {
        /// Label that the speaker had.
        speaker: String,
        /// The name.
        name: String,
    },
    /// Two speakers are one.
    Merge {
        /// Label of the one.
        speaker: String,
        /// Label of the other.
        into: String,
    },
    /// A turn is another speaker's.
    Move {
        /// First frame of the turn.
        first_frame: u32,
        /// One past its last frame.
        end_frame: u32,
        /// Label of the speaker whom it was shown under.
        speaker: String,
        /// Whose it is.
        to: Whose,
    },
    /// A turn is two, one after the other.
    Split {
        /// First frame of the turn, as it was then.
        first_frame: u32,
        /// One past its last frame.
        end_frame: u32,
        /// Label of the speaker whom it was shown under.
        speaker: String,
        /// Seconds from the start of the recording at which the second begins.
        #[schema(minimum = 0)]
        at: f64,
    },
    /// A turn begins or ends elsewhere.
    Border {
        /// First frame of the turn, as it was then.
        first_frame: u32,
        /// One past its last frame.
        end_frame: u32,
        /// Label of the speaker whom it was shown under.
        speaker: String,
        /// Which end of it.
        edge: Edge,
        /// Seconds from the start of the recording at which it is to begin or end.
        #[schema(minimum = 0)]
        at: f64,
    },
    /// A turn is no speech, and goes.
    Remove {
        /// First frame of the turn, as it was then.
        first_frame: u32,
        /// One past its last frame.
        end_frame: u32,
        /// Label of the speaker whom it was shown under.
        speaker: String,
    },
    /// A turn was missed.
    Add {
        /// Seconds from the start of the recording.
        #[schema(minimum = 0)]
        start: f64,
        /// Seconds from the start of the recording.
        #[schema(minimum = 0)]
        end: f64,
        /// Whose it is; `similar` says nothing here.
        speaker: Whose,
    },
}

/// A correction.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ShownCorrection {
    /// Its number in the recording; they are applied in this order.
    number: i32,
    #[serde(flatten)]
    said: Said,
    /// False where the speech that it is about was no longer found when the recording was processed again.
    applied: bool,
    created_at: DateTime<Utc>,
}

/// The corrections of a recording.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CorrectionList {
    /// Oldest first.
    corrections: Vec<ShownCorrection>,
}

impl From<Whose> for To {
    fn from(whose: Whose) -> Self {
        match whose {
            Whose::Label(label) => Self::Label(label),
            Whose::New(NewSpeaker { new, similar }) => Self::New(Newcomer { name: new, similar }),
        }
    }
}

impl From<Target> for Whose {
    fn from(target: Target) -> Self {
        match target {
            Target::Known(anchor) => Self::Label(anchor.label),
            Target::New(Newcomer { name, similar }) => Self::New(NewSpeaker { new: name, similar }),
        }
    }
}

/// The frame that begins nearest to a time in seconds.
fn frame_at(seconds: f64) -> u32 {
    u32::try_from(nearest_frame(seconds)).unwrap_or(u32::MAX)
}

/// Begin of a frame in seconds, as turns show it.
fn seconds_at(frame: u32) -> f64 {
    milliseconds_of(frame_start_seconds(frame as usize))
}

impl From<NewCorrection> for Request {
    fn from(new: NewCorrection) -> Self {
        match new {
            NewCorrection::Rename { speaker, name } => Self::Rename { speaker, name },
            NewCorrection::Merge { speaker, into } => Self::Merge { speaker, into },
            NewCorrection::Move { first_frame, end_frame, speaker, to } => {
                Self::Move { turn: TurnShown { first_frame, end_frame, speaker }, to: to.into() }
            }
            NewCorrection::Split { first_frame, end_frame, speaker, at } => {
                Self::Split { turn: TurnShown { first_frame, end_frame, speaker }, at_frame: frame_at(at) }
            }
            NewCorrection::Border { first_frame, end_frame, speaker, edge, at } => Self::Border {
                turn: TurnShown { first_frame, end_frame, speaker },
                edge: match edge {
                    Edge::Start => corrections_of::Edge::Start,
                    Edge::End => corrections_of::Edge::End,
                },
                at_frame: frame_at(at),
            },
            NewCorrection::Remove { first_frame, end_frame, speaker } => {
                Self::Remove { turn: TurnShown { first_frame, end_frame, speaker } }
            }
            NewCorrection::Add { start, end, speaker } => {
                Self::Add { first_frame: frame_at(start), end_frame: frame_at(end), to: speaker.into() }
            }
        }
    }
}

impl From<Correction> for Said {
    fn from(correction: Correction) -> Self {
        match correction {
            Correction::Rename { speaker, name } => Self::Rename { speaker: speaker.label, name },
            Correction::Merge { speaker, into } => Self::Merge { speaker: speaker.label, into: into.label },
            Correction::Move { first_frame, end_frame, speaker, to, .. } => {
                Self::Move { first_frame, end_frame, speaker: speaker.label, to: to.into() }
            }
            Correction::Split { turn: Spoken { first_frame, end_frame, speaker, .. }, at_frame } => {
                Self::Split { first_frame, end_frame, speaker: speaker.label, at: seconds_at(at_frame) }
            }
            Correction::Border { turn: Spoken { first_frame, end_frame, speaker, .. }, edge, at_frame } => {
                let edge = match edge {
                    corrections_of::Edge::Start => Edge::Start,
                    corrections_of::Edge::End => Edge::End,
                };
                let at = seconds_at(at_frame);
                Self::Border { first_frame, end_frame, speaker: speaker.label, edge, at }
            }
            Correction::Remove { turn: Spoken { first_frame, end_frame, speaker, .. } } => {
                Self::Remove { first_frame, end_frame, speaker: speaker.label }
            }
            Correction::Add { first_frame, end_frame, to } => {
                Self::Add { start: seconds_at(first_frame), end: seconds_at(end_frame), speaker: to.into() }
            }
        }
    }
}

fn as_list(stored: Vec<Stored>) -> Json<CorrectionList> {
    let shown = |it: Stored| ShownCorrection {
        number: it.number,
        said: it.made.correction.into(),
        applied: it.applied,
        created_at: it.created_at,
    };
    Json(CorrectionList { corrections: stored.into_iter().map(shown).collect() })
}

/// A correction's number in the address.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct CorrectionNumber {
    /// Id of a recording.
    id: Uuid,
    /// Number of the correction, as the list shows it.
    #[param(minimum = 1, maximum = 2147483647)]
    number: i32,
}

impl<S: Send + Sync> FromRequestParts<S> for CorrectionNumber {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let path = Path::<(String, String)>::from_request_parts(parts, state).await;
        let (id, number) = path.map(|Path(path)| path).unwrap_or_default();
        let id = id.parse().map_err(|_| ApiError::BadId(shown(&id)))?;
        match number.parse() {
            Ok(number) if number > 0 => Ok(Self { id, number }),
            _ => Err(ApiError::BadCorrectionNumber(shown(&number))),
        }
    }
}

async fn change(context: Arc<Context>, id: Uuid, change: Change) -> Result<Json<CorrectionList>, ApiError> {
    // Whoever finds no place hears so at once, and whoever is gone gives theirs up.
    let place = context.corrections.place().ok_or(ApiError::BusyCorrections)?;
    let _turn = context.one_at_a_time.turn(id).await?;
    let shared = context.clone();
    let outcome = context
        .corrections
        .run(place, async move || corrections::change(&shared, id, &change).await)
        .await??;
    match outcome {
        Outcome::Done(stored) => Ok(as_list(stored)),
        Outcome::Unknown => Err(ApiError::UnknownRecording(id)),
        Outcome::NotCompleted(state) => Err(ApiError::NotCompleted(state)),
        Outcome::Refused(refusal) => Err(ApiError::Refused(refusal)),
        Outcome::NotLast(last) => Err(ApiError::NotTheLastCorrection(last)),
        Outcome::TooMany(most) => Err(ApiError::TooManyCorrections(most)),
        Outcome::Unusable(why) => Err(ApiError::NotCorrectable(why)),
    }
}

/// List what people corrected
#[utoipa::path(
    get, path = "/v1/recordings/{id}/corrections", tag = "recordings", params(RecordingId),
    responses((status = 200, description = "The corrections", body = CorrectionList), NoRecording, Usual)
)]
pub(crate) async fn list(
    State(context): State<Arc<Context>>,
    RecordingId(id): RecordingId,
    NoQuery: NoQuery,
) -> Result<Json<CorrectionList>, ApiError> {
    Ok(as_list(corrections::list(&context.reads, id).await?.ok_or(ApiError::UnknownRecording(id))?))
}

/// Correct a recording
///
/// Rename a speaker, make two speakers one, give a turn to another speaker; split a turn, move one of its ends, remove it, or add one that was
/// missed. Several turns of one speaker can be named as one, from the first frame of the first to the last of the last. With the answer turns, speakers and matches are as
/// corrected; the correction stays in force when the recording is processed again.
#[utoipa::path(
    post, path = "/v1/recordings/{id}/corrections", tag = "recordings", params(RecordingId),
    request_body = NewCorrection,
    responses(
        (status = 200, description = "It holds; all corrections of the recording", body = CorrectionList),
        (status = 409, description = "The recording is not completed, cannot be corrected, or is being changed by something else", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "The body is not JSON", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "As many corrections as are taken wait already", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "There is no such speaker or turn, or the name cannot be given", body = Problem, content_type = "application/problem+json"),
        NoRecording, Usual
    )
)]
pub(crate) async fn correct(
    State(context): State<Arc<Context>>,
    RecordingId(id): RecordingId,
    NoQuery: NoQuery,
    Given(new): Given<NewCorrection>,
) -> Result<Json<CorrectionList>, ApiError> {
    let new = new.ok_or_else(|| ApiError::Body("there is none; say what to correct".to_owned()))?;
    change(context, id, Change::Add(new.into())).await
}

/// Take the last correction back
///
/// By its number, so that a call that is sent again takes no other one back.
#[utoipa::path(
    delete, path = "/v1/recordings/{id}/corrections/{number}", tag = "recordings", params(CorrectionNumber),
    responses(
        (status = 200, description = "It is taken back, now or before; the corrections that are left", body = CorrectionList),
        (status = 409, description = "Later ones must be taken back before, or the recording is not completed", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "As many corrections as are taken wait already", body = Problem, content_type = "application/problem+json"),
        NoRecording, Usual
    )
)]
pub(crate) async fn undo(
    State(context): State<Arc<Context>>,
    CorrectionNumber { id, number }: CorrectionNumber,
    NoQuery: NoQuery,
) -> Result<Json<CorrectionList>, ApiError> {
    change(context, id, Change::Undo(number)).await
}
