//! Scene: a made-up recording of three voices, as the workers would have analysed it.

use diarization::analysis::BlockAnalysis;
use diarization::blocks::{BLOCK_FRAMES, BLOCK_SAMPLES, Chunk, FRAME_HOP, block_count};
use diarization::diarize::{Diarization, Diarizer, Settings};
use diarization::pieces;
use diarization::similarity::normalise;

/// Blocks of a chunk.
pub const CHUNK_BLOCKS: usize = 2;
/// Frames of the last block.
const LAST_FRAMES: usize = 2000;

/// A run of speech inside a block: frames from and to, and the voice.
type Speech = (usize, usize, usize);

/// Speech in five blocks: two voices; a turn across each kind of border (inside a chunk, between chunks); a silent
/// block; a short utterance; and a third voice that joins at last.
const SCRIPT: [&[Speech]; 5] = [
    &[(100, 700, 0), (720, 1500, 1), (1600, 2400, 0), (2500, BLOCK_FRAMES, 1)],
    &[(0, 500, 1), (600, 1400, 0), (1500, 2200, 1), (2100, 2600, 0), (3000, BLOCK_FRAMES, 0)],
    &[(0, 900, 0), (1000, 1045, 1), (1200, 2000, 0)],
    &[],
    &[(200, 900, 2), (950, 1600, 0), (1650, LAST_FRAMES, 2)],
];

/// A recording and what analysis says of it.
pub struct Scene {
    pub blocks: Vec<BlockAnalysis>,
    pub samples: usize,
}

impl Scene {
    /// Two voices, and a third in the last chunk; vectors of `dimensions` numbers.
    pub fn of_three_voices(dimensions: usize) -> Self {
        let blocks: Vec<BlockAnalysis> = SCRIPT
            .iter()
            .enumerate()
            .map(|(index, speech)| block(index, index == SCRIPT.len() - 1, speech, dimensions))
            .collect();
        Self { samples: (blocks.len() - 1) * BLOCK_SAMPLES + LAST_FRAMES * FRAME_HOP, blocks }
    }

    /// Three voices take turns for `minutes` blocks; some 28 pieces a block are long enough to learn from, as in dense speech.
    pub fn of_minutes(minutes: usize, dimensions: usize) -> Self {
        let speech = |index: usize| -> Vec<Speech> {
            let last = if index == minutes - 1 { LAST_FRAMES } else { BLOCK_FRAMES };
            (0..last / 250).map(|turn| (turn * 250, turn * 250 + 230, (turn * 7 + index) % 3)).collect()
        };
        let blocks: Vec<BlockAnalysis> = (0..minutes)
            .map(|index| block(index, index == minutes - 1, &speech(index), dimensions))
            .collect();
        Self { samples: (minutes - 1) * BLOCK_SAMPLES + LAST_FRAMES * FRAME_HOP, blocks }
    }

    /// As long, and nobody speaks.
    pub fn of_silence() -> Self {
        let blocks: Vec<BlockAnalysis> =
            (0..SCRIPT.len()).map(|index| block(index, index == SCRIPT.len() - 1, &[], 1)).collect();
        Self { samples: (blocks.len() - 1) * BLOCK_SAMPLES + LAST_FRAMES * FRAME_HOP, blocks }
    }

    /// The same where nothing is known of chunk `index`.
    pub fn with_a_gap(&self, index: usize) -> Self {
        let mut blocks = self.blocks.clone();
        for block in blocks.iter_mut().skip(index * CHUNK_BLOCKS).take(CHUNK_BLOCKS) {
            block.slots.iter_mut().for_each(|bits| *bits = 0);
            block.pieces.clear();
        }
        Self { blocks, samples: self.samples }
    }

    pub fn chunk_count(&self) -> usize {
        block_count(self.samples).div_ceil(CHUNK_BLOCKS)
    }

    /// Samples stored for chunk `index`.
    pub fn chunk_samples(&self, index: usize) -> usize {
        let range = Chunk::nth(index, CHUNK_BLOCKS).sample_range();
        range.end.min(self.samples) - range.start
    }

    /// The analysis of chunk `index`, as it travels.
    pub fn analysis(&self, index: usize) -> Vec<u8> {
        let end = self.blocks.len().min((index + 1) * CHUNK_BLOCKS);
        rmp_serde::to_vec_named(&self.blocks[index * CHUNK_BLOCKS..end]).expect("encodes")
    }

    /// Diarization that one process makes of the scene.
    pub fn oracle(&self, settings: &Settings) -> Diarization {
        let mut diarizer = Diarizer::new(settings.clone());
        for block in &self.blocks {
            diarizer.push(block.clone()).expect("blocks are in order");
        }
        diarizer.finish()
    }
}

fn block(index: usize, is_last: bool, speech: &[Speech], dimensions: usize) -> BlockAnalysis {
    let mut slots = vec![0_u8; if is_last { LAST_FRAMES } else { BLOCK_FRAMES }];
    // Slots are local to a block: the same voice has another one in the next.
    let slot = |voice: usize| (voice + index) % 3;
    for &(from, to, voice) in speech {
        slots[from..to].iter_mut().for_each(|bits| *bits |= 1 << slot(voice));
    }
    let mut pieces = pieces::cut(&slots, index * BLOCK_FRAMES);
    for piece in pieces.iter_mut().filter(|piece| piece.clean_frames >= 24) {
        let voice = (0..3).find(|&voice| slot(voice) == usize::from(piece.slot)).expect("a slot has a voice");
        piece.embedding = normalise(vector(voice, piece.first_frame, dimensions));
    }
    BlockAnalysis { block: index, slots, pieces }
}

/// A vector along the axis of `voice` with small noise that depends on `seed` alone.
fn vector(voice: usize, seed: usize, dimensions: usize) -> Vec<f32> {
    let noise = |at: usize| {
        let mut x = (seed * 31 + at * 7919 + 1) as u64;
        x = (x ^ (x >> 7)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        ((x >> 40) as f32 / (1_u64 << 24) as f32 - 0.5) * 0.2
    };
    (0..dimensions).map(|at| noise(at) + f32::from(u8::from(at == voice))).collect()
}
