//! Segmentation: which of up to three local speakers are active in each frame of a 10 s window.

use crate::blocks::{STEP_SAMPLES, WINDOW_FRAMES, WINDOW_SAMPLES};
use std::ops::RangeInclusive;

/// Local speakers that the model tells apart inside one window.
pub const LOCAL_SPEAKERS: usize = 3;
/// Windows per inference call. The shape is fixed, so that a window's result cannot depend on its company.
pub const BATCH: usize = 4;
/// Classes of the powerset output.
pub const CLASSES: usize = 7;

/// Active local speakers of each powerset class {∅, 1, 2, 3, 12, 13, 23} as a bit set.
const POWERSET: [u8; CLASSES] = [0b000, 0b001, 0b010, 0b100, 0b011, 0b101, 0b110];

/// Activity of one window: a bit set of local speakers for each of its frames.
pub type WindowActivity = [u8; WINDOW_FRAMES];

/// A segmentation model (pyannote segmentation-3.0 in powerset encoding, Plaquet & Bredin 2023).
pub trait SegmentationModel {
    /// Log-probabilities `[BATCH, WINDOW_FRAMES, CLASSES]`, row-major, of `waveforms` `[BATCH, WINDOW_SAMPLES]`.
    fn log_probabilities(&mut self, waveforms: &[f32]) -> Result<Vec<f32>, crate::onnx::ModelError>;
}

/// Runs the model over `windows` of the recording's grid. `samples` begins at sample `offset` of the recording and
/// is zero-padded past its end. Returns one activity per window, in order.
pub fn segment(
    model: &mut impl SegmentationModel,
    samples: &[f32],
    offset: usize,
    windows: RangeInclusive<usize>,
) -> Result<Vec<WindowActivity>, crate::onnx::ModelError> {
    let starts: Vec<usize> = windows.map(|w| w * STEP_SAMPLES - offset).collect();
    let mut activity = Vec::with_capacity(starts.len());
    let mut batch = vec![0.0_f32; BATCH * WINDOW_SAMPLES];
    for group in starts.chunks(BATCH) {
        batch.fill(0.0);
        for (row, &start) in batch.chunks_exact_mut(WINDOW_SAMPLES).zip(group) {
            let end = (start + WINDOW_SAMPLES).min(samples.len());
            if start < end {
                row[..end - start].copy_from_slice(&samples[start..end]);
            }
        }
        let scores = model.log_probabilities(&batch)?;
        for window in scores.chunks_exact(WINDOW_FRAMES * CLASSES).take(group.len()) {
            activity.push(decode_powerset(window));
        }
    }
    Ok(activity)
}

/// The most probable class of each frame, as a bit set of local speakers. `log_probabilities` is `[frames, CLASSES]`.
fn decode_powerset(log_probabilities: &[f32]) -> WindowActivity {
    let mut activity = [0; WINDOW_FRAMES];
    for (frame, scores) in activity.iter_mut().zip(log_probabilities.chunks_exact(CLASSES)) {
        let mut best = 0;
        for class in 1..CLASSES {
            if scores[class] > scores[best] {
                best = class;
            }
        }
        *frame = POWERSET[best];
    }
    activity
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Says that local speaker 1 is active wherever the first sample of the window is positive.
    struct FirstSample;

    impl SegmentationModel for FirstSample {
        fn log_probabilities(&mut self, waveforms: &[f32]) -> Result<Vec<f32>, crate::onnx::ModelError> {
            assert_eq!(waveforms.len(), BATCH * WINDOW_SAMPLES);
            let class = |row: &[f32]| usize::from(row[0] > 0.0);
            Ok(waveforms
                .chunks(WINDOW_SAMPLES)
                .flat_map(|row| {
                    (0..WINDOW_FRAMES * CLASSES).map(move |i| f32::from(i % CLASSES == class(row)))
                })
                .collect())
        }
    }

    #[test]
    fn windows_are_read_at_their_place_on_the_grid_whatever_the_offset() {
        let mut samples = vec![-1.0; 10 * STEP_SAMPLES];
        samples[7 * STEP_SAMPLES] = 1.0;
        let found =
            segment(&mut FirstSample, &samples[2 * STEP_SAMPLES..], 2 * STEP_SAMPLES, 2..=9).expect("runs");
        let active: Vec<bool> = found.iter().map(|w| w[0] != 0).collect();
        assert_eq!(active, [false, false, false, false, false, true, false, false]);
    }

    #[test]
    fn each_powerset_class_names_its_speakers() {
        let speakers = [vec![], vec![1], vec![2], vec![3], vec![1, 2], vec![1, 3], vec![2, 3]];
        for (class, speakers) in speakers.into_iter().enumerate() {
            let mut scores = vec![-9.0; WINDOW_FRAMES * CLASSES];
            scores[class] = 0.0;
            let active = decode_powerset(&scores)[0];
            let found: Vec<i32> = (1..=3).filter(|speaker| active >> (speaker - 1) & 1 == 1).collect();
            assert_eq!(found, speakers, "class {class}");
        }
    }
}
