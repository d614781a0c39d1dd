//! Analysis: the block analyses of one chunk, checked before anything is built on them.
//!
//! Everything after the inbox trusts what is kept in it. So a worker gone wrong is found here, with its message in
//! hand, and not in the middle of another recording's work.

use diarization::analysis::BlockAnalysis;
use diarization::blocks::{BLOCK_FRAMES, Chunk, block_count, frame_count};
use diarization::channels::{self, MOST_SIDES};
use diarization::pieces::Piece;

/// Most dimensions that pgvector stores.
const MOST_DIMENSIONS: usize = 16_000;
/// Greatest difference of a voice vector's length from 1.
const LENGTH_TOLERANCE: f64 = 0.01;

/// Content that a chunk must hold, by its place in the recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// First block.
    pub first_block: usize,
    /// Number of blocks.
    pub blocks: usize,
    /// One past the last sample of the recording that the chunk was cut from.
    pub end_sample: usize,
    /// Number of channels, each with slots of its own.
    pub channels: usize,
}

impl Extent {
    /// Extent of chunk number `chunk`, stored as `samples` samples of each of `channels`.
    pub fn of(chunk: usize, chunk_blocks: usize, samples: usize, channels: usize) -> Self {
        let chunk = Chunk::nth(chunk, chunk_blocks);
        let end_sample = chunk.sample_range().start + samples;
        let blocks = chunk_blocks.min(block_count(end_sample).saturating_sub(chunk.first_block));
        Self { first_block: chunk.first_block, blocks, end_sample, channels }
    }

    /// Blocks of that extent in which nobody speaks.
    pub fn silence(&self) -> Vec<BlockAnalysis> {
        (self.first_block..self.first_block + self.blocks)
            .map(|block| BlockAnalysis { block, slots: vec![0; self.frames(block)], pieces: Vec::new() })
            .collect()
    }

    /// One past the last slot that there is: there is room for two channels.
    fn slots(&self) -> u8 {
        channels::first_slot(self.channels.min(MOST_SIDES))
    }

    /// Frames that `block` owns.
    fn frames(&self, block: usize) -> usize {
        BLOCK_FRAMES.min(frame_count(self.end_sample).saturating_sub(block * BLOCK_FRAMES))
    }
}

/// Reason why an analysis cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Flaw {
    /// The bytes are no analysis.
    #[error("the analysis cannot be read: {0}")]
    Unreadable(#[from] rmp_serde::decode::Error),
    /// It is of other blocks than the chunk has.
    #[error("the analysis holds blocks {found:?} where the chunk has {wanted} from block {first} on")]
    Blocks {
        /// Blocks it holds.
        found: Vec<usize>,
        /// Number of blocks of the chunk.
        wanted: usize,
        /// First block of the chunk.
        first: usize,
    },
    /// A block has another length than the recording gives it.
    #[error("block {block} has {found} frames where {wanted} belong to it")]
    Frames {
        /// The block.
        block: usize,
        /// Frames it has.
        found: usize,
        /// Frames it should have.
        wanted: usize,
    },
    /// Somebody is active on a channel that there is not.
    #[error("block {block} has active slots past the {channels} channels of its chunk")]
    Slots {
        /// The block.
        block: usize,
        /// Channels of the chunk.
        channels: usize,
    },
    /// A piece is not inside its block, or not in order.
    #[error("piece {piece} of block {block} {what}")]
    Piece {
        /// The block.
        block: usize,
        /// Number of the piece.
        piece: usize,
        /// Fault of the piece.
        what: &'static str,
    },
    /// Voice vectors of two dimensions cannot be compared.
    #[error("voice vectors of {0} and of {1} dimensions are mixed: they come from two models")]
    Dimensions(usize, usize),
}

/// Reads what [`check`] has accepted before.
pub fn decode(bytes: &[u8]) -> Result<Vec<BlockAnalysis>, Flaw> {
    Ok(rmp_serde::from_slice(bytes)?)
}

/// Reads the analysis of a chunk and makes sure that it is one.
pub fn check(bytes: &[u8], extent: Extent) -> Result<Vec<BlockAnalysis>, Flaw> {
    let blocks = decode(bytes)?;
    let wanted = extent.first_block..extent.first_block + extent.blocks;
    if extent.blocks == 0 || !blocks.iter().map(|b| b.block).eq(wanted) {
        let found = blocks.iter().map(|b| b.block).collect();
        return Err(Flaw::Blocks { found, wanted: extent.blocks, first: extent.first_block });
    }
    for block in &blocks {
        let wanted = extent.frames(block.block);
        if block.slots.len() != wanted {
            return Err(Flaw::Frames { block: block.block, found: block.slots.len(), wanted });
        }
        let span = block.block * BLOCK_FRAMES..block.block * BLOCK_FRAMES + wanted;
        let slots = extent.slots();
        if block.slots.iter().any(|bits| bits >> slots != 0) {
            return Err(Flaw::Slots { block: block.block, channels: extent.channels });
        }
        let mut before = 0;
        let mut ends = [0; 3 * MOST_SIDES];
        for (number, piece) in block.pieces.iter().enumerate() {
            if let Some(what) = flaw_of(piece, &span, before, slots) {
                return Err(Flaw::Piece { block: block.block, piece: number, what });
            }
            before = piece.first_frame;
            let end = &mut ends[usize::from(piece.slot)];
            if piece.first_frame < *end {
                let what = "overlaps the one ahead of it in its slot";
                return Err(Flaw::Piece { block: block.block, piece: number, what });
            }
            *end = piece.end_frame;
        }
    }
    let mut dimension = OneDimension::default();
    blocks.iter().try_for_each(|block| dimension.check(block))?;
    Ok(blocks)
}

fn flaw_of(piece: &Piece, span: &std::ops::Range<usize>, before: usize, slots: u8) -> Option<&'static str> {
    if piece.first_frame >= piece.end_frame || piece.first_frame < span.start || piece.end_frame > span.end {
        return Some("is not inside the block");
    }
    if piece.first_frame < before {
        return Some("begins before the one ahead of it");
    }
    if piece.slot >= slots {
        return Some("is of a slot that no channel of its chunk has");
    }
    if piece.clean_frames > piece.end_frame - piece.first_frame {
        return Some("has more clean frames than frames");
    }
    let vector = piece.embedding.as_ref()?;
    if vector.len() > MOST_DIMENSIONS {
        return Some("has a voice vector of more than 16000 dimensions");
    }
    let length = vector.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>().sqrt();
    // Written so that NaN is refused too.
    let unit = (length - 1.0).abs() <= LENGTH_TOLERANCE;
    (!unit).then_some("has a voice vector whose length is not 1")
}

/// Makes sure that all voice vectors have one dimension.
#[derive(Clone, Copy, Debug, Default)]
pub struct OneDimension(Option<usize>);

impl OneDimension {
    /// Compares the vectors of `block` with all before.
    pub fn check(&mut self, block: &BlockAnalysis) -> Result<(), Flaw> {
        for embedding in block.pieces.iter().filter_map(|piece| piece.embedding.as_ref()) {
            let known = *self.0.get_or_insert(embedding.len());
            if known != embedding.len() {
                return Err(Flaw::Dimensions(known, embedding.len()));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use diarization::blocks::BLOCK_SAMPLES;

    const EXTENT: Extent =
        Extent { first_block: 2, blocks: 1, end_sample: 2 * BLOCK_SAMPLES + 270 * 100, channels: 1 };

    fn good() -> BlockAnalysis {
        let piece = Piece {
            first_frame: 2 * BLOCK_FRAMES + 10,
            end_frame: 2 * BLOCK_FRAMES + 60,
            slot: 0,
            clean_frames: 50,
            embedding: Some(vec![0.6, 0.8]),
        };
        BlockAnalysis { block: 2, slots: vec![1; 100], pieces: vec![piece] }
    }

    fn refusal(change: impl Fn(&mut BlockAnalysis)) -> String {
        let mut block = good();
        change(&mut block);
        let bytes = rmp_serde::to_vec_named(&vec![block]).expect("encodes");
        check(&bytes, EXTENT).map(|_| "accepted".to_owned()).unwrap_or_else(|flaw| flaw.to_string())
    }

    #[test]
    fn a_second_channel_has_slots_only_where_its_chunk_has_one() {
        let mut block = good();
        block.slots[5] |= 0b100_000;
        block.pieces.push(Piece { slot: 5, ..block.pieces[0].clone() });
        let bytes = rmp_serde::to_vec_named(&vec![block]).expect("encodes");
        let checked = |channels| check(&bytes, Extent { channels, ..EXTENT });
        assert!(checked(2).is_ok());
        assert!(checked(1).is_err_and(|flaw| flaw.to_string().contains("past the 1 channels")));
        assert!(refusal(|b| b.pieces[0].slot = 3).contains("no channel of its chunk has"));
        assert!(refusal(|b| b.slots[0] = 0b1000).contains("past the 1 channels"));
    }

    #[test]
    fn an_analysis_that_fits_its_chunk_is_accepted() {
        assert_eq!(refusal(|_| {}), "accepted");
    }

    #[test]
    fn rubbish_and_an_analysis_of_nothing_are_refused() {
        assert!(matches!(check(b"rubbish", EXTENT), Err(Flaw::Unreadable(_))));
        let empty = rmp_serde::to_vec_named(&Vec::<BlockAnalysis>::new()).expect("encodes");
        assert!(matches!(check(&empty, EXTENT), Err(Flaw::Blocks { .. })));
    }

    #[test]
    fn an_analysis_of_another_place_or_length_is_refused() {
        assert!(refusal(|b| b.block = 3).contains("holds blocks [3]"));
        assert!(refusal(|b| b.slots.truncate(99)).contains("99 frames where 100"));
    }

    #[test]
    fn a_piece_that_would_reach_outside_its_block_is_refused() {
        assert!(refusal(|b| b.pieces[0].end_frame += 100).contains("not inside the block"));
        assert!(refusal(|b| b.pieces[0].first_frame = 0).contains("not inside the block"));
        assert!(refusal(|b| b.pieces[0].slot = 9).contains("a slot that no channel"));
    }

    #[test]
    fn a_slot_speaks_with_one_voice_at_a_time() {
        let again = |slot: u8, first: usize| {
            refusal(|b| {
                b.pieces.push(Piece {
                    first_frame: 2 * BLOCK_FRAMES + first,
                    slot,
                    clean_frames: 1,
                    ..b.pieces[0].clone()
                })
            })
        };
        assert!(again(0, 10).contains("overlaps the one ahead of it in its slot"));
        assert!(again(0, 59).contains("overlaps the one ahead of it in its slot"));
        assert_eq!(again(1, 10), "accepted");
    }

    #[test]
    fn a_vector_that_is_no_direction_is_refused() {
        assert!(refusal(|b| b.pieces[0].embedding = Some(vec![f32::NAN, 1.0])).contains("length is not 1"));
        assert!(refusal(|b| b.pieces[0].embedding = Some(vec![])).contains("length is not 1"));
        assert!(refusal(|b| b.pieces[0].embedding = Some(vec![3.0, 4.0])).contains("length is not 1"));
    }

    #[test]
    fn vectors_of_two_models_are_never_mixed() {
        let mixed = refusal(|b| {
            let embedding = Some(vec![1.0, 0.0, 0.0]);
            b.pieces.push(Piece { slot: 1, embedding, ..b.pieces[0].clone() });
        });
        assert!(mixed.contains("2 and of 3 dimensions"), "{mixed}");
    }

    #[test]
    fn the_last_chunk_has_fewer_blocks_and_a_shorter_last_block() {
        let samples = 7 * BLOCK_SAMPLES + 270 * 10;
        let start = Chunk::nth(1, 5).sample_range().start;
        let last = Extent::of(1, 5, samples - start, 1);
        assert_eq!((last.first_block, last.blocks, last.frames(7)), (5, 3, 10));
        let silence = rmp_serde::to_vec_named(&last.silence()).expect("encodes");
        assert_eq!(check(&silence, last).expect("silence is an analysis").len(), 3);
        let first = Extent::of(0, 5, Chunk::nth(0, 5).sample_range().end, 1);
        assert_eq!((first.blocks, first.frames(4)), (5, BLOCK_FRAMES));
    }
}
