//! Recording: made-up recordings, what analysis finds in them, and what one process makes of that.

use diarization::analysis::BlockAnalysis;
use diarization::blocks::{BLOCK_FRAMES, BLOCK_SAMPLES, Chunk, FRAME_HOP};
use diarization::diarize::{Diarization, Diarizer, Settings};
use diarization::evidence::{self, Match};
use diarization::labels::LabelScheme;
use diarization::matching::ReferenceSet;
use diarization::pieces;
use diarization::similarity::normalise;
use diarization::timeline::Turn;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use uuid::Uuid;

/// Model versions, in the order in which they are rolled out, and the dimensions of their voice vectors.
pub const MODELS: [(&str, usize); 2] = [("model-a", 6), ("model-b", 5)];
/// Voices that may speak in a recording.
const VOICES: usize = 3;
/// Fewest clean frames of a piece that can be embedded.
const LEAST_CLEAN: usize = 24;

/// Fault of a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Poison {
    /// Every worker that analyses it dies.
    KillsWorker,
    /// Its analysis fails.
    FailsInWorker,
    /// The worker says that it can never be analysed.
    RefusedByWorker,
    /// Its analysis is no analysis.
    Rubbish,
    /// Every matcher that takes its analysis dies.
    KillsMatcher,
}

/// A recording, made up from a seed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spec {
    /// Says who speaks when.
    pub seed: u64,
    /// Blocks, at least 1.
    pub blocks: u8,
    /// Frames of the last block, 1 to [`BLOCK_FRAMES`].
    pub last_frames: u16,
    /// Blocks per chunk.
    pub chunk_blocks: u8,
    /// True if the uploader accepts gaps.
    pub allow_gaps: bool,
    /// True if speakers are named as in an interview.
    pub interview: bool,
    /// True if its file cannot be decoded.
    pub unreadable: bool,
    /// The chunk that cannot be analysed, if any.
    pub poison: Option<(u8, Poison)>,
}

/// Provisional result of one process for the blocks before a border.
#[derive(Clone, Debug, PartialEq)]
pub struct Provisional {
    /// Turns, by start, joined across blocks.
    pub turns: Vec<Turn>,
    /// Matches that led to the turns, by first frame and slot.
    pub matches: Vec<Match>,
    /// Speakers known so far.
    pub references: ReferenceSet,
}

impl Spec {
    /// Id of recording number `index` of a schedule.
    pub fn id(&self, index: usize) -> Uuid {
        Uuid::from_u128(u128::from(self.seed) << 8 | index as u128)
    }

    /// Settings that its uploader asks for.
    pub fn settings(&self) -> Settings {
        let labels = if self.interview { LabelScheme::Interview } else { LabelScheme::Numbered };
        Settings { labels, ..Settings::default() }
    }

    /// Samples.
    pub fn samples(&self) -> usize {
        (usize::from(self.blocks) - 1) * BLOCK_SAMPLES + usize::from(self.last_frames) * FRAME_HOP
    }

    /// Chunks.
    pub fn chunks(&self) -> usize {
        usize::from(self.blocks).div_ceil(usize::from(self.chunk_blocks))
    }

    /// Chunk number `index`.
    pub fn chunk(&self, index: usize) -> Chunk {
        Chunk::nth(index, usize::from(self.chunk_blocks))
    }

    /// Samples stored for chunk `index`.
    pub fn chunk_samples(&self, index: usize) -> usize {
        let range = self.chunk(index).sample_range();
        range.end.min(self.samples()) - range.start
    }

    /// Analysis by model number `model` in run `run`. Every run has an analysis of its own, as if it were cut and analysed by
    /// another program. So runs that are mixed show.
    pub fn analysis(&self, model: usize, run: i32) -> Vec<BlockAnalysis> {
        let mut random = StdRng::seed_from_u64(self.seed ^ (model as u64) << 32 ^ run as u64);
        let dimensions = MODELS[model].1;
        let voices: Vec<Vec<f32>> = (0..VOICES).map(|_| direction(&mut random, dimensions)).collect();
        (0..usize::from(self.blocks)).map(|block| self.block(block, &voices, &mut random)).collect()
    }

    fn block(&self, block: usize, voices: &[Vec<f32>], random: &mut StdRng) -> BlockAnalysis {
        let last = block + 1 == usize::from(self.blocks);
        let frames = if last { usize::from(self.last_frames) } else { BLOCK_FRAMES };
        let mut slots = vec![0_u8; frames];
        let shift = random.random_range(0..VOICES);
        for _ in 0..random.random_range(0..5) {
            let voice = random.random_range(0..VOICES);
            let from = if random.random_bool(0.3) { 0 } else { random.random_range(0..frames) };
            let to = if random.random_bool(0.3) { frames } else { from + random.random_range(10..500) };
            let to = to.min(from + 600).min(frames);
            // Slots are local to a block: the same voice has another one in the next.
            slots[from..to].iter_mut().for_each(|bits| *bits |= 1 << ((voice + shift) % VOICES));
        }
        let mut pieces = pieces::cut(&slots, block * BLOCK_FRAMES);
        for piece in pieces.iter_mut().filter(|piece| piece.clean_frames >= LEAST_CLEAN) {
            let voice = &voices[(usize::from(piece.slot) + VOICES - shift) % VOICES];
            let noise = direction(random, voice.len());
            piece.embedding = normalise(voice.iter().zip(noise).map(|(v, n)| v + 0.6 * n).collect());
        }
        BlockAnalysis { block, slots, pieces }
    }

    /// `blocks` where nothing is known of the chunks `gaps`.
    pub fn without(&self, mut blocks: Vec<BlockAnalysis>, gaps: &[i32]) -> Vec<BlockAnalysis> {
        for block in &mut blocks {
            if gaps.contains(&((block.block / usize::from(self.chunk_blocks)) as i32)) {
                block.slots.iter_mut().for_each(|bits| *bits = 0);
                block.pieces.clear();
            }
        }
        blocks
    }
}

fn direction(random: &mut StdRng, dimensions: usize) -> Vec<f32> {
    loop {
        let vector = (0..dimensions).map(|_| random.random_range(-1.0_f32..1.0)).collect();
        if let Some(unit) = normalise(vector) {
            return unit;
        }
    }
}

/// Diarization of `blocks` in one process.
pub fn whole(blocks: &[BlockAnalysis], settings: &Settings) -> Diarization {
    let mut diarizer = Diarizer::new(settings.clone());
    for block in blocks {
        diarizer.push(block.clone()).expect("blocks come in order");
    }
    diarizer.finish()
}

/// Provisional result that one process shows after `blocks`.
pub fn provisional(blocks: &[BlockAnalysis], settings: &Settings) -> Provisional {
    let mut diarizer = Diarizer::new(settings.clone());
    let mut references = ReferenceSet::default();
    let mut turns: Vec<Turn> = Vec::new();
    let mut matches = Vec::new();
    for block in blocks {
        let choices = references.match_block(&block.pieces, &settings.hints);
        matches.extend(evidence::matches(&block.pieces, &choices));
        for turn in diarizer.push(block.clone()).expect("blocks come in order") {
            let border = block.block * BLOCK_FRAMES;
            let goes_on = |before: &&mut Turn| {
                before.speaker == turn.speaker && before.end_frame == border && turn.first_frame == border
            };
            match turns.iter_mut().find(goes_on) {
                Some(before) => before.end_frame = turn.end_frame,
                None => turns.push(turn),
            }
        }
    }
    turns.sort_unstable();
    Provisional { turns, references, matches }
}
