//! Job: one chunk from the queue to the matcher.

use crate::activity::{Activity, Stages};
use crate::inference::{Analysed, Inference, InferenceError};
use crate::kept::{Finished, Kept};
use diarization::analysis::CONFIGURATION;
use diarization::blocks::{Chunk, MAX_CHUNK_BLOCKS, SAMPLE_RATE, WINDOW_SAMPLES};
use diarization::channels::MOST_SIDES;
use diarization::pcm;
use service_kit::budget::{Budget, BudgetError, CONFIRM_WITHIN};
use service_kit::delivery::Delivery;
use service_kit::messages::{ChunkAnalysed, ChunkJob};
use service_kit::object_store::{Objects, STORE_ID, StoreError};
use service_kit::publisher::Publisher;
use service_kit::shutdown::Shutdown;
use service_kit::topology;
use service_kit::verdict::Verdict;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::time::timeout;

/// Longest that fetching a chunk may take.
const FETCH_WITHIN: Duration = Duration::from_secs(120);
/// Index of publishing among the [`Stages`] of a chunk.
const PUBLISHING: usize = 4;

/// Resources that jobs need.
pub struct Worker {
    /// Store of the chunks.
    pub objects: Objects,
    /// Publisher of the analyses.
    pub publisher: Publisher,
    /// Model version loaded.
    pub model_version: String,
    /// Longest that an inference may take.
    pub inference_within: Duration,
    /// Asked for when this worker is of no more use.
    pub shutdown: Shutdown,
    /// True once this worker is of no more use.
    pub broken: AtomicBool,
    /// Noted for the heartbeats.
    pub activity: Activity,
    /// Analyses that were finished last.
    pub kept: Kept,
}

/// The time-outs of a job, which must nest in the broker's.
pub fn budget(inference_within: Duration) -> Result<Budget, BudgetError> {
    // A failed inference is followed by one that tells whether the models still work.
    let steps = [
        ("fetching a chunk", FETCH_WITHIN),
        ("asking the store whether it is there at all", FETCH_WITHIN),
        ("an inference", inference_within),
        ("a trial inference", inference_within),
        ("publishing", CONFIRM_WITHIN),
    ];
    Budget::of(&steps)
}

impl Worker {
    /// Handles one delivery on `inference`. Done means that the broker has confirmed the analysis.
    pub async fn handle(&self, delivery: Delivery, inference: &Inference) -> Verdict {
        match self.try_handle(&delivery, inference).await {
            Ok(()) => Verdict::Done,
            Err(verdict) => verdict,
        }
    }

    #[tracing::instrument(name = "analyse chunk", skip_all, fields(recording, chunk))]
    async fn try_handle(&self, delivery: &Delivery, inference: &Inference) -> Result<(), Verdict> {
        let job: ChunkJob = delivery.message()?;
        tracing::Span::current().record("recording", job.recording.to_string()).record("chunk", job.chunk);
        let attempt = delivery.past.attempts() + 1;
        let _in_hand = self.activity.begin(job.recording, job.chunk);
        let finished = match self.kept.answer(&job) {
            Some(finished) => {
                tracing::debug!(recording = %job.recording, chunk = job.chunk, attempt, "chunk was analysed before");
                finished
            }
            None => {
                tracing::info!(recording = %job.recording, chunk = job.chunk, attempt, "chunk taken");
                self.analyse(job, inference).await?
            }
        };
        self.send(&finished).await
    }

    /// Analyses a chunk, and keeps what comes of it.
    async fn analyse(&self, job: ChunkJob, inference: &Inference) -> Result<Arc<Finished>, Verdict> {
        let chunk = fitting(&job, &self.model_version).map_err(Verdict::Reject)?;
        let started = Instant::now();
        let channels = channels(&self.fetch(&job).await?, job.channels as usize);
        let fetched = started.elapsed();
        let analysed = self.infer(inference, chunk, channels).await?;
        let analysis =
            rmp_serde::to_vec_named(&analysed.blocks).map_err(|error| Verdict::Reject(error.to_string()))?;
        metrics::counter!("throughline_chunks_analysed_total").increment(1);
        metrics::counter!("throughline_audio_analysed_seconds_total").increment(seconds(&job).round() as u64);
        let message = ChunkAnalysed {
            recording: job.recording,
            run: job.run,
            chunk: job.chunk,
            model_version: job.model_version.clone(),
            configuration: job.configuration.clone(),
            analysis,
        };
        Ok(self.kept.keep(Finished::new(job, message, stages(fetched, &analysed))))
    }

    /// Sends what came of a chunk to the matcher. What cannot be sent now is here when the job is handed out again.
    async fn send(&self, finished: &Finished) -> Result<(), Verdict> {
        let publishing = Instant::now();
        let message = &finished.message;
        let sent = self.publisher.publish(topology::MATCH, message).await;
        sent.map_err(|error| Verdict::Wait(error.to_string()))?;
        let seconds = seconds(&finished.job);
        let again = !finished.note_sent();
        if !again {
            let mut stages = finished.stages;
            stages[PUBLISHING].1 = publishing.elapsed().as_secs_f64();
            for (stage, seconds) in stages {
                metrics::histogram!("throughline_stage_seconds", "stage" => stage).record(seconds);
            }
            self.activity.done(seconds, stages, Instant::now());
        }
        tracing::info!(recording = %message.recording, chunk = message.chunk, seconds, again, "chunk analysed");
        Ok(())
    }

    async fn fetch(&self, job: &ChunkJob) -> Result<bytes::Bytes, Verdict> {
        let bytes = pcm::packed_len(job.samples as usize) as u64 * u64::from(job.channels);
        match timeout(FETCH_WITHIN, self.objects.get_sized(&job.object, bytes)).await {
            Ok(Ok(bytes)) => Ok(bytes),
            Ok(Err(error)) if error.is_not_found() => Err(self.missing(&job.object).await),
            Ok(Err(error @ StoreError::Size { .. })) => Err(Verdict::Retry(error.to_string())),
            Ok(Err(error)) => Err(self.blame(error.to_string()).await),
            Err(_) => Err(self
                .blame(format!("the object store took longer than {} s", FETCH_WITHIN.as_secs()))
                .await),
        }
    }

    /// Tells an object that is gone (deleted with its recording, and then nobody misses it) from a store that is: a volume that is not
    /// mounted looks like an empty folder.
    async fn missing(&self, object: &str) -> Verdict {
        match timeout(FETCH_WITHIN, self.objects.has(STORE_ID)).await {
            Ok(Ok(true)) => Verdict::Reject(format!("the chunk is not in the object store: {object}")),
            Ok(Ok(false)) => Verdict::Wait(format!(
                "neither {object} nor '{STORE_ID}' is in the object store; is it mounted, and the one that ingest uses?"
            )),
            Ok(Err(error)) => Verdict::Wait(error.to_string()),
            Err(_) => {
                Verdict::Wait(format!("the object store took longer than {} s", FETCH_WITHIN.as_secs()))
            }
        }
    }

    /// Tells an object that cannot be read from a store that is away.
    async fn blame(&self, why: String) -> Verdict {
        match timeout(FETCH_WITHIN, self.objects.answers()).await {
            Ok(Ok(())) => Verdict::Retry(why),
            _ => Verdict::Wait(why),
        }
    }

    async fn infer(
        &self,
        inference: &Inference,
        chunk: Chunk,
        channels: Vec<Vec<f32>>,
    ) -> Result<Analysed, Verdict> {
        let why = match timeout(self.inference_within, inference.analyse(chunk, channels)).await {
            Ok(Ok(analysed)) => return Ok(analysed),
            Ok(Err(error @ InferenceError::Crashed)) => return Err(Verdict::Retry(error.to_string())),
            Ok(Err(error)) => error.to_string(),
            Err(_) => {
                self.give_up("an inference hangs, and a thread that hangs cannot be stopped");
                let seconds = self.inference_within.as_secs();
                return Err(Verdict::Retry(format!("the inference did not end within {seconds} s")));
            }
        };
        match timeout(self.inference_within, trial(inference)).await {
            Ok(Ok(())) => Err(Verdict::Retry(why)),
            // Nothing can be inferred here any more: the chunk is innocent.
            _ => {
                self.give_up("the models no longer infer anything");
                Err(Verdict::Wait(why))
            }
        }
    }

    /// Ends this worker, for whoever supervises it to start a sound one; what it holds goes to others.
    fn give_up(&self, why: &str) {
        tracing::error!(why, "ending this worker");
        self.broken.store(true, Ordering::Relaxed);
        self.shutdown.ask();
    }
}

/// Seconds of audio of a chunk.
fn seconds(job: &ChunkJob) -> f64 {
    job.samples as f64 / f64::from(SAMPLE_RATE)
}

/// Seconds of each stage of a chunk, before it was published. Features are all that the analysis does besides the models: filter
/// banks by far the most.
fn stages(fetched: Duration, analysed: &Analysed) -> Stages {
    let models = analysed.models;
    let features = analysed.whole.saturating_sub(models.segmentation + models.embedding);
    [
        ("fetch", fetched.as_secs_f64()),
        ("segmentation", models.segmentation.as_secs_f64()),
        ("features", features.as_secs_f64()),
        ("embedding", models.embedding.as_secs_f64()),
        ("publish", 0.0),
    ]
}

/// Infers something that every model can.
pub async fn trial(inference: &Inference) -> Result<(), InferenceError> {
    inference.analyse(Chunk { first_block: 0, blocks: 1 }, vec![vec![0.0; WINDOW_SAMPLES]]).await.map(|_| ())
}

/// The chunk of `job`, if this program can analyse it; otherwise why not.
pub fn fitting(job: &ChunkJob, model_version: &str) -> Result<Chunk, String> {
    if job.model_version != model_version {
        return Err(format!(
            "the job wants model '{}', this worker has '{model_version}'",
            job.model_version
        ));
    }
    if job.configuration != CONFIGURATION {
        return Err(format!(
            "the job wants configuration '{}', this worker has '{CONFIGURATION}'",
            job.configuration
        ));
    }
    let blocks = job.blocks as usize;
    if !(1..=MAX_CHUNK_BLOCKS).contains(&blocks) {
        return Err(format!("a chunk has 1 to {MAX_CHUNK_BLOCKS} blocks, not {blocks}"));
    }
    let channels = job.channels;
    if !(1..=MOST_SIDES).contains(&(channels as usize)) {
        return Err(format!("a chunk has 1 or {MOST_SIDES} channels, not {channels}"));
    }
    let chunk = Chunk { first_block: job.first_block as usize, blocks };
    if job.samples == 0 || job.samples > chunk.sample_range().len() as u64 {
        return Err(format!("a chunk of {blocks} blocks cannot have {} samples", job.samples));
    }
    Ok(chunk)
}

/// The samples in `bytes` of each of so many channels, one behind the other.
fn channels(bytes: &[u8], channels: usize) -> Vec<Vec<f32>> {
    let each = (bytes.len() / channels.max(1)).max(1);
    bytes.chunks(each).map(pcm::unpack).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job() -> ChunkJob {
        ChunkJob {
            recording: uuid::Uuid::nil(),
            run: 1,
            chunk: 0,
            first_block: 0,
            blocks: 5,
            object: "x".into(),
            samples: 1000,
            channels: 1,
            model_version: "m".into(),
            configuration: CONFIGURATION.into(),
        }
    }

    #[test]
    fn a_job_for_another_model_or_configuration_is_refused() {
        assert!(fitting(&job(), "m").is_ok());
        assert!(fitting(&job(), "other").is_err());
        assert!(fitting(&ChunkJob { configuration: "old".into(), ..job() }, "m").is_err());
    }

    #[test]
    fn a_job_cannot_make_the_worker_hold_more_than_a_chunk() {
        assert!(fitting(&ChunkJob { blocks: 0, ..job() }, "m").is_err());
        assert!(fitting(&ChunkJob { blocks: 21, ..job() }, "m").is_err());
        assert!(fitting(&ChunkJob { samples: 10_000_000, ..job() }, "m").is_err());
        for channels in [0, 3, 64, u32::MAX] {
            let why = fitting(&ChunkJob { channels, ..job() }, "m").expect_err("is refused");
            assert!(why.contains(&format!("1 or 2 channels, not {channels}")), "{why}");
        }
        assert!(fitting(&ChunkJob { channels: 2, ..job() }, "m").is_ok());
    }

    #[test]
    fn samples_are_read_as_ingest_writes_them() {
        let mut bytes = Vec::new();
        pcm::pack(&[0.5, -1.0], &mut bytes);
        assert_eq!(channels(&bytes, 1), [[0.5, -1.0]]);
        pcm::pack(&[0.0, 0.25], &mut bytes);
        assert_eq!(channels(&bytes, 2), [[0.5, -1.0], [0.0, 0.25]]);
    }

    #[test]
    fn the_time_outs_nest_until_an_inference_may_outlast_the_broker() {
        assert!(budget(Duration::from_secs(300)).is_ok());
        assert!(budget(Duration::from_secs(1200)).is_err());
    }

    #[test]
    fn a_store_that_is_away_is_found_out_within_the_job_however_short_inferences_are() {
        let job = budget(Duration::from_secs(1)).expect("fits").job();
        assert!(job > 2 * FETCH_WITHIN + CONFIRM_WITHIN, "{job:?}");
    }
}
