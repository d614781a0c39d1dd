//! Key: the `Idempotency-Key` of an upload, which makes sending it again harmless (IETF draft-ietf-httpapi-idempotency-key-header).

use super::body::Received;
use super::options::Chosen;
use super::problem::ApiError;
use crate::recordings::priority::Priority;
use axum::http::HeaderMap;
use sha2::{Digest, Sha256};

/// Header of requests.
pub(crate) const HEADER: &str = "idempotency-key";
/// Header of an answer that was given before.
pub(crate) const REPLAYED: &str = "idempotent-replayed";
/// Longest key, in characters.
const LONGEST: usize = 255;

/// The key of a request, without the quotation marks that the draft asks for and few clients write; `None` without one.
pub(crate) fn of(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let mut all = headers.get_all(HEADER).iter();
    let Some(first) = all.next() else { return Ok(None) };
    let text = first.to_str().unwrap_or_default().trim();
    let key = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
    let fits = (1..=LONGEST).contains(&key.len())
        && key.bytes().all(|byte| matches!(byte, b' '..=b'~' if byte != b'"' && byte != b'\\'));
    if !fits || all.next().is_some() {
        return Err(ApiError::BadKey);
    }
    Ok(Some(key.to_owned()))
}

/// Fingerprint of an upload: equal for two uploads with the same bytes and the same options.
pub(crate) fn fingerprint(received: &Received, chosen: &Chosen) -> String {
    let settings = serde_json::to_string(&chosen.settings).unwrap_or_default();
    let mut hash = Sha256::new();
    for part in [
        received.sha256.as_str(),
        &chosen.title,
        &chosen.file_stem,
        &settings,
        &chosen.allow_gaps.to_string(),
        &chosen.chunk_blocks.to_string(),
    ] {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    // Keys of uploads before there were priorities stay good.
    if chosen.priority != Priority::default() {
        hash.update(chosen.priority.name());
    }
    hex::encode(hash.finalize())
}

#[cfg(test)]
mod tests {
    use super::super::options::Options;
    use super::*;
    use axum::http::HeaderValue;

    fn key(values: &[&'static str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(HEADER, HeaderValue::from_static(value));
        }
        of(&headers).ok().map(|key| key.unwrap_or_else(|| "none".to_owned()))
    }

    #[test]
    fn a_key_is_taken_with_and_without_quotation_marks() {
        assert_eq!(key(&["\"8e03978e-40d5\""]).as_deref(), Some("8e03978e-40d5"));
        assert_eq!(key(&["8e03978e-40d5"]).as_deref(), Some("8e03978e-40d5"));
        assert_eq!(key(&[]).as_deref(), Some("none"));
    }

    #[test]
    fn what_is_no_key_is_refused() {
        assert_eq!(key(&["\"\""]), None);
        assert_eq!(key(&["a\"b"]), None);
        assert_eq!(key(&["a", "b"]), None);
        let mut headers = HeaderMap::new();
        headers.insert(HEADER, "x".repeat(256).parse().expect("a value"));
        assert!(of(&headers).is_err());
        headers.insert(HEADER, HeaderValue::from_bytes(b"\xff").expect("a value"));
        assert!(of(&headers).is_err());
    }

    #[test]
    fn the_fingerprint_follows_the_bytes_and_every_option() {
        let print = |sha256: &str, options: &[(&str, &str)]| {
            let mut all = Options::default();
            for (name, value) in options {
                all.set(name, value).expect("is an option");
            }
            let received = Received { bytes: 1, sha256: sha256.to_owned() };
            fingerprint(&received, &all.choose(None, 5).expect("fits"))
        };
        let plain = print("a", &[]);
        assert_eq!(plain, print("a", &[("chunk_blocks", "5")]));
        let others = [
            print("b", &[]),
            print("a", &[("title", "t")]),
            print("a", &[("file_name", "f.wav"), ("title", "Untitled")]),
            print("a", &[("threshold", "0.6")]),
            print("a", &[("channels", "mix")]),
            print("a", &[("tracks", "all")]),
            print("a", &[("labels", "Ann,Bob")]),
            print("a", &[("allow_gaps", "true")]),
            print("a", &[("chunk_blocks", "6")]),
        ];
        assert!(others.iter().all(|other| *other != plain));
    }
}
