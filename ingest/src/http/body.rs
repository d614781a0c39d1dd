//! Body: the bytes of an upload on their way into the object store, counted and hashed as they pass.

use super::problem::ApiError;
use crate::context::Context;
use bytes::Bytes;
use futures::{Stream, StreamExt, stream};
use service_kit::object_store::StreamError;
use sha2::{Digest, Sha256};
use std::fmt::Display;
use std::time::Duration;

/// How long a client may send nothing.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is known of a body that is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stored {
    pub bytes: u64,
    pub sha256: String,
}

/// Counts and hashes what passes, up to a limit.
struct Tally {
    limit: u64,
    bytes: u64,
    hash: Sha256,
}

impl Tally {
    fn new(limit: u64) -> Self {
        Self { limit, bytes: 0, hash: Sha256::new() }
    }

    fn pass(&mut self, part: Bytes) -> Result<Bytes, ApiError> {
        self.bytes += part.len() as u64;
        if self.bytes > self.limit {
            return Err(ApiError::TooLarge(self.limit));
        }
        self.hash.update(&part);
        Ok(part)
    }
}

/// Streams `body` into `object`. On an error nothing is stored.
pub(crate) async fn store<E: Display>(
    context: &Context,
    object: &str,
    body: impl Stream<Item = Result<Bytes, E>> + Send,
) -> Result<Stored, ApiError> {
    let mut tally = Tally::new(context.max_upload_bytes);
    let parts = patient(body, PATIENCE).map(|part| tally.pass(part?));
    match context.objects.put_stream(object, parts).await {
        Ok(_) => {}
        Err(StreamError::Source(error)) => return Err(error),
        Err(StreamError::Store(error)) => return Err(error.into()),
    }
    if tally.bytes == 0 {
        return Err(ApiError::Empty);
    }
    metrics::counter!("throughline_upload_bytes_total").increment(tally.bytes);
    Ok(Stored { bytes: tally.bytes, sha256: hex::encode(tally.hash.finalize()) })
}

/// `body`, which ends with an error where the client goes away or falls silent.
fn patient<E: Display>(
    body: impl Stream<Item = Result<Bytes, E>> + Send,
    patience: Duration,
) -> impl Stream<Item = Result<Bytes, ApiError>> + Send {
    stream::try_unfold(Box::pin(body), move |mut body| async move {
        match tokio::time::timeout(patience, body.next()).await {
            Ok(None) => Ok(None),
            Ok(Some(Ok(part))) => Ok(Some((part, body))),
            Ok(Some(Err(error))) => Err(ApiError::BrokeOff(error.to_string())),
            Err(_) => Err(ApiError::Stalled(patience.as_secs())),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_of_just_the_limit_passes_and_one_byte_more_does_not() {
        let mut tally = Tally::new(4);
        assert!(tally.pass(Bytes::from_static(b"abcd")).is_ok());
        assert!(matches!(tally.pass(Bytes::from_static(b"e")), Err(ApiError::TooLarge(4))));
    }

    #[tokio::test]
    async fn a_client_that_falls_silent_is_given_up() {
        let silent = stream::pending::<Result<Bytes, std::io::Error>>();
        let mut parts = Box::pin(patient(silent, Duration::from_millis(5)));
        assert!(matches!(parts.next().await, Some(Err(ApiError::Stalled(0)))));
    }
}
