//! Turns: who spoke when, as JSON, as RTTM, or in a form that another program reads.
//!
//! RTTM has no registered media type: it is sent as `text/rttm` to those who ask for that, and as `text/plain` to the rest.

use super::explained::RunnerUp;
use super::openapi::{NoRecording, Usual};
use super::problem::ApiError;
use super::query::Query;
use super::recordings::RecordingId;
use crate::context::Context;
use crate::recordings::state;
use crate::recordings::view::{self, ShownTurn, Turns, is_completed, milliseconds_of};
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, Uri, header};
use axum::response::{IntoResponse, Response};
use chrono::SecondsFormat;
use diarization::export;
use diarization::rttm::{self, Segment};
use serde::Serialize;
use std::str::FromStr;
use std::sync::Arc;
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, Type};
use utoipa::{PartialSchema, ToSchema};
use uuid::Uuid;

/// Names of the formats, for error messages.
const FORMATS: &str = "json, rttm, csv, srt, vtt, audacity, textgrid, eaf or label-studio";

/// Format in which the turns are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Json,
    Rttm,
    PlainRttm,
    Export(export::Format),
}

impl PartialSchema for Format {
    fn schema() -> RefOr<Schema> {
        let names = ["json", "rttm"].into_iter().chain(export::Format::names());
        ObjectBuilder::new().schema_type(Type::String).enum_values(Some(names)).into()
    }
}

impl ToSchema for Format {}

impl FromStr for Format {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "json" => Ok(Self::Json),
            "rttm" => Ok(Self::Rttm),
            name => name.parse().map(Self::Export).map_err(|_| ()),
        }
    }
}

/// Who spoke when.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TurnsFound {
    recording: Uuid,
    #[schema(value_type = state::State)]
    state: String,
    /// Whether the recording is still in work, and all this may change.
    provisional: bool,
    /// By start.
    turns: Vec<TurnFound>,
}

/// What is JSON of the forms.
#[derive(ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "only the document needs it")]
enum TurnsJson {
    Turns(TurnsFound),
    /// Tasks of Label Studio, for `format=label-studio`.
    #[schema(value_type = Vec<Object>)]
    LabelStudio(Vec<()>),
}

/// A stretch of speech of one speaker.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TurnFound {
    /// Seconds from the start of the recording.
    start: f64,
    /// Seconds from the start of the recording.
    end: f64,
    /// Label of the speaker.
    speaker: String,
    /// The same in frames of 16.875 ms.
    first_frame: usize,
    /// One past the last frame.
    end_frame: usize,
    /// Whether it may still change.
    provisional: bool,
    /// Probability that the speaker is right, 0 to 1; null of recordings completed before this was stored.
    confidence: Option<f64>,
    /// Cosine of the voices, -1 to 1; null of speech too short to have a voice.
    score: Option<f64>,
    /// The next, where there is another.
    runner_up: Option<RunnerUp>,
    /// Whether a person said so of any of it; of that the confidence is 1.
    corrected: bool,
    /// Whether a person has checked it and found it right.
    checked: bool,
}

/// Who spoke when
///
/// As JSON, or in a form that another program reads. While chunks are in work the turns known so far, marked as provisional.
#[utoipa::path(
    get, path = "/v1/recordings/{id}/turns", tag = "recordings",
    params(
        RecordingId,
        ("format" = inline(Option<Format>), Query, description = "How they are written; the `Accept` header decides where this does not")
    ),
    responses(
        (status = 200, description = "The turns", content(
            (TurnsJson = "application/json"), (String = "text/rttm"), (String = "text/plain"), (String = "text/csv"),
            (String = "application/x-subrip"), (String = "text/vtt"), (String = "application/xml")
        )),
        NoRecording, Usual
    )
)]
pub(crate) async fn turns(
    State(context): State<Arc<Context>>,
    RecordingId(id): RecordingId,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, ApiError> {
    let asked = Query::read(&uri, &["format"])?.get("format", FORMATS)?;
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let format = asked.unwrap_or_else(|| preferred(accept));
    let explained = !matches!(format, Format::Rttm | Format::PlainRttm);
    let found = view::turns(&context.reads, id, explained).await?.ok_or(ApiError::UnknownRecording(id))?;
    let content_type = match format {
        Format::Json => return Ok(Json(as_json(id, found)).into_response()),
        Format::Export(format) => return Ok(attached(format, &found)),
        Format::Rttm => "text/rttm; charset=utf-8",
        Format::PlainRttm => "text/plain; charset=utf-8",
    };
    Ok(([(header::CONTENT_TYPE, content_type)], as_rttm(&found)).into_response())
}

/// A file to be saved under the recording's name.
fn attached(format: export::Format, found: &Turns) -> Response {
    let headers = [
        (header::CONTENT_TYPE, format.media_type().to_owned()),
        (header::CONTENT_DISPOSITION, disposition(&format!("{}.{}", found.file_stem, format.extension()))),
    ];
    (headers, format.write(&as_sheet(found))).into_response()
}

/// RFC 6266: the name in ASCII for those who know no better, and as it is.
fn disposition(name: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_. ".contains(c);
    let plain: String = name.chars().map(|c| if is_plain(c) { c } else { '_' }).collect();
    let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    let encoded: String = name
        .bytes()
        .map(|byte| if unreserved(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect();
    format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{encoded}")
}

fn as_sheet(found: &Turns) -> export::Sheet {
    let line = |shown: &ShownTurn| {
        let confidence = shown.why.as_ref().map(|why| why.confidence);
        export::Line::new(shown.turn.start_seconds(), shown.turn.end_seconds(), &shown.label, confidence)
    };
    export::Sheet {
        file: found.file_stem.clone(),
        duration_s: found.duration_seconds.unwrap_or_default(),
        date: found.found_at.to_rfc3339_opts(SecondsFormat::Secs, true),
        lines: found.turns.iter().filter_map(line).collect(),
    }
}

/// Format that an Accept header likes best of those that there are; JSON where it names none.
fn preferred(accept: &str) -> Format {
    let mut best = (Format::Json, 0.0);
    for range in accept.split(',') {
        let mut parts = range.split(';').map(str::trim);
        let format = match parts.next().unwrap_or_default() {
            "application/json" | "application/*" | "*/*" => Format::Json,
            "text/rttm" => Format::Rttm,
            "text/plain" | "text/*" => Format::PlainRttm,
            _ => continue,
        };
        let quality = parts.find_map(|p| p.strip_prefix("q=")).and_then(|q| q.parse().ok()).unwrap_or(1.0);
        if quality > best.1 {
            best = (format, quality);
        }
    }
    best.0
}

fn as_json(id: Uuid, found: Turns) -> TurnsFound {
    let provisional = !is_completed(&found.state);
    let turn = |shown: ShownTurn| {
        let start = milliseconds_of(shown.turn.start_seconds());
        let end = milliseconds_of(shown.turn.end_seconds());
        let (confidence, score) =
            shown.why.as_ref().map_or((None, None), |why| (Some(why.confidence), why.score));
        TurnFound {
            start,
            end,
            speaker: shown.label,
            first_frame: shown.turn.first_frame,
            end_frame: shown.turn.end_frame,
            provisional: shown.provisional,
            confidence,
            score,
            checked: shown.checked,
            corrected: shown.why.as_ref().is_some_and(|why| why.corrected),
            runner_up: shown.why.and_then(|why| why.runner_up).map(RunnerUp::from),
        }
    };
    TurnsFound {
        recording: id,
        state: found.state,
        provisional,
        turns: found.turns.into_iter().map(turn).collect(),
    }
}

/// The same bytes that `Diarization::segments` would give: same order, same arithmetic.
fn as_rttm(found: &Turns) -> String {
    let segments: Vec<Segment> = found
        .turns
        .iter()
        .map(|shown| Segment {
            file: found.file_stem.clone(),
            start_s: shown.turn.start_seconds(),
            duration_s: shown.turn.end_seconds() - shown.turn.start_seconds(),
            speaker: shown.label.clone(),
        })
        .collect();
    rttm::write(&segments)
}

#[cfg(test)]
mod tests {
    use super::*;
    use diarization::diarize::{Diarization, Speaker};
    use diarization::timeline::Turn;

    fn of_state(state: &str) -> Turns {
        Turns {
            state: state.into(),
            file_stem: "my talk".into(),
            duration_seconds: Some(10.0),
            found_at: chrono::DateTime::UNIX_EPOCH,
            turns: Vec::new(),
        }
    }

    #[test]
    fn a_file_is_saved_under_a_name_that_cannot_break_the_header() {
        let header = disposition("a\"b; ü.srt");
        assert_eq!(header, "attachment; filename=\"a_b_ _.srt\"; filename*=UTF-8''a%22b%3B%20%C3%BC.srt");
    }

    #[test]
    fn every_format_that_there_is_can_be_asked_for() {
        for name in ["json", "rttm"].into_iter().chain(export::Format::names()) {
            assert!(name.parse::<Format>().is_ok() && FORMATS.contains(name), "{name}");
        }
    }

    #[test]
    fn the_format_follows_the_accept_header() {
        assert_eq!(preferred(""), Format::Json);
        assert_eq!(preferred("text/html, */*;q=0.8"), Format::Json);
        assert_eq!(preferred("text/rttm"), Format::Rttm);
        assert_eq!(preferred("text/plain; charset=utf-8"), Format::PlainRttm);
        assert_eq!(preferred("text/rttm;q=0.4, application/json;q=0.9"), Format::Json);
        assert_eq!(preferred("image/png"), Format::Json);
    }

    #[test]
    fn the_rttm_is_the_one_that_diarizing_in_this_process_gives() {
        let turns: Vec<Turn> = (0..400)
            .map(|i| Turn { first_frame: i * 37, end_frame: i * 37 + 1 + i % 90, speaker: i % 2 })
            .collect();
        let speaker =
            |label: &str| Speaker { label: label.to_owned(), embedding: Vec::new(), speech_seconds: 0.0 };
        let diarization = Diarization {
            speakers: vec![speaker("Ann B"), speaker("Bob")],
            turns: turns.clone(),
            matches: Vec::new(),
        };
        let shown = turns.iter().map(|turn| ShownTurn {
            turn: *turn,
            label: diarization.speakers[turn.speaker].label.clone(),
            provisional: false,
            checked: false,
            why: None,
        });
        let found = Turns { turns: shown.collect(), ..of_state("completed") };
        assert_eq!(as_rttm(&found), rttm::write(&diarization.segments("my talk")));
    }

    #[test]
    fn seconds_in_json_are_those_of_the_rttm() {
        let turn = Turn { first_frame: 12_345, end_frame: 12_400, speaker: 0 };
        let shown = ShownTurn { turn, label: "A".into(), provisional: true, checked: false, why: None };
        let found = Turns { turns: vec![shown], ..of_state("processing") };
        let rttm = as_rttm(&found);
        let start = serde_json::to_string(&as_json(Uuid::nil(), found).turns[0].start).expect("a number");
        assert!(rttm.contains(&format!(" {start} ")), "{start}");
    }
}
