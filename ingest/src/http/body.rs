//! Body: the bytes of an upload on their way into the object store, counted and hashed as they pass.

use super::problem::ApiError;
use bytes::Bytes;
use futures::{Stream, StreamExt};
use service_kit::object_store::{Objects, StreamError};
use sha2::{Digest, Sha256};
use std::fmt::Display;

/// Size and digest of a body that has come in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Received {
    pub bytes: u64,
    pub sha256: String,
}

/// Destination of the bytes.
#[derive(Clone, Copy)]
pub(crate) enum Sink<'a> {
    /// Into this object of the store.
    Object(&'a Objects, &'a str),
    /// Nowhere: only what they are is wanted.
    Nowhere,
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

impl Sink<'_> {
    /// Takes `body`, of `limit` bytes at most. On an error nothing is stored.
    pub async fn take<E: Display>(
        self,
        limit: u64,
        body: impl Stream<Item = Result<Bytes, E>> + Send,
    ) -> Result<Received, ApiError> {
        let mut tally = Tally::new(limit);
        let parts = body.map(|part| tally.pass(part.map_err(|error| ApiError::BrokeOff(error.to_string()))?));
        match self {
            Sink::Object(objects, object) => match objects.put_stream(object, parts).await {
                Ok(_) => {}
                Err(StreamError::Source(error)) => return Err(error),
                Err(StreamError::Store(error)) => return Err(error.into()),
            },
            Sink::Nowhere => {
                let mut parts = std::pin::pin!(parts);
                while let Some(part) = parts.next().await {
                    part?;
                }
            }
        }
        if tally.bytes == 0 {
            return Err(ApiError::Empty);
        }
        metrics::counter!("throughline_upload_bytes_total").increment(tally.bytes);
        Ok(Received { bytes: tally.bytes, sha256: hex::encode(tally.hash.finalize()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::stream;

    #[test]
    fn a_body_of_just_the_limit_passes_and_one_byte_more_does_not() {
        let mut tally = Tally::new(4);
        assert!(tally.pass(Bytes::from_static(b"abcd")).is_ok());
        assert!(matches!(tally.pass(Bytes::from_static(b"e")), Err(ApiError::TooLarge(4))));
    }

    #[tokio::test]
    async fn what_goes_nowhere_is_counted_and_hashed_all_the_same() {
        let parts = || {
            stream::iter([
                Ok::<_, std::io::Error>(Bytes::from_static(b"s3")),
                Ok(Bytes::from_static(b"cret")),
            ])
        };
        let received = Sink::Nowhere.take(6, parts()).await.expect("is taken");
        assert_eq!((received.bytes, &received.sha256[..8]), (6, "1ec1c26b"));
        assert!(matches!(Sink::Nowhere.take(5, parts()).await, Err(ApiError::TooLarge(5))));
    }
}
