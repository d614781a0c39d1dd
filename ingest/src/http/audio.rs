//! Audio: the upload of a recording, whole or in part, for players.

use super::openapi::{NoPart, NoRecording, Usual};
use super::problem::ApiError;
use super::query::NoQuery;
use super::recordings::RecordingId;
use crate::context::Context;
use crate::recordings::player;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use diarization::audio;
use futures::TryStreamExt;
use http_range_header::parse_range_header;
use service_kit::object_store::{Objects, StoreError};
use std::ops::Range;
use std::sync::Arc;
use uuid::Uuid;

/// Bytes by which a format is known.
const HEAD: u64 = 4096;
/// Content type of what has no known format, or is no audio: browsers are not to guess at it.
const UNKNOWN: &str = "application/octet-stream";

/// Part of an object that is sent.
#[derive(Debug, PartialEq, Eq)]
enum Wanted {
    All,
    Part(Range<u64>),
    /// The range lies behind the end.
    Nothing,
    /// The client has it.
    Unchanged,
}

/// The uploaded file, whole or in part
///
/// As it was uploaded, with the media type that its content has; `application/octet-stream` where no browser plays it.
#[utoipa::path(
    get, path = "/v1/recordings/{id}/audio", tag = "recordings",
    params(
        RecordingId,
        ("Range" = Option<String>, Header, description = "One range of bytes, such as `bytes=0-1023` or `bytes=-1024`; several at once get all"),
        ("If-Range" = Option<String>, Header, description = "The `ETag` that the range is of; where it is another's now, all is sent"),
        ("If-None-Match" = Option<String>, Header, description = "The `ETag` of what is known already")
    ),
    responses(
        (status = 200, description = "All of it", content((Vec<u8> = "audio/*"), (Vec<u8> = "application/octet-stream"))),
        (status = 206, description = "The part that was asked for", content((Vec<u8> = "audio/*"), (Vec<u8> = "application/octet-stream"))),
        (status = 304, description = "It is known already"),
        NoPart, NoRecording, Usual
    )
)]
pub(crate) async fn audio(
    State(context): State<Arc<Context>>,
    RecordingId(id): RecordingId,
    NoQuery: NoQuery,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let upload = player::upload(&context.reads, id).await?.ok_or(ApiError::UnknownRecording(id))?;
    let gone = |error| missing(id, error);
    let size = context.objects.size(&upload.object).await.map_err(gone)?;
    let tag = format!("\"{}\"", upload.sha256);
    let mut response = match wanted(&headers, &tag, size) {
        Wanted::Unchanged => StatusCode::NOT_MODIFIED.into_response(),
        Wanted::Nothing => {
            let whole = [(header::CONTENT_RANGE, format!("bytes */{size}"))];
            (whole, ApiError::Range(size)).into_response()
        }
        Wanted::All => {
            let kind = kind(&context.objects, &upload.object, size).await.map_err(gone)?;
            let body = part(&context.objects, &upload.object, 0..size).await.map_err(gone)?;
            let headers =
                [(header::CONTENT_TYPE, kind.to_owned()), (header::CONTENT_LENGTH, size.to_string())];
            (headers, body).into_response()
        }
        Wanted::Part(range) => {
            let kind = kind(&context.objects, &upload.object, size).await.map_err(gone)?;
            let body = part(&context.objects, &upload.object, range.clone()).await.map_err(gone)?;
            let headers = [
                (header::CONTENT_TYPE, kind.to_owned()),
                (header::CONTENT_LENGTH, (range.end - range.start).to_string()),
                (header::CONTENT_RANGE, format!("bytes {}-{}/{size}", range.start, range.end - 1)),
            ];
            (StatusCode::PARTIAL_CONTENT, headers, body).into_response()
        }
    };
    let always: [(HeaderName, &str); 4] = [
        (header::ACCEPT_RANGES, "bytes"),
        (header::ETAG, &tag),
        // Whoever has no token any more, or whose recording is deleted, is to see nothing of it.
        (header::CACHE_CONTROL, "private, no-cache"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    for (name, value) in always {
        if let Ok(value) = HeaderValue::from_str(value) {
            response.headers_mut().insert(name, value);
        }
    }
    Ok(response)
}

/// RFC 9110, 13 and 14; several ranges at once are answered with all, which it allows.
fn wanted(headers: &HeaderMap, tag: &str, size: u64) -> Wanted {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let known = text(header::IF_NONE_MATCH).unwrap_or_default();
    if known.split(',').map(str::trim).any(|known| known == tag || known == "*") {
        return Wanted::Unchanged;
    }
    // A part of what was there before does not fit what is there now.
    if text(header::IF_RANGE).is_some_and(|known| known != tag) {
        return Wanted::All;
    }
    let Some(Ok(parsed)) = text(header::RANGE).map(parse_range_header) else { return Wanted::All };
    match parsed.validate(size) {
        Ok(ranges) => match ranges.as_slice() {
            [one] => Wanted::Part(*one.start()..one.end() + 1),
            _ => Wanted::All,
        },
        Err(_) => Wanted::Nothing,
    }
}

async fn part(objects: &Objects, object: &str, range: Range<u64>) -> Result<Body, StoreError> {
    if range.is_empty() {
        return Ok(Body::empty());
    }
    Ok(Body::from_stream(objects.get_part(object, range).await?))
}

/// The media type, by content: what was uploaded says nothing of itself that a browser could be misled by.
async fn kind(objects: &Objects, object: &str, size: u64) -> Result<&'static str, StoreError> {
    if size == 0 {
        return Ok(UNKNOWN);
    }
    let head: Vec<_> = objects.get_part(object, 0..size.min(HEAD)).await?.try_collect().await?;
    Ok(audio::media_type(&head.concat()).unwrap_or(UNKNOWN))
}

fn missing(id: Uuid, error: StoreError) -> ApiError {
    if error.is_not_found() { ApiError::NoAudio(id) } else { error.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TAG: &str = "\"abc\"";

    fn of(headers: &[(HeaderName, &'static str)]) -> Wanted {
        let headers = headers.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value)));
        wanted(&headers.collect(), TAG, 1000)
    }

    #[test]
    fn a_range_is_from_the_start_to_a_byte_or_counted_from_the_end() {
        assert_eq!(of(&[(header::RANGE, "bytes=0-1")]), Wanted::Part(0..2));
        assert_eq!(of(&[(header::RANGE, "bytes=990-")]), Wanted::Part(990..1000));
        assert_eq!(of(&[(header::RANGE, "bytes=990-5000")]), Wanted::Part(990..1000));
        assert_eq!(of(&[(header::RANGE, "bytes=-10")]), Wanted::Part(990..1000));
    }

    #[test]
    fn what_lies_behind_the_end_is_refused_and_what_is_no_range_is_passed_over() {
        assert_eq!(of(&[(header::RANGE, "bytes=1000-")]), Wanted::Nothing);
        assert_eq!(of(&[(header::RANGE, "bytes=one")]), Wanted::All);
        assert_eq!(of(&[(header::RANGE, "bytes=0-1,5-6")]), Wanted::All);
        assert_eq!(of(&[]), Wanted::All);
    }

    #[test]
    fn what_the_client_has_is_not_sent_again_and_what_has_changed_is_sent_whole() {
        assert_eq!(of(&[(header::IF_NONE_MATCH, "\"x\", \"abc\"")]), Wanted::Unchanged);
        assert_eq!(of(&[(header::IF_NONE_MATCH, "\"x\""), (header::RANGE, "bytes=0-0")]), Wanted::Part(0..1));
        assert_eq!(of(&[(header::IF_RANGE, TAG), (header::RANGE, "bytes=0-0")]), Wanted::Part(0..1));
        assert_eq!(of(&[(header::IF_RANGE, "\"x\""), (header::RANGE, "bytes=0-0")]), Wanted::All);
    }
}
