//! Decode: takes a recording's upload apart into chunks and orders their analysis while decoding still goes on.
//!
//! Any ingest process can take over from one that died: it decodes again, and the rows that are there already say which chunks are
//! stored. Every write is fenced by the run, so a job of an older run changes nothing. Decoding goes on only so far ahead of the
//! workers ([`pace`]); past that it waits, or is given up and ordered again later ([`crate::release`]).

mod pace;
pub mod peaks;
mod progress;
pub mod reader;
pub mod scratch;

use crate::context::{Context, folder};
use crate::upkeep::identity;
use bytes::Bytes;
use diarization::audio::Wish;
use diarization::pcm;
use pace::{Pace, Room};
use progress::Decoding;
use reader::{Fault, Reading, ReadyChunk, Whole};
use scratch::Scratch;
use service_kit::budget::{Budget, BudgetError};
use service_kit::consumer::{self, Subscription};
use service_kit::messages::DecodeJob;
use service_kit::object_store::StoreError;
use service_kit::topology;
use service_kit::transaction;
use service_kit::verdict::Verdict;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout_at;
use tracing::Instrument;

/// Longest wait for the store to show that it takes anything.
const PROBE_WITHIN: Duration = Duration::from_secs(30);

/// Time between two looks whether the recording is still to be decoded.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Longest time from the end of the decoder to the request that this process stops, for both to count as stopped together.
const STOPPED_TOGETHER: Duration = Duration::from_secs(1);

/// Reason for which decoding ended early.
enum Stop {
    /// The recording is deleted, cancelled, failed, completed or in another run.
    Stale,
    /// The file cannot become a recording; the words are for the uploader.
    Fault(String),
    /// The server's fault; another attempt may succeed.
    Retry(String),
    /// The database is away.
    Away(String),
    /// The recording is locked elsewhere.
    Locked(String),
    /// The object store failed, or the folder for temporary files.
    Store(String),
}

impl From<sqlx::Error> for Stop {
    fn from(error: sqlx::Error) -> Self {
        let why = format!("database: {error}");
        if transaction::is_locked(&error) {
            Self::Locked(why)
        } else if transaction::is_outage(&error) {
            Self::Away(why)
        } else {
            Self::Retry(why)
        }
    }
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        // A disk that has no room for a chunk may well have some for a probe.
        if error.is_full() { Self::Away(error.to_string()) } else { Self::Store(error.to_string()) }
    }
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::File(words) => Self::Fault(words),
            Fault::Server(why) => Self::Retry(why),
        }
    }
}

/// The time-out of a job, which must nest in the broker's.
pub fn budget(decode_within: Duration) -> Result<Budget, BudgetError> {
    Budget::of(&[
        ("waiting for other decodings", pace::TURN_WITHIN),
        ("decoding", decode_within),
        ("probing the object store", PROBE_WITHIN),
    ])
}

/// Consumes decode jobs until shutdown.
pub(crate) async fn run(context: Arc<Context>, budget: Budget) -> anyhow::Result<()> {
    let queue = topology::DECODE.to_owned();
    let (surroundings, pauses) = (context.surroundings.clone(), context.pauses.clone());
    let subscription = Subscription { queue, budget, surroundings, pauses, sends_on: false };
    let consume = || {
        consumer::run(&context.broker, &subscription, &context.shutdown, async |delivery| {
            let job = match delivery.message() {
                Ok(job) => job,
                Err(verdict) => return verdict,
            };
            let program = context.decoder.clone();
            handle(&context, job, |upload, wish, blocks, hours| {
                reader::read(program, upload, wish, blocks, hours)
            })
            .await
        })
    };
    // Those that wait for workers do not keep others from being decoded.
    let at_once = context.work.decoders + context.work.held_decodings;
    futures::future::join_all((0..at_once).map(|_| consume())).await;
    Ok(())
}

/// Does one job; `read` starts the decoding of an upload, given what is wanted of its channels, blocks per chunk and the most hours.
pub async fn handle(
    context: &Context,
    job: DecodeJob,
    read: impl FnOnce(Scratch, Wish, usize, u32) -> Reading,
) -> Verdict {
    let span = tracing::info_span!("decode", recording = %job.recording, run = job.run);
    let outcome = async {
        let decoded = tokio::select! {
            biased;
            decoded = decode(context, &job, read) => decoded,
            () = unwanted(context, &job) => Err(Stop::Stale),
        };
        match decoded {
            Err(Stop::Fault(words)) => {
                tracing::info!(recording = %job.recording, failure = words, "the recording cannot be decoded");
                progress::fail(context, &job, &words).await.map_err(Stop::from)
            }
            Err(Stop::Stale) => clear_if_deleted(context, &job).await,
            other => other,
        }
    };
    match outcome.instrument(span).await {
        Ok(()) | Err(Stop::Stale) => Verdict::Done,
        Err(Stop::Retry(why) | Stop::Fault(why)) => Verdict::Retry(why),
        Err(Stop::Away(why)) => Verdict::Wait(why),
        Err(Stop::Locked(why)) => Verdict::Later(why),
        Err(Stop::Store(why)) => blame(context, why).await,
    }
}

/// Tells an object that cannot be read or stored from a store that is away or full.
async fn blame(context: &Context, why: String) -> Verdict {
    match tokio::time::timeout(PROBE_WITHIN, context.objects.takes()).await {
        Ok(Ok(())) => Verdict::Retry(why),
        _ => Verdict::Wait(why),
    }
}

async fn decode(
    context: &Context,
    job: &DecodeJob,
    read: impl FnOnce(Scratch, Wish, usize, u32) -> Reading,
) -> Result<(), Stop> {
    let Some(decoding) = progress::begin(context, job).await? else { return Err(Stop::Stale) };
    if decoding.ended {
        return Ok(());
    }
    let Some(mut pace) = Pace::begin(context, job, decoding.cut).await? else {
        return Ok(progress::park(context, job).await?);
    };
    let upload = Scratch::new().map_err(|error| Stop::Away(format!("temporary folder: {error}")))?;
    match context.objects.get_to_file(&decoding.upload_object, upload.path()).await {
        Err(error) if error.is_not_found() => {
            // A volume that is not mounted looks like an empty folder.
            return Err(match identity::check(context).await {
                Ok(()) => {
                    Stop::Fault("the uploaded file is no longer in the store; upload it again".to_owned())
                }
                Err(error) => Stop::Away(error.to_string()),
            });
        }
        // The folder for temporary files is full, which is not the recording's fault.
        Err(error) if error.is_full() => return Err(Stop::Away(format!("temporary folder: {error}"))),
        done => done?,
    }
    let too_slow = || {
        let seconds = context.decode_within.as_secs();
        Stop::Fault(format!(
            "decoding took longer than {seconds} seconds; convert the file to Opus or FLAC, or split it"
        ))
    };
    let mut reading = read(upload, decoding.wish, decoding.chunk_blocks, context.max_hours);
    while let Some(chunk) =
        timeout_at(pace.deadline(), reading.chunks.recv()).await.map_err(|_| too_slow())?
    {
        if chunk.index < decoding.cut {
            continue;
        }
        if pace.room(context, job).await? == Room::NotNow {
            tracing::info!(recording = %job.recording, chunk = chunk.index, "enough is cut: decoded on later");
            return Ok(progress::park(context, job).await?);
        }
        store(context, job, &decoding, chunk).await?;
    }
    let whole = match timeout_at(pace.deadline(), reading.whole()).await.map_err(|_| too_slow())? {
        Err(Fault::Server(why)) => return Err(unless_stopping(context, why).await),
        whole => whole?,
    };
    end(context, job, &whole).await
}

/// A decoder that is stopped together with this process, by whoever stops both, has not failed: no attempt is counted.
async fn unless_stopping(context: &Context, why: String) -> Stop {
    match tokio::time::timeout(STOPPED_TOGETHER, context.shutdown.asked()).await {
        Ok(()) => Stop::Away(why),
        Err(_) => Stop::Retry(why),
    }
}

async fn store(
    context: &Context,
    job: &DecodeJob,
    decoding: &Decoding,
    chunk: ReadyChunk,
) -> Result<(), Stop> {
    let span = tracing::info_span!("store chunk", chunk = chunk.index);
    async {
        let order = decoding.job_for(job, &chunk);
        let bytes = if decoding.is_packed() { chunk.bytes } else { unpacked(&chunk) };
        context.objects.put(&order.object, bytes).await?;
        if !progress::order(context, &order).await? {
            return Err(Stop::Stale);
        }
        context.wake.up();
        metrics::counter!("throughline_chunks_stored_total").increment(1);
        Ok(())
    }
    .instrument(span)
    .await
}

/// The samples of a chunk for workers of the releases before samples were packed: f32, little-endian.
fn unpacked(chunk: &ReadyChunk) -> Bytes {
    let each = pcm::packed_len(chunk.samples as usize).max(1);
    let samples = chunk.bytes.chunks(each).flat_map(pcm::unpack);
    samples.flat_map(f32::to_le_bytes).collect::<Vec<u8>>().into()
}

async fn end(context: &Context, job: &DecodeJob, whole: &Whole) -> Result<(), Stop> {
    progress::end(context, job, whole).await?;
    context.wake.up();
    tracing::info!(recording = %job.recording, samples = whole.samples, chunks = whole.chunks, "decoded");
    Ok(())
}

/// Returns when the recording is no longer to be decoded in this run: cancelled, deleted, or to be processed anew.
async fn unwanted(context: &Context, job: &DecodeJob) {
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        // A database that is away says nothing.
        if matches!(progress::is_wanted(context, job).await, Ok(false)) {
            tracing::info!(recording = %job.recording, "nobody wants it decoded any more");
            return;
        }
    }
}

/// A chunk may have been stored after its recording was deleted, and nobody else would know of it.
async fn clear_if_deleted(context: &Context, job: &DecodeJob) -> Result<(), Stop> {
    if !progress::exists(context, job.recording).await? {
        context.objects.delete_folder(&folder(job.recording)).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Error, ErrorKind};

    #[test]
    fn a_full_disk_counts_no_attempt_even_where_a_probe_would_still_fit() {
        let stop = |kind| Stop::from(StoreError::Io(Error::from(kind)));
        assert!(matches!(stop(ErrorKind::StorageFull), Stop::Away(_)));
        assert!(matches!(stop(ErrorKind::QuotaExceeded), Stop::Away(_)));
        assert!(matches!(stop(ErrorKind::PermissionDenied), Stop::Store(_)));
    }
}
