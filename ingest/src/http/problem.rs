//! Problem: every answer that is not what was asked for, as problem+json (RFC 9457): what was wrong and what to do.

use super::options::OptionError;
use super::query::QueryError;
use crate::recordings::one_at_a_time::InHand;
use crate::thread::Died;
use crate::webhooks::address::AddressError;
use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use diarization::corrections::Refusal;
use serde::Serialize;
use service_kit::object_store::StoreError;
use service_kit::transaction;
use tokio::task::JoinError;
use utoipa::ToSchema;
use uuid::Uuid;

/// Content type of problems.
pub(crate) const PROBLEM_JSON: &str = "application/problem+json";

/// A problem document (RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Problem {
    /// `urn:throughline:problem:` and a word for the kind, which does not change between releases.
    #[serde(rename = "type")]
    #[schema(example = "urn:throughline:problem:bad-option")]
    kind: String,
    /// The same for all of a type.
    title: &'static str,
    /// The status of the answer.
    status: u16,
    /// What was wrong, where, and what to do.
    detail: String,
}

/// Reason for which a request was not answered as asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApiError {
    #[error("there is no {0}; the API is under /v1/recordings")]
    Route(String),
    #[error("{1} does not take {0}; see the Allow header")]
    Method(String, String),
    #[error("the address has bytes in it that are no UTF-8; write it as UTF-8, percent-encoded")]
    BadPath,
    #[error("a request names the host that it is for in one `Host` header")]
    BadHost,
    #[error(
        "this service is not called '{0}', and answers only to its own names, so that no other site's page can reach it; if the name is meant to lead here, its operator adds it: THROUGHLINE_HOSTS={0}"
    )]
    OtherHost(String),
    #[error("send the API token as `Authorization: Bearer TOKEN`; the one given is missing or wrong")]
    Unauthorized,
    #[error(
        "the token '{0}' may be used for {1}, and this needs {2}; ask the operator to add that to its line in the file of tokens"
    )]
    Scope(String, String, &'static str),
    #[error(
        "another site's page has sent this; call the API from its own pages, or with `Authorization: Bearer TOKEN`"
    )]
    CrossSite,
    #[error(
        "as many streams of events as this service keeps at once are open; ask for the recording itself, or try again in a moment"
    )]
    ManyStreams,
    #[error("'{0}' is not the id of a recording, which looks like 0199a3c4-5d6e-7f80-9123-456789abcdef")]
    BadId(String),
    #[error("there is no recording {0}; it was never uploaded, or was deleted")]
    UnknownRecording(Uuid),
    #[error("the audio of recording {0} is no longer in the object store; upload the file again")]
    NoAudio(Uuid),
    #[error("the audio has {0} bytes, and the Range header asks for none of them")]
    Range(u64),
    #[error("'{0}' is not the number of a dead letter; `GET /v1/dead-letters` lists them")]
    BadLetterId(String),
    #[error("there is no dead letter {0}; it was replayed or dropped, or its recording was deleted")]
    UnknownLetter(i64),
    #[error("the dead letter {0} cannot be replayed: {1}")]
    NotReplayable(i64, String),
    #[error("the recording is {0}; only what is completed can be corrected, wait until it is")]
    NotCompleted(String),
    #[error("{0}")]
    Refused(#[from] Refusal),
    #[error("{0} has no turn from frame {1} to {2}; take one as the recording's turns show it now")]
    NoSuchTurn(String, u32, u32),
    #[error("{0:?} is not the number of a correction: a whole number, as the list of corrections shows it")]
    BadCorrectionNumber(String),
    #[error("corrections are taken back from the last one on, which is number {0}")]
    NotTheLastCorrection(i32),
    #[error("the recording has {0} corrections, as many as are kept; take some back")]
    TooManyCorrections(usize),
    #[error("the recording cannot be corrected as it is stored; reprocess it first ({0})")]
    NotCorrectable(String),
    #[error("there is no queue '{0}' that can be paused; there are: {1}")]
    UnknownQueue(String, String),
    #[error("{0}")]
    Option(#[from] OptionError),
    #[error("{0}")]
    Query(#[from] QueryError),
    #[error("the multipart form cannot be read: {0}")]
    Form(String),
    #[error("the form has no field `file`; send the recording in it")]
    NoFile,
    #[error("the form has more than one field `file`; upload one recording at a time")]
    SecondFile,
    #[error("the upload is empty; send the bytes of an audio or video file")]
    Empty,
    #[error(
        "the upload is larger than the {0} bytes that this service takes; compress the audio or split it"
    )]
    TooLarge(u64),
    #[error("the upload broke off ({0}); nothing was kept, send it again")]
    BrokeOff(String),
    #[error("no data came for {0} seconds; nothing was kept, send it again")]
    Stalled(u64),
    #[error(
        "the data came with less than {0} bytes per second; nothing was kept, send it over a faster connection"
    )]
    TooSlow(u64),
    #[error("the upload took longer than {0} seconds; nothing was kept, compress the audio or split it")]
    TookTooLong(u64),
    #[error(
        "there is more than 1 MiB around the form's fields; send the options and the file, and nothing else"
    )]
    FormHeads,
    #[error("as many uploads as this service takes at once are under way; send it again in a moment")]
    Busy,
    #[error(
        "as many uploads from your address as this service takes at once are under way; send it again when one of them has ended"
    )]
    BusyAddress,
    #[error("your address holds as many connections to this service as one may; close some and try again")]
    ManyConnections,
    #[error(
        "{0:.1} hours of audio{2} are still to be analysed, and this service takes no more past {1}; send it again when some of it is done"
    )]
    Backlog(f64, u32, &'static str),
    #[error("this address takes no body; leave it out")]
    UnwantedBody,
    #[error(
        "the body is larger than the 65536 bytes that this address takes; leave out what does not belong in it"
    )]
    LargeBody,
    #[error("this address takes JSON; send it with `Content-Type: application/json`")]
    NotJson,
    #[error("the body cannot be used: {0}")]
    Body(String),
    #[error("the recording {0} is {1} and cannot be cancelled; only what is queued or processing can")]
    NotInWork(Uuid, String),
    #[error("there was no answer within {0} seconds; look whether it has been done, and try again")]
    Overdue(u64),
    #[error(
        "an Idempotency-Key has 1 to 255 printable ASCII characters, in quotation marks or without, and there is one"
    )]
    BadKey,
    #[error("another upload with this Idempotency-Key is still under way; send it again in a moment")]
    KeyInUse,
    #[error(
        "this Idempotency-Key belongs to recording {0}, which was another file or had other options; use a new key"
    )]
    KeyReused(Uuid),
    #[error("{0}; the first {1} bytes are kept: ask with HEAD how far the upload is, and go on from there")]
    Interrupted(String, u64),
    #[error(
        "there is no upload {0}; it was never created, was deleted, or nothing came of it for too long: create a new one"
    )]
    UnknownUpload(Uuid),
    #[error("{0} uploads are open, which is as many as {1} may have; go on with one of them or delete it")]
    TooManyUploads(i64, &'static str),
    #[error("{0} pings of this webhook are still to be sent; wait until its receiver has answered them")]
    TooManyPings(i64),
    #[error("the upload is complete; to delete it, `DELETE /v1/recordings/{0}`")]
    UploadComplete(Uuid),
    #[error("this service speaks version 1.0.0 of the tus protocol; send the header `Tus-Resumable: 1.0.0`")]
    TusVersion,
    #[error("the header {0} {1}")]
    TusHeader(&'static str, String),
    #[error("the bytes of an upload have the content type application/offset+octet-stream")]
    TusContentType,
    #[error("the upload goes on at byte {0}, not at {1}; ask with HEAD how far it is, and go on from there")]
    WrongOffset(u64, u64),
    #[error("there is more than the {0} bytes that were announced for this upload; what came before is kept")]
    PastTheEnd(u64),
    #[error("the upload has come in more than {0} pieces; create a new one, and send larger pieces")]
    TooManyParts(u64),
    #[error("all {0} bytes have come, but are not yet put together; ask with HEAD again in a moment")]
    NotComposed(u64),
    #[error("as many uploads as this service takes at once are under way; go on with this one in a moment")]
    BusyResumable,
    #[error("{0}")]
    WebhookAddress(#[from] AddressError),
    #[error("events is empty; name at least one type of events, or leave it out for all of them")]
    NoWebhookEvents,
    #[error("'{0}' is not the id of a webhook; `GET /v1/webhooks` lists them")]
    BadWebhookId(String),
    #[error("there is no webhook {0}; it was never added, or was deleted")]
    UnknownWebhook(Uuid),
    #[error(
        "the receiver of webhook {0} has said that it is gone (410), and nothing is sent to it; delete it and add it again"
    )]
    WebhookDisabled(Uuid),
    #[error("there are {0} webhooks, which is as many as there can be; delete one")]
    TooManyWebhooks(i64),
    #[error(
        "the service has no room left for uploads; nothing was kept, ask its operator to make room and send it again"
    )]
    Full,
    #[error(
        "as many corrections as this service takes wait already; nothing was changed, send it again in a moment"
    )]
    BusyCorrections,
    #[error("something else is changing this at the moment; nothing was done, send it again in a moment")]
    Locked,
    #[error(
        "the database is not set up for this version of the service; its operator must run `throughline migrate`"
    )]
    Unfit(sqlx::Error),
    #[error("the database cannot be reached; try again in a moment")]
    Database(sqlx::Error),
    #[error("the object store cannot be reached; try again in a moment")]
    Store(StoreError),
    #[error("this is our fault, not yours; the log of the service says more")]
    Panicked(String),
}

impl ApiError {
    /// Status, the last part of the problem's type, and its title, which is the same for all of a type.
    fn kind(&self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::Route(_) => (StatusCode::NOT_FOUND, "unknown-route", "No such address"),
            Self::Method(..) => (StatusCode::METHOD_NOT_ALLOWED, "method", "Method not allowed"),
            Self::Unauthorized => (StatusCode::UNAUTHORIZED, "unauthorized", "API token missing or wrong"),
            Self::BadPath => (StatusCode::BAD_REQUEST, "bad-path", "The address cannot be read"),
            Self::BadHost => (StatusCode::BAD_REQUEST, "bad-host", "No host is named"),
            Self::OtherHost(_) => {
                (StatusCode::MISDIRECTED_REQUEST, "other-host", "Not a name of this service")
            }
            Self::Scope(..) => (StatusCode::FORBIDDEN, "scope", "The token is not good for this"),
            Self::CrossSite => (StatusCode::FORBIDDEN, "cross-site", "Sent by another site"),
            Self::ManyStreams => (StatusCode::TOO_MANY_REQUESTS, "many-streams", "Too many streams at once"),
            Self::BadId(_) | Self::BadLetterId(_) => (StatusCode::BAD_REQUEST, "bad-id", "Not an id"),
            Self::UnknownLetter(_) => (StatusCode::NOT_FOUND, "unknown-dead-letter", "Unknown dead letter"),
            Self::UnknownQueue(..) => (StatusCode::NOT_FOUND, "unknown-queue", "Unknown queue"),
            Self::NotReplayable(..) => (StatusCode::CONFLICT, "not-replayable", "Cannot be replayed"),
            Self::NoAudio(_) => (StatusCode::NOT_FOUND, "no-audio", "The audio is gone"),
            Self::Range(_) => (StatusCode::RANGE_NOT_SATISFIABLE, "range", "Not a part of the audio"),
            Self::UnknownRecording(_) => (StatusCode::NOT_FOUND, "unknown-recording", "Unknown recording"),
            Self::NotCompleted(_) => (StatusCode::CONFLICT, "not-completed", "Not completed"),
            Self::Refused(_) => {
                (StatusCode::UNPROCESSABLE_ENTITY, "bad-correction", "The correction cannot be made")
            }
            Self::NoSuchTurn(..) => (StatusCode::NOT_FOUND, "unknown-turn", "Unknown turn"),
            Self::BadCorrectionNumber(_) => (StatusCode::BAD_REQUEST, "bad-number", "Not a number"),
            Self::NotTheLastCorrection(_) => {
                (StatusCode::CONFLICT, "not-the-last", "Not the last correction")
            }
            Self::TooManyCorrections(_) => {
                (StatusCode::CONFLICT, "too-many-corrections", "Too many corrections")
            }
            Self::NotCorrectable(_) => (StatusCode::CONFLICT, "not-correctable", "Cannot be corrected"),
            Self::Option(_) | Self::Query(_) => {
                (StatusCode::BAD_REQUEST, "bad-option", "An option cannot be used")
            }
            Self::Form(_) | Self::FormHeads => {
                (StatusCode::BAD_REQUEST, "bad-form", "The form cannot be read")
            }
            Self::NoFile | Self::SecondFile => (StatusCode::BAD_REQUEST, "one-file", "One file is needed"),
            Self::Empty => (StatusCode::BAD_REQUEST, "empty-upload", "The upload is empty"),
            Self::UnwantedBody => (StatusCode::PAYLOAD_TOO_LARGE, "unwanted-body", "No body is wanted"),
            Self::LargeBody => (StatusCode::PAYLOAD_TOO_LARGE, "large-body", "The body is too large"),
            Self::NotJson => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "not-json", "JSON is wanted"),
            Self::Body(_) => (StatusCode::BAD_REQUEST, "bad-body", "The body cannot be used"),
            Self::NotInWork(..) => (StatusCode::CONFLICT, "not-in-work", "Not in work"),
            Self::TooSlow(_) => (StatusCode::REQUEST_TIMEOUT, "too-slow", "The upload was too slow"),
            Self::TookTooLong(_) => (StatusCode::REQUEST_TIMEOUT, "too-long", "The upload took too long"),
            Self::Busy => (StatusCode::TOO_MANY_REQUESTS, "busy", "Too many uploads at once"),
            Self::BusyAddress => {
                (StatusCode::TOO_MANY_REQUESTS, "busy-address", "Too many uploads from one address")
            }
            Self::ManyConnections => {
                (StatusCode::TOO_MANY_REQUESTS, "many-connections", "Too many connections from one address")
            }
            Self::Backlog(..) => (StatusCode::TOO_MANY_REQUESTS, "backlog", "Too much is undone"),
            Self::BadKey => (StatusCode::BAD_REQUEST, "bad-idempotency-key", "Not an Idempotency-Key"),
            Self::KeyInUse => {
                (StatusCode::CONFLICT, "idempotency-key-in-use", "The same upload is under way")
            }
            Self::KeyReused(_) => (
                StatusCode::UNPROCESSABLE_ENTITY,
                "idempotency-key-reused",
                "Idempotency-Key of another upload",
            ),
            Self::Full => (StatusCode::INSUFFICIENT_STORAGE, "full", "No room left"),
            Self::Overdue(_) => (StatusCode::SERVICE_UNAVAILABLE, "overdue", "No answer in time"),
            Self::TooLarge(_) => (StatusCode::PAYLOAD_TOO_LARGE, "too-large", "The upload is too large"),
            Self::BrokeOff(_) => (StatusCode::BAD_REQUEST, "broke-off", "The upload broke off"),
            Self::Stalled(_) => (StatusCode::REQUEST_TIMEOUT, "stalled", "The upload stalled"),
            Self::BusyCorrections => {
                (StatusCode::TOO_MANY_REQUESTS, "busy-corrections", "Too many corrections at once")
            }
            Self::Locked => (StatusCode::CONFLICT, "locked", "Being changed already"),
            Self::Unfit(_) => (StatusCode::SERVICE_UNAVAILABLE, "schema", "The database must be migrated"),
            Self::Database(_) | Self::Store(_) => {
                (StatusCode::SERVICE_UNAVAILABLE, "unavailable", "Try again")
            }
            Self::Interrupted(..) => {
                (StatusCode::REQUEST_TIMEOUT, "interrupted", "The upload was interrupted")
            }
            Self::UnknownUpload(_) => (StatusCode::NOT_FOUND, "unknown-upload", "Unknown upload"),
            Self::TooManyUploads(..) => {
                (StatusCode::TOO_MANY_REQUESTS, "too-many-uploads", "Too many open uploads")
            }
            Self::TooManyPings(_) => (StatusCode::TOO_MANY_REQUESTS, "too-many-pings", "Too many pings"),
            Self::UploadComplete(_) => (StatusCode::FORBIDDEN, "upload-complete", "The upload is complete"),
            Self::TusVersion => (StatusCode::PRECONDITION_FAILED, "tus-version", "Unknown version of tus"),
            Self::TusHeader(..) => (StatusCode::BAD_REQUEST, "tus-header", "A header cannot be used"),
            Self::TusContentType => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "tus-content-type", "Wrong content type")
            }
            Self::WrongOffset(..) => (StatusCode::CONFLICT, "wrong-offset", "The upload is elsewhere"),
            Self::PastTheEnd(_) => (StatusCode::PAYLOAD_TOO_LARGE, "past-the-end", "More than was announced"),
            Self::TooManyParts(_) => {
                (StatusCode::PAYLOAD_TOO_LARGE, "too-many-parts", "The pieces are too small")
            }
            Self::NotComposed(_) => (StatusCode::SERVICE_UNAVAILABLE, "not-composed", "Not yet complete"),
            // Clients of this protocol try again after a 503, and give up after a 429.
            Self::BusyResumable => (StatusCode::SERVICE_UNAVAILABLE, "busy", "Too many uploads at once"),
            Self::WebhookAddress(_) | Self::NoWebhookEvents => {
                (StatusCode::BAD_REQUEST, "bad-webhook", "The webhook cannot be used")
            }
            Self::BadWebhookId(_) => (StatusCode::BAD_REQUEST, "bad-id", "Not an id"),
            Self::UnknownWebhook(_) => (StatusCode::NOT_FOUND, "unknown-webhook", "Unknown webhook"),
            Self::WebhookDisabled(_) => (StatusCode::CONFLICT, "webhook-disabled", "The webhook is disabled"),
            Self::TooManyWebhooks(_) => (StatusCode::CONFLICT, "too-many-webhooks", "Too many webhooks"),
            Self::Panicked(_) => (StatusCode::INTERNAL_SERVER_ERROR, "internal", "Internal error"),
        }
    }

    /// Cause that the uploader need not know, for the log.
    fn cause(&self) -> Option<String> {
        match self {
            Self::Database(error) | Self::Unfit(error) => Some(error.to_string()),
            Self::Store(error) => Some(error.to_string()),
            Self::Panicked(why) => Some(why.clone()),
            _ => None,
        }
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        if error.is_full() {
            tracing::error!(cause = error.to_string(), "the object store is full");
            return Self::Full;
        }
        Self::Store(error)
    }
}

impl From<sqlx::Error> for ApiError {
    fn from(error: sqlx::Error) -> Self {
        if transaction::is_locked(&error) {
            Self::Locked
        } else if transaction::is_unfit(&error) {
            Self::Unfit(error)
        } else {
            Self::Database(error)
        }
    }
}

impl From<InHand> for ApiError {
    fn from(_: InHand) -> Self {
        Self::Locked
    }
}

impl From<JoinError> for ApiError {
    fn from(error: JoinError) -> Self {
        Self::Panicked(error.to_string())
    }
}

impl From<Died> for ApiError {
    fn from(died: Died) -> Self {
        Self::Panicked(died.to_string())
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let (status, slug, title) = self.kind();
        if let Some(cause) = self.cause() {
            tracing::error!(status = status.as_u16(), cause, "a request failed");
        }
        let kind = format!("urn:throughline:problem:{slug}");
        let problem = Problem { kind, title, status: status.as_u16(), detail: self.to_string() };
        let mut response = (status, Json(problem)).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        let extra = match (status, &self) {
            (StatusCode::UNAUTHORIZED, _) => Some((header::WWW_AUTHENTICATE, "Bearer")),
            (StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS, _)
            | (_, Self::KeyInUse | Self::Locked) => Some((header::RETRY_AFTER, "5")),
            _ => None,
        };
        if let Some((name, value)) = extra {
            response.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        response
    }
}
