//! Embedding: a piece's speech becomes a unit-length voice vector.

use crate::blocks::FRAME_HOP;
use crate::features::{FilterBank, HOP, MEL_BINS};
use crate::onnx::ModelError;
use crate::pieces::{Piece, speaks_alone};
use crate::similarity::normalise;

/// With at least this much clean speech, overlapped frames are left out.
const ENOUGH_CLEAN_S: f64 = 0.4;
/// Fewest filter-bank frames that the model takes.
const FEWEST_FRAMES: usize = 16;

/// A speaker embedding model (CAM++, Wang et al. 2023).
pub trait EmbeddingModel {
    /// Length of the vectors.
    fn dimension(&self) -> usize;
    /// The raw embedding `[dimension]` of `features` `[frames, MEL_BINS]`, whose mean has been subtracted.
    fn embed(&mut self, features: &[f32]) -> Result<Vec<f32>, ModelError>;
}

/// Segmentation frame, counted from the start of the block, whose centre is nearest to that of a filter-bank frame.
/// Centres are at `270 i + 495.5` and `160 j + 200` samples; negative before the block's first frame.
fn nearest_segmentation_frame(fbank_frame: usize) -> i64 {
    (2 * (HOP * fbank_frame) as i64 - 321).div_euclid(2 * FRAME_HOP as i64)
}

/// Embeds the pieces of one block. `samples` begins at the block's first sample; `slots[i]` is the bit set of active
/// slots of frame `first_frame + i`, where the block's pieces lie.
pub fn embed(
    model: &mut impl EmbeddingModel,
    filter_bank: &mut FilterBank,
    samples: &[f32],
    slots: &[u8],
    first_frame: usize,
    pieces: &mut [Piece],
) -> Result<(), ModelError> {
    let bits_at = |fbank_frame: usize| -> Option<(usize, u8)> {
        let frame = usize::try_from(nearest_segmentation_frame(fbank_frame)).ok()?;
        Some((frame, *slots.get(frame)?))
    };
    let features = filter_bank.compute(samples, |j| bits_at(j).is_some_and(|(_, bits)| bits != 0));
    let mut selected = Vec::new();
    for piece in pieces {
        let (from, to) = (piece.first_frame - first_frame, piece.end_frame - first_frame);
        let clean_only = piece.clean_seconds() >= ENOUGH_CLEAN_S;
        selected.clear();
        let mut frames = 0;
        let first = (from * FRAME_HOP / HOP).saturating_sub(1);
        for j in first..features.len() {
            let Some((frame, bits)) = bits_at(j) else { continue };
            if frame >= to {
                break;
            }
            let used = if clean_only { speaks_alone(bits, piece.slot) } else { bits >> piece.slot & 1 == 1 };
            if frame >= from && used {
                selected.extend_from_slice(features.frame(j));
                frames += 1;
            }
        }
        if frames >= FEWEST_FRAMES {
            subtract_mean(&mut selected, frames);
            piece.embedding = normalise(model.embed(&selected)?);
        }
    }
    Ok(())
}

/// Subtracts each bin's mean over the frames; `features` is `[frames, MEL_BINS]`.
fn subtract_mean(features: &mut [f32], frames: usize) {
    let mut mean = [0.0_f64; MEL_BINS];
    for row in features.chunks_exact(MEL_BINS) {
        for (sum, &value) in mean.iter_mut().zip(row) {
            *sum += f64::from(value);
        }
    }
    for row in features.chunks_exact_mut(MEL_BINS) {
        for (value, sum) in row.iter_mut().zip(&mean) {
            *value -= (sum / frames as f64) as f32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_frame_is_the_one_whose_centre_is_nearest() {
        for j in 4..2000_usize {
            let centre = 160.0 * j as f64 + 200.0;
            let nearest =
                (0..1300).min_by_key(|&i| ((270.0 * f64::from(i) + 495.5 - centre).abs() * 2.0) as i64);
            assert_eq!(nearest.map(i64::from), Some(nearest_segmentation_frame(j)), "fbank frame {j}");
        }
    }

    /// Returns the number of frames it was given and the sum of all features.
    struct Counting;

    impl EmbeddingModel for Counting {
        fn dimension(&self) -> usize {
            2
        }
        fn embed(&mut self, features: &[f32]) -> Result<Vec<f32>, ModelError> {
            Ok(vec![(features.len() / MEL_BINS) as f32, features.iter().sum()])
        }
    }

    #[test]
    fn a_piece_with_too_little_speech_gets_no_embedding() {
        let slots = [vec![1_u8; 8], vec![0; 100], vec![1; 60]].concat();
        let mut pieces = crate::pieces::cut(&slots, 500);
        let samples: Vec<f32> = (0..168 * FRAME_HOP + 800).map(|i| (i as f32 * 0.1).sin()).collect();
        embed(&mut Counting, &mut FilterBank::default(), &samples, &slots, 500, &mut pieces).expect("embeds");
        assert_eq!(pieces.iter().map(|p| p.embedding.is_some()).collect::<Vec<_>>(), [false, true]);
    }
}
