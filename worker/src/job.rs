//! Job: one chunk from the queue to the matcher.

use crate::inference::{Inference, InferenceError};
use diarization::analysis::CONFIGURATION;
use diarization::blocks::{Chunk, MAX_CHUNK_BLOCKS, SAMPLE_RATE};
use service_kit::consumer::Delivery;
use service_kit::messages::{ChunkAnalysed, ChunkJob};
use service_kit::object_store::Objects;
use service_kit::publisher::Publisher;
use service_kit::topology;
use service_kit::verdict::Verdict;
use std::time::Duration;

/// Longest that an inference may take: well below the half hour after which the broker takes the job back, and some 50 times
/// what the longest chunk takes on one core.
const ANALYSE_WITHIN: Duration = Duration::from_secs(15 * 60);
/// Exit status of a worker whose inference hangs (EX_SOFTWARE).
const EXIT_HUNG: i32 = 70;

/// What jobs need.
pub struct Worker {
    /// Where chunks are.
    pub objects: Objects,
    /// Where analyses go.
    pub publisher: Publisher,
    /// Model version loaded.
    pub model_version: String,
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
        let chunk = fitting(&job, &self.model_version).map_err(Verdict::Reject)?;
        let bytes = match self.objects.get(&job.object).await {
            Ok(bytes) => bytes,
            // Deleted with its recording, and then nobody misses it; or this worker looks into another store than ingest.
            Err(error) if error.is_not_found() => {
                return Err(Verdict::Reject(format!("the chunk is not in the object store: {}", job.object)));
            }
            Err(error) => return Err(Verdict::Retry(error.to_string())),
        };
        let samples = samples(&bytes, job.samples).map_err(Verdict::Retry)?;
        let seconds = samples.len() as f64 / f64::from(SAMPLE_RATE);
        let blocks = within_budget(inference.analyse(chunk, samples)).await.map_err(|error| match error {
            InferenceError::Crashed => Verdict::Reject(error.to_string()),
            InferenceError::Model(_) | InferenceError::Stopped => Verdict::Retry(error.to_string()),
        })?;
        let analysis =
            rmp_serde::to_vec_named(&blocks).map_err(|error| Verdict::Reject(error.to_string()))?;
        let message = ChunkAnalysed {
            recording: job.recording,
            run: job.run,
            chunk: job.chunk,
            model_version: job.model_version,
            configuration: job.configuration,
            analysis,
        };
        self.publisher
            .publish(topology::MATCH, &message)
            .await
            .map_err(|error| Verdict::Retry(error.to_string()))?;
        metrics::counter!("throughline_chunks_analysed_total").increment(1);
        metrics::counter!("throughline_audio_analysed_seconds_total").increment(seconds.round() as u64);
        tracing::info!(recording = %message.recording, chunk = message.chunk, seconds, "chunk analysed");
        Ok(())
    }
}

/// Waits for an inference, but not for ever: a thread that hangs cannot be stopped, so the process ends. The broker counts the
/// attempt and gives the job to another worker, and whoever supervises this one starts it again.
async fn within_budget<T>(inference: impl Future<Output = T>) -> T {
    match tokio::time::timeout(ANALYSE_WITHIN, inference).await {
        Ok(outcome) => outcome,
        Err(_) => {
            tracing::error!(?ANALYSE_WITHIN, "an inference hangs; ending this worker");
            std::process::exit(EXIT_HUNG)
        }
    }
}

/// The chunk of `job`, if this program can analyse it; otherwise why not.
fn fitting(job: &ChunkJob, model_version: &str) -> Result<Chunk, String> {
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
    let chunk = Chunk { first_block: job.first_block as usize, blocks };
    if job.samples == 0 || job.samples > chunk.sample_range().len() as u64 {
        return Err(format!("a chunk of {blocks} blocks cannot have {} samples", job.samples));
    }
    Ok(chunk)
}

/// The samples in `bytes`: f32, little-endian, `expected` of them.
fn samples(bytes: &[u8], expected: u64) -> Result<Vec<f32>, String> {
    let (values, rest) = bytes.as_chunks::<4>();
    if values.len() as u64 != expected || !rest.is_empty() {
        return Err(format!(
            "the chunk's object has {} bytes where {expected} samples were stored",
            bytes.len()
        ));
    }
    Ok(values.iter().map(|value| f32::from_le_bytes(*value)).collect())
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
    }

    #[test]
    fn an_object_of_another_length_is_not_taken_for_the_chunk() {
        assert_eq!(samples(&[0, 0, 128, 63, 0, 0, 0, 0], 2), Ok(vec![1.0, 0.0]));
        assert!(samples(&[0; 8], 3).is_err());
        assert!(samples(&[0; 7], 1).is_err());
    }
}
