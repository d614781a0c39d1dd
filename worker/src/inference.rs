//! Inference: a thread that owns its models and does one chunk at a time.

use diarization::analysis::{self, BlockAnalysis};
use diarization::blocks::Chunk;
use diarization::features::FilterBank;
use diarization::onnx::{ModelError, Models};
use diarization::timed::{Taken, Timed};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// Reason that a chunk has no analysis.
#[derive(Debug, thiserror::Error)]
pub enum InferenceError {
    /// A model failed.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The analysis panicked; the thread lives on.
    #[error("the analysis crashed")]
    Crashed,
    /// The thread is gone.
    #[error("the inference thread has stopped")]
    Stopped,
}

struct Request {
    chunk: Chunk,
    channels: Vec<Vec<f32>>,
    reply: oneshot::Sender<Result<Analysed, InferenceError>>,
}

/// Analysis of a chunk, and the time that it took.
#[derive(Debug)]
pub struct Analysed {
    /// Analysis of each block.
    pub blocks: Vec<BlockAnalysis>,
    /// All of the analysis.
    pub whole: Duration,
    /// The models' part of it.
    pub models: Taken,
}

/// A handle on an inference thread. The thread ends when the last handle is dropped.
#[derive(Clone)]
pub struct Inference {
    requests: mpsc::SyncSender<Request>,
    /// Start of the chunk in hand; none while there is no chunk.
    busy_since: Arc<Mutex<Option<Instant>>>,
}

impl Inference {
    /// Starts a thread that owns `models`.
    pub fn start(mut models: Models) -> std::io::Result<Self> {
        let (send, requests) = mpsc::sync_channel::<Request>(0);
        let busy_since = Arc::new(Mutex::new(None));
        let busy = Arc::clone(&busy_since);
        std::thread::Builder::new().name("inference".into()).spawn(move || {
            let mut filter_bank = FilterBank::default();
            while let Ok(Request { chunk, channels, reply }) = requests.recv() {
                let started = Instant::now();
                set(&busy, Some(started));
                // A panic must cost one chunk, not the worker.
                let mut timed = Timed::new(&mut models, || started.elapsed());
                let outcome = catch_unwind(AssertUnwindSafe(|| {
                    analysis::analyse(&mut timed, &mut filter_bank, chunk, &channels)
                }));
                let (whole, models) = (started.elapsed(), timed.taken());
                let result = outcome.map_or(Err(InferenceError::Crashed), |analysed| {
                    Ok(Analysed { blocks: analysed?, whole, models })
                });
                metrics::histogram!("throughline_inference_seconds").record(whole.as_secs_f64());
                set(&busy, None);
                // Nobody waits any more when the job was given up; the next request counts.
                let _ = reply.send(result);
            }
        })?;
        Ok(Self { requests: send, busy_since })
    }

    /// Time since the chunk in hand was begun; `None` while there is no chunk.
    pub fn busy_for(&self) -> Option<Duration> {
        self.busy_since.lock().map_or(None, |since| *since).map(|since| since.elapsed())
    }

    /// Analyses `chunk`, each of whose channels has the samples of [`Chunk::sample_range`].
    pub async fn analyse(&self, chunk: Chunk, channels: Vec<Vec<f32>>) -> Result<Analysed, InferenceError> {
        let (reply, answer) = oneshot::channel();
        let send = self.requests.clone();
        let request = Request { chunk, channels, reply };
        // Handing over blocks while the thread is busy.
        let sent = tokio::task::spawn_blocking(move || send.send(request).is_ok()).await;
        match sent {
            Ok(true) => answer.await.unwrap_or(Err(InferenceError::Stopped)),
            _ => Err(InferenceError::Stopped),
        }
    }
}

fn set(busy: &Mutex<Option<Instant>>, since: Option<Instant>) {
    if let Ok(mut busy) = busy.lock() {
        *busy = since;
    }
}
