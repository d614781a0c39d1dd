//! Fuzzing: the way of an upload's bytes through the real parsers, without a store or a database; what the fuzz target `upload`
//! drives, and the test that tries its findings again.

use crate::config::LimitsConfig;
use crate::http::{Incoming, Meter, Options, Sink, key, query};
use axum::body::Body;
use axum::http::{Request, header};
use bytes::Bytes;
use futures::stream;
use std::convert::Infallible;

/// Largest file taken here, in bytes.
const LIMIT: u64 = 1 << 16;
/// Bytes that come at once.
const STEP: usize = 61;

/// Takes an upload as a client may have written it: a first line with the query, further lines `name: value` of headers, an empty
/// line, and the body. Returns what was made of it, or how it was refused.
pub fn upload(request: &[u8]) -> Result<(String, String), String> {
    let end = request.windows(2).position(|two| two == b"\n\n").unwrap_or(request.len());
    let (head, body) = (&request[..end], request.get(end + 2..).unwrap_or_default());
    let mut lines = head.split(|byte| *byte == b'\n');
    let query = String::from_utf8_lossy(lines.next().unwrap_or_default()).into_owned();
    let mut built = Request::builder().method("POST").uri(format!("/v1/recordings?{query}"));
    for line in lines {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        built = built.header(&line[..colon], line[colon + 1..].trim_ascii());
    }
    let built = built.body(()).map_err(|error| error.to_string())?;
    let (parts, ()) = built.into_parts();
    let pieces: Vec<Result<Bytes, Infallible>> =
        body.chunks(STEP).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    runtime.map_err(|error| error.to_string())?.block_on(async {
        let refused = |error: crate::http::ApiError| error.to_string();
        let meter = Meter::new(&LimitsConfig::of_tests());
        let mut incoming = Incoming::of(&parts, Body::from_stream(stream::iter(pieces)), meter.clone())
            .await
            .map_err(refused)?;
        let mut options = Options::default();
        for (name, value) in query::pairs(&parts.uri).map_err(|error| error.to_string())? {
            options.set(&name, &value).map_err(|error| error.to_string())?;
        }
        let _ = key::of(&parts.headers).map_err(refused)?;
        let (chosen, received) =
            incoming.take(&meter, options, Sink::Nowhere, LIMIT, 5).await.map_err(refused)?;
        let print = key::fingerprint(&received, &chosen);
        assert_eq!((print.len(), received.sha256.len()), (64, 64));
        assert!(received.bytes > 0 && received.bytes <= LIMIT);
        Ok((chosen.title, chosen.file_stem))
    })
}

/// True where the outcome of [`upload`] may be shown, stored and written into RTTM.
pub fn is_harmless(outcome: &Result<(String, String), String>) -> bool {
    let plain = |text: &str| text.chars().all(diarization::labels::is_printable);
    match outcome {
        Ok((title, stem)) => {
            plain(title)
                && plain(stem)
                && title.chars().count() <= 300
                && !stem.is_empty()
                && stem.chars().count() <= 200
                && !stem.contains(['/', '\\'])
        }
        Err(words) => words.len() < 20_000,
    }
}

/// Form of [`upload`]'s request: the boundary is `b`.
pub fn form(body: &str) -> Vec<u8> {
    let kind = header::CONTENT_TYPE;
    format!("title=t\n{kind}: multipart/form-data; boundary=b\n\n{body}").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seam_is_the_way_of_an_upload() {
        let body = "--b\r\ncontent-disposition: form-data; name=\"file\"; filename=\"../a b.wav\"\r\n\r\nbytes\r\n--b--\r\n";
        assert_eq!(upload(&form(body)), Ok(("t".to_owned(), "a b".to_owned())));
        assert_eq!(upload(b"file_name=x.wav\n\nbytes"), Ok(("x.wav".to_owned(), "x".to_owned())));
        assert!(upload(b"speakers=2\n\nbytes").expect_err("is refused").contains("'speakers'"));
    }

    #[test]
    fn what_fuzzing_has_found_stays_harmless() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/fuzz");
        let mut tried = 0;
        for entry in std::fs::read_dir(&folder).expect("the inputs are there") {
            let path = entry.expect("an entry").path();
            let outcome = upload(&std::fs::read(&path).expect("reads"));
            assert!(is_harmless(&outcome), "{}: {outcome:?}", path.display());
            tried += 1;
        }
        assert!(tried > 0);
    }
}
