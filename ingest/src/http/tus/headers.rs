//! Headers: those of the tus protocol, read and written.

use crate::http::problem::ApiError;
use crate::recordings::resumable::Progress;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use chrono::{DateTime, Utc};
use uuid::Uuid;

/// The version that is spoken.
pub(crate) const VERSION: HeaderValue = HeaderValue::from_static("1.0.0");
/// The content type of an upload's bytes.
const BYTES: &[u8] = b"application/offset+octet-stream";

pub(crate) const RESUMABLE: HeaderName = HeaderName::from_static("tus-resumable");
pub(crate) const VERSIONS: HeaderName = HeaderName::from_static("tus-version");
pub(crate) const EXTENSIONS: HeaderName = HeaderName::from_static("tus-extension");
pub(crate) const MAX_SIZE: HeaderName = HeaderName::from_static("tus-max-size");
pub(crate) const OFFSET: HeaderName = HeaderName::from_static("upload-offset");
pub(crate) const LENGTH: HeaderName = HeaderName::from_static("upload-length");
pub(crate) const DEFER_LENGTH: HeaderName = HeaderName::from_static("upload-defer-length");
pub(crate) const OVERRIDE: HeaderName = HeaderName::from_static("x-http-method-override");
const EXPIRES: HeaderName = HeaderName::from_static("upload-expires");
/// Header with the path of the recording that a complete upload has become.
const RECORDING: HeaderName = HeaderName::from_static("throughline-recording");

/// Extensions of the protocol that are spoken.
pub(crate) fn extension() -> HeaderValue {
    HeaderValue::from_static("creation,creation-with-upload,creation-defer-length,expiration,termination")
}

/// The length of a new upload; `None` where it is to be said later.
pub(crate) fn length(headers: &HeaderMap) -> Result<Option<u64>, ApiError> {
    let length = number(headers, &LENGTH, "Upload-Length")?;
    match (length, headers.get(&DEFER_LENGTH).map(HeaderValue::as_bytes)) {
        (Some(length), None) => Ok(Some(length)),
        (None, Some(b"1")) => Ok(None),
        _ => {
            let why = "must say how many bytes the upload has; or `Upload-Defer-Length: 1`, that this is said later";
            Err(ApiError::TusHeader("Upload-Length", why.to_owned()))
        }
    }
}

/// True where the body is bytes of the upload, false where there is no content type; an error where it is something else.
pub(crate) fn has_bytes(headers: &HeaderMap) -> Result<bool, ApiError> {
    match headers.get(header::CONTENT_TYPE) {
        None => Ok(false),
        Some(kind) if kind.as_bytes() == BYTES => Ok(true),
        Some(_) => Err(ApiError::TusContentType),
    }
}

/// The whole number in a header, if it is there.
pub(crate) fn number(
    headers: &HeaderMap,
    name: &HeaderName,
    shown: &'static str,
) -> Result<Option<u64>, ApiError> {
    let Some(value) = headers.get(name) else { return Ok(None) };
    // Not what `parse` takes besides digits.
    let digits = value.to_str().ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    let number = digits.and_then(|text| text.parse().ok()).filter(|number| *number <= i64::MAX as u64);
    number.map(Some).ok_or_else(|| ApiError::TusHeader(shown, "must be a whole number".to_owned()))
}

/// Headers that every answer about an upload has: its offset, and its recording or its expiry.
pub(crate) fn state(id: Uuid, now: &Progress) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(OFFSET, now.received.into());
    if now.is_recording {
        if let Ok(recording) = HeaderValue::from_str(&format!("/v1/recordings/{id}")) {
            headers.insert(RECORDING, recording);
        }
    } else if let Ok(expires) = HeaderValue::from_str(&http_date(now.expires_at)) {
        headers.insert(EXPIRES, expires);
    }
    headers
}

/// A time as HTTP writes it (RFC 9110, 5.6.7).
fn http_date(time: DateTime<Utc>) -> String {
    time.format("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(HeaderName, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), value.parse().expect("a value"))).collect()
    }

    #[test]
    fn a_new_upload_says_its_length_or_that_it_will() {
        let read = |pairs: &[(HeaderName, &str)]| length(&headers(pairs)).ok();
        assert_eq!(read(&[(LENGTH, "7")]), Some(Some(7)));
        assert_eq!(read(&[(DEFER_LENGTH, "1")]), Some(None));
        for wrong in [
            &[][..],
            &[(LENGTH, "7"), (DEFER_LENGTH, "1")],
            &[(DEFER_LENGTH, "0")],
            &[(LENGTH, "-1")],
            &[(LENGTH, "+1")],
            &[(LENGTH, "9223372036854775808")],
        ] {
            assert_eq!(read(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn a_time_is_written_as_http_does() {
        let time = DateTime::from_timestamp(784_111_777, 0).expect("a time");
        assert_eq!(http_date(time), "Sun, 06 Nov 1994 08:49:37 GMT");
    }
}
