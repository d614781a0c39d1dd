//! Receive: the bytes of a PATCH on their way into the object store, in parts of which each counts as soon as it is stored.

use crate::context::Context;
use crate::http::meter::{Broken, Meter};
use crate::http::problem::ApiError;
use crate::http::upload::HEAR_OUT;
use crate::recordings::resumable::{self, Part, Progress, parts_folder};
use axum::body::Body;
use axum::http::{HeaderMap, header};
use bytes::{Bytes, BytesMut};
use futures::stream::BoxStream;
use futures::{Stream, StreamExt};
use std::fmt::Display;
use std::sync::Arc;
use uuid::Uuid;

/// Bytes of a part: what a process that dies loses of an upload at most.
const PART: usize = 8 << 20;
/// Parts that may be smaller than that.
const SMALL_PARTS: u64 = 10_000;

/// End of the bytes of a part.
#[derive(Debug, PartialEq, Eq)]
enum End {
    /// The part is full.
    Full,
    /// There are no more.
    Last,
    /// No more are taken in this request; the client goes on with another.
    Stopped,
    /// They broke off.
    Broken(String),
    /// More came than was announced.
    TooMuch,
}

/// The body of a request, which must keep coming.
pub(crate) struct Incoming {
    meter: Arc<Meter>,
    bytes: BoxStream<'static, Result<Bytes, Broken>>,
    /// True where the client waits to be asked for the body.
    waits: bool,
}

impl Incoming {
    pub fn of(context: &Context, headers: &HeaderMap, body: Body) -> Self {
        let meter = Meter::new(&context.limits);
        let bytes = meter.clone().watch(body.into_data_stream()).boxed();
        Self { meter, bytes, waits: headers.contains_key(header::EXPECT) }
    }

    /// Reads on for a while after a refusal, so that a client that sends all before it reads anything gets the answer.
    pub async fn hear_out(mut self) {
        if !self.waits {
            self.meter.drop_the_rest();
            let rest = async { while let Some(Ok(_)) = self.bytes.next().await {} };
            let _ = tokio::time::timeout(HEAR_OUT, rest).await;
        }
    }
}

/// Keeps what comes, from byte `progress.received` on; returns how far the upload is then. What came before an error is kept.
pub(crate) async fn receive(
    context: &Arc<Context>,
    upload: Uuid,
    progress: &Progress,
    incoming: &mut Incoming,
) -> Result<u64, ApiError> {
    let limit = progress.length.unwrap_or(context.max_upload_bytes);
    let (mut offset, mut parts) = (progress.received, progress.parts);
    loop {
        let (bytes, end) =
            next_part(&mut incoming.bytes, context.shutdown.asked(), limit.saturating_sub(offset)).await;
        if !bytes.is_empty() {
            let most = SMALL_PARTS + limit / PART as u64;
            if parts >= most {
                return Err(ApiError::TooManyParts(most));
            }
            offset = keep(context, upload, offset, bytes).await?;
            parts += 1;
        }
        match end {
            End::Full => {}
            End::Last | End::Stopped => return Ok(offset),
            End::TooMuch => return Err(ApiError::PastTheEnd(limit)),
            End::Broken(why) => {
                return match incoming.meter.refusal() {
                    // It was told how far it is, and goes on in another request.
                    Some(ApiError::TookTooLong(_)) => Ok(offset),
                    Some(ApiError::Stalled(seconds)) => {
                        Err(ApiError::Interrupted(format!("no data came for {seconds} seconds"), offset))
                    }
                    Some(ApiError::TooSlow(least)) => Err(ApiError::Interrupted(
                        format!("the data came with less than {least} bytes per second"),
                        offset,
                    )),
                    _ => Err(ApiError::Interrupted(format!("the upload broke off ({why})"), offset)),
                };
            }
        }
    }
}

/// Reads on until a part is full, of `left` bytes in all at most, or until `stop`.
async fn next_part<E: Display>(
    body: &mut (impl Stream<Item = Result<Bytes, E>> + Unpin),
    stop: impl Future<Output = ()>,
    left: u64,
) -> (Bytes, End) {
    let mut stop = std::pin::pin!(stop);
    let mut bytes = BytesMut::new();
    let end = loop {
        let next = tokio::select! {
            next = body.next() => next,
            () = &mut stop => break End::Stopped,
        };
        match next {
            None => break End::Last,
            Some(Err(error)) => break End::Broken(error.to_string()),
            Some(Ok(piece)) if (bytes.len() + piece.len()) as u64 > left => break End::TooMuch,
            Some(Ok(piece)) => bytes.extend_from_slice(&piece),
        }
        if bytes.len() >= PART {
            break End::Full;
        }
    };
    (bytes.freeze(), end)
}

/// Stores `bytes`, which begin at `offset`, and then moves the offset over them; returns where it is.
async fn keep(context: &Arc<Context>, upload: Uuid, offset: u64, bytes: Bytes) -> Result<u64, ApiError> {
    let length = bytes.len() as u64;
    // A name of its own: another one that is at the same offset must not be overwritten.
    let object = format!("{}/{offset:016}-{}", parts_folder(upload), Uuid::now_v7().simple());
    context.objects.put(&object, bytes).await?;
    let part = Part { object, first_byte: offset, bytes: length };
    let shared = context.clone();
    let appending = async move || {
        let appended = resumable::append(&shared, upload, &part).await;
        (part, appended)
    };
    let (part, appended) = context.changes.run_in_turn(appending).await?;
    if appended? {
        metrics::counter!("throughline_upload_bytes_total").increment(length);
        return Ok(offset + length);
    }
    // Whatever this leaves goes with the folder, at the latest.
    if let Err(error) = context.objects.delete(&part.object).await {
        tracing::warn!(%upload, %error, "a part that came too late could not be deleted");
    }
    match resumable::offset(context, upload).await? {
        Some(now) => Err(ApiError::WrongOffset(now, offset)),
        None => Err(ApiError::UnknownUpload(upload)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::stream;
    use std::future::{pending, ready};

    type Piece = Result<Bytes, std::io::Error>;

    fn pieces(count: usize, bytes: usize) -> impl Iterator<Item = Piece> {
        (0..count).map(move |_| Ok(Bytes::from(vec![7; bytes])))
    }

    #[tokio::test]
    async fn a_part_ends_when_it_is_full_and_with_the_body() {
        let mut body = stream::iter(pieces(5, PART / 2));
        for (bytes, end) in [(PART, End::Full), (PART, End::Full), (PART / 2, End::Last)] {
            let part = next_part(&mut body, pending(), u64::MAX).await;
            assert_eq!((part.0.len(), part.1), (bytes, end));
        }
    }

    #[tokio::test]
    async fn what_came_before_the_end_is_there_however_it_ended() {
        let broken = pieces(3, 10).chain([Err(std::io::Error::other("cut"))]);
        let (bytes, end) = next_part(&mut stream::iter(broken), pending(), 30).await;
        assert_eq!((bytes.len(), end), (30, End::Broken("cut".to_owned())));
        let (bytes, end) = next_part(&mut stream::iter(pieces(4, 10)), pending(), 39).await;
        assert_eq!((bytes.len(), end), (30, End::TooMuch));
        let mut silent = stream::iter(pieces(0, 0)).chain(stream::pending::<Piece>());
        assert_eq!(next_part(&mut silent, ready(()), 39).await, (Bytes::new(), End::Stopped));
    }
}
