//! Embedding: a piece's speech becomes a unit-length voice vector.

use crate::blocks::{FRAME_HOP, FRAME_SECONDS};
use crate::features::{Features, FilterBank, HOP, MEL_BINS};
use crate::onnx::ModelError;
use crate::pieces::{Piece, speaks_alone};
use crate::similarity::normalise;
use std::ops::Range;

/// With at least this much clean speech, overlapped frames are left out.
const ENOUGH_CLEAN_S: f64 = 0.4;
/// Fewest filter-bank frames that the model takes.
const FEWEST_FRAMES: usize = 16;

/// Filter-bank frames that the model pools as one.
const POOLED: usize = 8;
/// Pieces are computed together as long as no pause between them is longer and they are not longer in all: what stands around a piece
/// helps its voice, and memory is bounded.
const REGION_PAUSE_S: f64 = 0.5;
const REGION_MOST_S: f64 = 10.0;

/// A speaker embedding model (ResNet34 of WeSpeaker, Wang et al. 2023): frames of a stretch of speech, pooled to their mean and
/// deviation under a mask for each piece.
pub trait EmbeddingModel {
    /// Length of the vectors.
    fn dimension(&self) -> usize;
    /// The raw embeddings `[pieces, dimension]` of `features` `[frames, MEL_BINS]`, less the mean of the block's speech, under `masks`
    /// `[pieces, pooled_frames(frames)]` of 0 to 1. No mask is all zero.
    fn embed(&mut self, features: &[f32], masks: &[f32]) -> Result<Vec<f32>, ModelError>;
}

/// Frames that the model pools where it is given so many filter-bank frames.
pub fn pooled_frames(frames: usize) -> usize {
    frames.div_ceil(POOLED)
}

/// Segmentation frame, counted from the start of the block, whose centre is nearest to that of a filter-bank frame.
/// Centres are at `270 i + 495.5` and `160 j + 200` samples; negative before the block's first frame.
fn nearest_segmentation_frame(fbank_frame: usize) -> i64 {
    (2 * (HOP * fbank_frame) as i64 - 321).div_euclid(2 * FRAME_HOP as i64)
}

/// First filter-bank frame that belongs to segmentation frame `frame`, both counted from the start of the block.
fn first_filter_bank_frame(frame: usize) -> usize {
    // Centres half a segmentation frame before that of `frame`: 160 j + 200 >= 270 frame + 495.5 - 135
    (2 * FRAME_HOP * frame + 321).div_ceil(2 * HOP)
}

/// Input that the model is given at once: a stretch of speech, and each piece's share of it.
pub struct Stretch {
    /// `[frames, MEL_BINS]`, less the mean of the block's speech.
    features: Vec<f32>,
    /// `[pieces, pooled_frames(frames)]`.
    masks: Vec<f32>,
    /// Indices of the pieces, one or more.
    pieces: Vec<usize>,
}

impl Stretch {
    /// Numbers that the model is given of it: how long it takes is about in proportion.
    pub fn size(&self) -> usize {
        self.features.len()
    }

    /// The voice vectors of its pieces, each with the piece's index.
    pub fn embed(&self, model: &mut impl EmbeddingModel) -> Result<Vec<Embedded>, ModelError> {
        let vectors = model.embed(&self.features, &self.masks)?;
        let vectors = vectors.chunks_exact(model.dimension().max(1));
        Ok(self
            .pieces
            .iter()
            .zip(vectors)
            .map(|(&index, vector)| (index, normalise(vector.to_vec())))
            .collect())
    }
}

/// Index of a piece, and its voice vector unless that has no direction.
pub type Embedded = (usize, Option<Vec<f32>>);

/// The stretches to embed for the `pieces` of one block. `samples` begins at the block's first sample; `slots[i]` is the bit set of active
/// slots of frame `first_frame + i`, where the block's pieces lie. Pieces with too little speech are in none.
pub fn stretches(
    filter_bank: &mut FilterBank,
    samples: &[f32],
    slots: &[u8],
    first_frame: usize,
    pieces: &[Piece],
) -> Vec<Stretch> {
    let regions = regions(pieces, first_frame);
    let is_in_region = |j: usize| regions.iter().any(|region| region.frames().contains(&j));
    let features = filter_bank.compute(samples, is_in_region);
    let bits_at = |j: usize| {
        let frame = usize::try_from(nearest_segmentation_frame(j)).ok();
        frame.and_then(|frame| slots.get(frame)).copied().unwrap_or(0)
    };
    let mean = mean(&features, |j| bits_at(j) != 0 && is_in_region(j));
    let mut stretches = Vec::new();
    for region in &regions {
        let frames = region.frames().start.min(features.len())..region.frames().end.min(features.len());
        let mut stretch = Stretch { features: Vec::new(), masks: Vec::new(), pieces: Vec::new() };
        for index in region.pieces.clone() {
            if let Some(mask) = mask(&pieces[index], first_frame, frames.clone(), bits_at) {
                stretch.masks.extend(mask);
                stretch.pieces.push(index);
            }
        }
        if stretch.pieces.is_empty() {
            continue;
        }
        for j in frames {
            stretch.features.extend(features.frame(j).iter().zip(&mean).map(|(value, mean)| value - mean));
        }
        stretches.push(stretch);
    }
    stretches
}

/// Pieces that are computed together: their indices, and the segmentation frames from the first to the last of them, counted from the
/// start of the block.
struct Region {
    pieces: Range<usize>,
    first: usize,
    end: usize,
}

impl Region {
    /// Its filter-bank frames.
    fn frames(&self) -> Range<usize> {
        first_filter_bank_frame(self.first)..first_filter_bank_frame(self.end)
    }
}

/// Puts the pieces of a block, which come by start, together.
fn regions(pieces: &[Piece], first_frame: usize) -> Vec<Region> {
    let frames = |seconds: f64| (seconds / FRAME_SECONDS) as usize;
    let mut regions: Vec<Region> = Vec::new();
    for (index, piece) in pieces.iter().enumerate() {
        let (first, end) = (piece.first_frame - first_frame, piece.end_frame - first_frame);
        match regions.last_mut() {
            Some(last)
                if first <= last.end + frames(REGION_PAUSE_S)
                    && end.max(last.end) - last.first <= frames(REGION_MOST_S) =>
            {
                last.pieces.end = index + 1;
                last.end = last.end.max(end);
            }
            _ => regions.push(Region { pieces: index..index + 1, first, end }),
        }
    }
    regions
}

/// Share of each pooled frame of `frames` that is the piece's speech. That is where its slot speaks alone, if that is long enough, or else
/// wherever it speaks. `None` where that is too little.
fn mask(
    piece: &Piece,
    first_frame: usize,
    frames: Range<usize>,
    bits_at: impl Fn(usize) -> u8,
) -> Option<Vec<f32>> {
    let clean_only = piece.clean_seconds() >= ENOUGH_CLEAN_S;
    let own = first_filter_bank_frame(piece.first_frame - first_frame)
        ..first_filter_bank_frame(piece.end_frame - first_frame);
    let mut mask = vec![0.0; pooled_frames(frames.len())];
    let mut used = 0;
    for j in own.start.max(frames.start)..own.end.min(frames.end) {
        let bits = bits_at(j);
        if if clean_only { speaks_alone(bits, piece.slot) } else { bits >> piece.slot & 1 == 1 } {
            mask[(j - frames.start) / POOLED] += 1.0 / POOLED as f32;
            used += 1;
        }
    }
    (used >= FEWEST_FRAMES).then_some(mask)
}

/// Each bin's mean over the frames for which `counts`.
fn mean(features: &Features, counts: impl Fn(usize) -> bool) -> [f32; MEL_BINS] {
    let mut sums = [0.0_f64; MEL_BINS];
    let mut frames = 0;
    for j in (0..features.len()).filter(|&j| counts(j)) {
        sums.iter_mut().zip(features.frame(j)).for_each(|(sum, &value)| *sum += f64::from(value));
        frames += 1;
    }
    sums.map(|sum| (sum / f64::from(frames.max(1))) as f32)
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

    #[test]
    fn the_filter_bank_frames_of_a_segmentation_frame_are_those_nearest_to_it() {
        for frame in 0..1000_usize {
            let first = first_filter_bank_frame(frame);
            assert!(nearest_segmentation_frame(first) >= frame as i64, "frame {frame}");
            assert!(first == 0 || nearest_segmentation_frame(first - 1) < frame as i64, "frame {frame}");
        }
    }

    /// Says of each piece how many frames its mask holds and how many it was given in all.
    #[derive(Default)]
    struct Counting {
        stretches: Vec<usize>,
    }

    impl EmbeddingModel for Counting {
        fn dimension(&self) -> usize {
            2
        }
        fn embed(&mut self, features: &[f32], masks: &[f32]) -> Result<Vec<f32>, ModelError> {
            let frames = features.len() / MEL_BINS;
            self.stretches.push(frames);
            let sums = masks.chunks_exact(pooled_frames(frames)).map(|mask| mask.iter().sum::<f32>());
            Ok(sums.flat_map(|sum| [sum * POOLED as f32, frames as f32]).collect())
        }
    }

    fn embedded(slots: &[u8]) -> (Vec<Piece>, Vec<usize>) {
        let mut pieces = crate::pieces::cut(slots, 500);
        let samples: Vec<f32> = (0..slots.len() * FRAME_HOP + 800).map(|i| (i as f32 * 0.1).sin()).collect();
        let mut model = Counting::default();
        for stretch in stretches(&mut FilterBank::default(), &samples, slots, 500, &pieces) {
            for (index, vector) in stretch.embed(&mut model).expect("embeds") {
                pieces[index].embedding = vector;
            }
        }
        (pieces, model.stretches)
    }

    #[test]
    fn a_piece_with_too_little_speech_gets_no_embedding() {
        let (pieces, _) = embedded(&[vec![1_u8; 8], vec![0; 100], vec![1; 60]].concat());
        assert_eq!(pieces.iter().map(|p| p.embedding.is_some()).collect::<Vec<_>>(), [false, true]);
    }

    #[test]
    fn pieces_are_computed_together_up_to_a_pause_and_a_length() {
        let speech = |frames: usize| vec![1_u8; frames];
        let pause = |frames: usize| vec![0; frames];
        let (_, stretches) = embedded(&[speech(60), pause(25), speech(60), pause(60), speech(60)].concat());
        assert_eq!(stretches.len(), 2);
        let (_, stretches) = embedded(&speech(1000));
        let seconds: Vec<f64> = stretches.iter().map(|&frames| frames as f64 * 0.01).collect();
        assert!(seconds.len() == 2 && seconds.iter().all(|&s| s <= REGION_MOST_S + 0.02), "{seconds:?}");
        assert!((seconds.iter().sum::<f64>() - 16.875).abs() < 0.05, "{seconds:?}");
    }

    #[test]
    fn what_is_pooled_is_what_the_slot_says_alone() {
        let slots = [vec![0b01_u8; 80], vec![0b11; 40], vec![0b10; 80]].concat();
        let (pieces, _) = embedded(&slots);
        for piece in &pieces {
            let vector = piece.embedding.as_ref().expect("is embedded");
            let share = f64::from(vector[0] / vector[1]) * slots.len() as f64 * FRAME_SECONDS;
            assert!((share - piece.clean_seconds()).abs() < 0.05, "slot {}: {share} s", piece.slot);
        }
    }
}
