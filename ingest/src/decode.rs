//! Decode: takes a recording's upload apart into chunks and orders their analysis while decoding still goes on.
//!
//! Any ingest process can take over from one that died: it decodes again and stores the same objects again, and the rows that
//! are there already say which jobs were ordered. Every write is fenced by the run, so a job of an older run changes nothing.

mod progress;
mod reader;

use crate::context::{Context, folder};
use progress::Decoding;
use reader::{Fault, ReadyChunk, Whole};
use service_kit::consumer::{self, Subscription};
use service_kit::messages::DecodeJob;
use service_kit::object_store::StoreError;
use service_kit::topology;
use service_kit::verdict::Verdict;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};
use tracing::Instrument;

/// Budget of one recording, below the half hour after which the broker takes the job away.
const DECODE_WITHIN: Duration = Duration::from_secs(25 * 60);

/// Why decoding ended early.
enum Stop {
    /// The recording is deleted, failed, completed or in another run.
    Stale,
    /// The file cannot become a recording; the words are for the uploader.
    Fault(String),
    /// The server's fault; another attempt may succeed.
    Retry(String),
}

impl From<sqlx::Error> for Stop {
    fn from(error: sqlx::Error) -> Self {
        Self::Retry(format!("database: {error}"))
    }
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Self::Retry(error.to_string())
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

/// Consumes decode jobs until shutdown.
pub(crate) async fn run(context: Arc<Context>) -> anyhow::Result<()> {
    let subscription = Subscription { queue: topology::DECODE.to_owned(), prefetch: 1 };
    consumer::run(&context.broker, &subscription, &context.shutdown, async |delivery| {
        let job = match delivery.message() {
            Ok(job) => job,
            Err(verdict) => return verdict,
        };
        handle(&context, job).await
    })
    .await;
    Ok(())
}

async fn handle(context: &Context, job: DecodeJob) -> Verdict {
    let span = tracing::info_span!("decode", recording = %job.recording, run = job.run);
    let outcome = async {
        match decode(context, &job).await {
            Err(Stop::Fault(words)) => {
                tracing::info!(recording = %job.recording, failure = words, "the recording cannot be decoded");
                progress::fail(context, &job, &words).await.map_err(Stop::from)
            }
            Err(Stop::Stale) => clear_if_deleted(context, &job).await,
            other => other,
        }
    };
    match outcome.instrument(span).await {
        Ok(()) => Verdict::Done,
        Err(Stop::Retry(why) | Stop::Fault(why)) => Verdict::Retry(why),
        Err(Stop::Stale) => Verdict::Done,
    }
}

async fn decode(context: &Context, job: &DecodeJob) -> Result<(), Stop> {
    let Some(decoding) = progress::begin(context, job).await? else { return Err(Stop::Stale) };
    if decoding.ended {
        return Ok(());
    }
    let upload =
        tempfile::NamedTempFile::new().map_err(|error| Stop::Retry(format!("temporary folder: {error}")))?;
    match context.objects.get_to_file(&decoding.upload_object, upload.path()).await {
        Err(error) if error.is_not_found() => {
            return Err(Stop::Fault(
                "the uploaded file is no longer in the store; upload it again".to_owned(),
            ));
        }
        done => done?,
    }
    let deadline = Instant::now() + DECODE_WITHIN;
    let too_slow = || {
        let minutes = DECODE_WITHIN.as_secs() / 60;
        Stop::Fault(format!(
            "decoding took longer than {minutes} minutes; convert the file to Opus or FLAC, or split it"
        ))
    };
    let mut reading = reader::read(upload, decoding.chunk_blocks, context.max_hours);
    while let Some(chunk) = timeout_at(deadline, reading.chunks.recv()).await.map_err(|_| too_slow())? {
        store(context, job, &decoding, chunk).await?;
    }
    let whole = timeout_at(deadline, reading.whole()).await.map_err(|_| too_slow())??;
    end(context, job, &whole).await
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
        context.objects.put(&order.object, chunk.bytes).await?;
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

async fn end(context: &Context, job: &DecodeJob, whole: &Whole) -> Result<(), Stop> {
    progress::end(context, job, whole).await?;
    context.wake.up();
    tracing::info!(recording = %job.recording, samples = whole.samples, chunks = whole.chunks, "decoded");
    Ok(())
}

/// A chunk may have been stored after its recording was deleted, and nobody else would know of it.
async fn clear_if_deleted(context: &Context, job: &DecodeJob) -> Result<(), Stop> {
    if !progress::exists(context, job.recording).await? {
        context.objects.delete_folder(&folder(job.recording)).await?;
    }
    Ok(())
}
