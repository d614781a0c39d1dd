//! Composing: the parts of a resumable upload become one object, and that a recording.
//!
//! The object store cannot append, so what has come is read once more and hashed on its way into the object. Whoever finds an
//! upload whole and nobody at it does this: the request that brought the last byte, one that asks how far the upload is, or
//! upkeep. Wherever it dies, the parts are still there and the next one begins anew; two at once store the same bytes.

use crate::context::{Context, folder};
use crate::recordings::resumable::{self, Composing, Part, Whole};
use crate::thread::Died;
use crate::upkeep::uploads;
use bytes::Bytes;
use futures::{Stream, StreamExt, TryStreamExt, stream};
use service_kit::object_store::{StoreError, StreamError};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinError;
use uuid::Uuid;

/// Time between two looks whether another process has finished putting the upload together.
const LOOK: Duration = Duration::from_millis(250);

/// Reason for which a whole upload is no recording yet.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ComposeError {
    #[error("the database cannot be reached: {0}")]
    Database(#[from] sqlx::Error),
    #[error("{0}")]
    Store(#[from] StoreError),
    #[error("another process is still putting it together")]
    Others,
    #[error("{0}")]
    Panicked(#[from] JoinError),
    #[error("{0}")]
    Died(#[from] Died),
}

impl ComposeError {
    /// True where a part is missing from the store, or has another size than the one stored.
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_not_found() || matches!(error, StoreError::Size { .. }))
    }
}

/// Sees to it that a whole upload is a recording; false where there is no such upload, or not all of it has come. Waits up to
/// `patience` for another one that is at it. Runs to its end even when nobody waits for it any more.
pub(crate) async fn finish(
    context: &Arc<Context>,
    upload: Uuid,
    patience: Duration,
) -> Result<bool, ComposeError> {
    let context = context.clone();
    let finishing = async move {
        let started = Instant::now();
        let mut missing = false;
        loop {
            let shared = context.clone();
            match context.changes.run_in_turn(async move || resumable::hold(&shared, upload).await).await?? {
                Composing::Recording => return Ok(true),
                Composing::None => return Ok(false),
                Composing::Ours(whole) => match held(&context, *whole).await {
                    // Somebody whom we took for dead has finished, and cleared the parts away.
                    Err(error) if error.is_missing() && !missing => missing = true,
                    outcome => return outcome,
                },
                Composing::Others if started.elapsed() >= patience => return Err(ComposeError::Others),
                Composing::Others => tokio::time::sleep(LOOK).await,
            }
        }
    };
    tokio::spawn(finishing).await?
}

/// Makes a recording of an upload that is held, and lets go of it.
async fn held(context: &Arc<Context>, whole: Whole) -> Result<bool, ComposeError> {
    let upload = whole.recording.id;
    let renewing = {
        let context = context.clone();
        tokio::spawn(async move { resumable::renew(&context, upload).await })
    };
    let outcome = compose(context, whole).await;
    renewing.abort();
    if outcome.is_err() {
        resumable::release(context, upload).await;
    }
    outcome
}

async fn compose(context: &Arc<Context>, whole: Whole) -> Result<bool, ComposeError> {
    let Whole { mut recording, parts } = whole;
    let (upload, started) = (recording.id, Instant::now());
    let mut hash = Sha256::new();
    let bytes = one_behind_the_other(context, parts).inspect_ok(|bytes| hash.update(bytes));
    match context.objects.put_stream(&recording.object, bytes).await {
        Ok(stored) if stored == recording.bytes => {}
        Ok(found) => {
            let (object, stored) = (recording.object, recording.bytes);
            return Err(StoreError::Size { object, found, stored }.into());
        }
        Err(StreamError::Source(error) | StreamError::Store(error)) => return Err(error.into()),
    }
    recording.sha256 = hex::encode(hash.finalize());
    let (shared, new) = (context.clone(), recording.clone());
    let accepted =
        context.changes.run_in_turn(async move || resumable::accept(&shared, &new).await).await??;
    if accepted {
        let seconds = started.elapsed().as_secs_f64();
        tracing::info!(recording = %upload, bytes = recording.bytes, seconds, "upload accepted");
        metrics::counter!("throughline_uploads_total").increment(1);
        clear_away(context, upload);
    } else {
        // Deleted meanwhile; what we have stored since goes as well.
        context.objects.delete_folder(&folder(upload)).await?;
    }
    Ok(accepted)
}

/// Deletes the parts, which nobody waits for; upkeep does it where this does not come to its end.
fn clear_away(context: &Arc<Context>, upload: Uuid) {
    let (context, shared) = (context.clone(), context.clone());
    tokio::spawn(async move {
        let cleared = shared.erasures.run_in_turn(async move || uploads::clear(&context, upload).await).await;
        let error = match cleared {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        };
        tracing::warn!(%upload, error, "the parts of an upload are not yet deleted; will be tried again");
    });
}

/// The bytes of all parts; one of them is open at a time.
fn one_behind_the_other(
    context: &Arc<Context>,
    parts: Vec<Part>,
) -> impl Stream<Item = Result<Bytes, StoreError>> + Send + use<> {
    let objects = context.objects.clone();
    stream::iter(parts)
        .then(move |part| {
            let objects = objects.clone();
            async move { objects.read(&part.object, part.bytes).await }
        })
        .try_flatten()
}
