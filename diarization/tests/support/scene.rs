//! A made-up recording of a few voices, as analysis would have found it.

use diarization::analysis::BlockAnalysis;
use diarization::blocks::BLOCK_FRAMES;
use diarization::pieces;
use diarization::similarity::normalise;

/// Length of a turn and of the pause behind it, frames.
const TURN: usize = 230;
const STEP: usize = 250;

/// Blocks in which voices take turns in the order that `who` gives; every tenth turn is too short to have a voice. Vectors have
/// `dimensions` numbers.
pub fn blocks(count: usize, dimensions: usize, who: impl Fn(usize) -> usize) -> Vec<BlockAnalysis> {
    let turns = BLOCK_FRAMES / STEP;
    let block = |index: usize| {
        let mut slots = vec![0_u8; BLOCK_FRAMES];
        // Slots are local to a block: the same voice has another one in the next.
        let slot = |voice: usize| (voice + index) % 3;
        for turn in 0..turns {
            let voice = who(index * turns + turn);
            let length = if turn % 10 == 9 { 15 } else { TURN };
            slots[turn * STEP..turn * STEP + length].iter_mut().for_each(|bits| *bits |= 1 << slot(voice));
        }
        let mut pieces = pieces::cut(&slots, index * BLOCK_FRAMES);
        for piece in pieces.iter_mut().filter(|piece| piece.clean_frames >= 24) {
            let voice = who(index * turns + (piece.first_frame - index * BLOCK_FRAMES) / STEP);
            piece.embedding = normalise(vector(voice, piece.first_frame, dimensions));
        }
        BlockAnalysis { block: index, slots, pieces }
    };
    (0..count).map(block).collect()
}

/// A vector along the axis of `voice` with noise that depends on `seed` alone, as long in many dimensions as in few.
fn vector(voice: usize, seed: usize, dimensions: usize) -> Vec<f32> {
    let loudness = 1.6 / (dimensions as f32).sqrt();
    let noise = |at: usize| {
        let x = ((seed * 31 + at * 7919 + 1) as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        ((x >> 40) as f32 / (1_u64 << 24) as f32 - 0.5) * loudness
    };
    (0..dimensions).map(|at| noise(at) + f32::from(u8::from(at == voice))).collect()
}
