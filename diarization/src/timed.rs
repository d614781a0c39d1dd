//! Timed: models that note how long they take, by a clock that they are given. The analysis itself knows none.

use crate::embedding::EmbeddingModel;
use crate::onnx::ModelError;
use crate::segmentation::SegmentationModel;
use std::time::Duration;

/// Time that models took, by model.
#[derive(Clone, Copy, Debug, Default)]
pub struct Taken {
    /// Finding who speaks when inside a window.
    pub segmentation: Duration,
    /// Voice vectors.
    pub embedding: Duration,
}

/// Models with a clock.
pub struct Timed<'a, M, C> {
    models: &'a mut M,
    /// Time that has passed since whenever.
    clock: C,
    taken: Taken,
}

impl<'a, M, C: Fn() -> Duration> Timed<'a, M, C> {
    /// Times `models` by `clock`, from nothing on.
    pub fn new(models: &'a mut M, clock: C) -> Self {
        Self { models, clock, taken: Taken::default() }
    }

    /// Time that the models have taken so far.
    pub fn taken(&self) -> Taken {
        self.taken
    }

    fn since(&self, started: Duration) -> Duration {
        (self.clock)().saturating_sub(started)
    }
}

impl<M: SegmentationModel, C: Fn() -> Duration> SegmentationModel for Timed<'_, M, C> {
    fn log_probabilities(&mut self, waveforms: &[f32]) -> Result<Vec<f32>, ModelError> {
        let started = (self.clock)();
        let found = self.models.log_probabilities(waveforms);
        self.taken.segmentation += self.since(started);
        found
    }
}

impl<M: EmbeddingModel, C: Fn() -> Duration> EmbeddingModel for Timed<'_, M, C> {
    fn dimension(&self) -> usize {
        self.models.dimension()
    }

    fn embed(&mut self, features: &[f32], masks: &[f32]) -> Result<Vec<f32>, ModelError> {
        let started = (self.clock)();
        let found = self.models.embed(features, masks);
        self.taken.embedding += self.since(started);
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    /// Takes ten seconds for a vector and one for a window.
    struct Slow<'a>(&'a Cell<u64>);

    impl SegmentationModel for Slow<'_> {
        fn log_probabilities(&mut self, _: &[f32]) -> Result<Vec<f32>, ModelError> {
            self.0.set(self.0.get() + 1);
            Ok(Vec::new())
        }
    }

    impl EmbeddingModel for Slow<'_> {
        fn dimension(&self) -> usize {
            1
        }
        fn embed(&mut self, _: &[f32], _: &[f32]) -> Result<Vec<f32>, ModelError> {
            self.0.set(self.0.get() + 10);
            Ok(vec![1.0])
        }
    }

    #[test]
    fn each_model_has_its_own_time_and_none_passes_between_them() {
        let now = Cell::new(5);
        let mut slow = Slow(&now);
        let mut timed = Timed::new(&mut slow, || Duration::from_secs(now.get()));
        timed.log_probabilities(&[]).expect("runs");
        now.set(now.get() + 100);
        timed.embed(&[], &[]).expect("runs");
        timed.embed(&[], &[]).expect("runs");
        let taken = timed.taken();
        assert_eq!((taken.segmentation.as_secs(), taken.embedding.as_secs()), (1, 20));
    }
}
