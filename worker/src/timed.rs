//! Timed: models that note how long they take. The analysis itself knows no clock.

use diarization::embedding::EmbeddingModel;
use diarization::onnx::ModelError;
use diarization::segmentation::SegmentationModel;
use std::time::{Duration, Instant};

/// Seconds of each stage of a chunk, in order.
pub type Stages = [(&'static str, f64); 5];

/// Time that models took, by model.
#[derive(Clone, Copy, Debug, Default)]
pub struct Taken {
    /// Finding who speaks when inside a window.
    pub segmentation: Duration,
    /// Voice vectors.
    pub embedding: Duration,
}

/// Models with a clock.
pub struct Timed<'a, M> {
    models: &'a mut M,
    taken: Taken,
}

impl<'a, M> Timed<'a, M> {
    /// Times `models` from nothing on.
    pub fn new(models: &'a mut M) -> Self {
        Self { models, taken: Taken::default() }
    }

    /// What they have taken so far.
    pub fn taken(&self) -> Taken {
        self.taken
    }
}

impl<M: SegmentationModel> SegmentationModel for Timed<'_, M> {
    fn log_probabilities(&mut self, waveforms: &[f32]) -> Result<Vec<f32>, ModelError> {
        let started = Instant::now();
        let found = self.models.log_probabilities(waveforms);
        self.taken.segmentation += started.elapsed();
        found
    }
}

impl<M: EmbeddingModel> EmbeddingModel for Timed<'_, M> {
    fn dimension(&self) -> usize {
        self.models.dimension()
    }

    fn embed(&mut self, features: &[f32], masks: &[f32]) -> Result<Vec<f32>, ModelError> {
        let started = Instant::now();
        let found = self.models.embed(features, masks);
        self.taken.embedding += started.elapsed();
        found
    }
}
