//! Timeline: labelled pieces become turns.

use crate::analysis::BlockAnalysis;
use crate::blocks::{BLOCK_FRAMES, frame_start_seconds};
use crate::pieces::Piece;

/// A run of one speaker's speech.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Turn {
    /// First frame.
    pub first_frame: usize,
    /// One past the last frame.
    pub end_frame: usize,
    /// Number of the speaker.
    pub speaker: usize,
}

impl Turn {
    /// Start in seconds.
    pub fn start_seconds(&self) -> f64 {
        frame_start_seconds(self.first_frame)
    }

    /// End in seconds.
    pub fn end_seconds(&self) -> f64 {
        frame_start_seconds(self.end_frame)
    }
}

/// Turns of the labelled pieces of `blocks`, by start and then by speaker. `labels[i]` is the speaker of the `i`-th
/// piece, counted over all blocks in order.
pub fn turns(blocks: &[BlockAnalysis], labels: &[Option<usize>]) -> Vec<Turn> {
    let mut turns = Vec::new();
    let mut labels = labels.iter();
    for block in blocks {
        for (piece, label) in block.pieces.iter().zip(labels.by_ref()) {
            if let Some(speaker) = *label {
                turns.extend(active_runs(block, piece).map(|(first_frame, end_frame)| Turn {
                    first_frame,
                    end_frame,
                    speaker,
                }));
            }
        }
    }
    joined(turns)
}

/// Runs `(first, end)` of frames inside `piece`, a piece of `block`, in which its slot is active.
pub fn active_runs<'a>(
    block: &'a BlockAnalysis,
    piece: &'a Piece,
) -> impl Iterator<Item = (usize, usize)> + 'a {
    let first = block.block * BLOCK_FRAMES;
    let slots = &block.slots[piece.first_frame - first..piece.end_frame - first];
    let mut start = 0;
    slots
        .chunk_by(|a, b| a >> piece.slot & 1 == b >> piece.slot & 1)
        .map(move |run| {
            let span = (piece.first_frame + start, piece.first_frame + start + run.len());
            start += run.len();
            (run[0] >> piece.slot & 1 == 1, span)
        })
        .filter_map(|(active, span)| active.then_some(span))
}

/// Joins turns of one speaker that touch or overlap; in order of start and then of end and speaker.
pub fn joined(turns: Vec<Turn>) -> Vec<Turn> {
    joined_but(turns.into_iter().map(|turn| (turn, false)).collect())
}

/// The same, but for turns beside which `true` stands: those are not joined to what comes before them, which ends where they begin.
pub fn joined_but(mut turns: Vec<(Turn, bool)>) -> Vec<Turn> {
    turns.sort_unstable_by_key(|(t, begins)| (t.speaker, t.first_frame, *begins, t.end_frame));
    let mut joined: Vec<Turn> = Vec::with_capacity(turns.len());
    for (turn, begins) in turns {
        match joined.last_mut() {
            Some(last) if last.speaker == turn.speaker && turn.first_frame <= last.end_frame => {
                let end_frame = last.end_frame.max(turn.end_frame);
                if begins && turn.first_frame > last.first_frame {
                    last.end_frame = turn.first_frame;
                    joined.push(Turn { end_frame, ..turn });
                } else {
                    last.end_frame = end_frame;
                }
            }
            _ => joined.push(turn),
        }
    }
    joined.sort_unstable();
    joined
}

/// Shortest turn that is shown, 0.1 s: less is nothing that a listener hears as speech. Up to 0.25 s nothing changes in the error rate
/// (docs/decisions/0012).
pub const LEAST_FRAMES: usize = 6;

/// The turns that are long enough to be heard.
pub fn audible(mut turns: Vec<Turn>) -> Vec<Turn> {
    turns.retain(|turn| turn.end_frame - turn.first_frame >= LEAST_FRAMES);
    turns
}

/// Seconds that `speaker` has of `turns`.
pub fn seconds_of(turns: &[Turn], speaker: usize) -> f64 {
    turns.iter().filter(|t| t.speaker == speaker).map(|t| t.end_seconds() - t.start_seconds()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(block: usize, slots: Vec<u8>) -> BlockAnalysis {
        let pieces = crate::pieces::cut(&slots, block * BLOCK_FRAMES);
        BlockAnalysis { block, slots, pieces }
    }

    #[test]
    fn a_speaker_who_talks_across_a_block_border_has_one_turn() {
        let blocks = [block(0, vec![1; BLOCK_FRAMES]), block(1, vec![0b10; 100])];
        let labels: Vec<_> = blocks.iter().flat_map(|b| &b.pieces).map(|_| Some(0)).collect();
        assert_eq!(
            turns(&blocks, &labels),
            [Turn { first_frame: 0, end_frame: BLOCK_FRAMES + 100, speaker: 0 }]
        );
    }

    #[test]
    fn a_pause_inside_a_piece_is_not_speech() {
        let blocks = [block(0, [vec![1; 50], vec![0; 10], vec![1; 50]].concat())];
        let found = turns(&blocks, &[Some(0)]);
        assert_eq!(
            found.iter().map(|t| (t.first_frame, t.end_frame)).collect::<Vec<_>>(),
            [(0, 50), (60, 110)]
        );
    }

    #[test]
    fn overlapping_speakers_both_have_turns() {
        let blocks = [block(0, [vec![0b01; 60], vec![0b11; 40]].concat())];
        let speakers: Vec<_> = turns(&blocks, &[Some(0), Some(1)]).iter().map(|t| t.speaker).collect();
        assert_eq!(speakers, [0, 1]);
    }

    #[test]
    fn what_begins_a_turn_ends_the_one_before_and_nothing_is_lost() {
        let turn = |first_frame, end_frame| Turn { first_frame, end_frame, speaker: 0 };
        let found = joined_but(vec![(turn(0, 100), false), (turn(50, 300), false), (turn(100, 200), true)]);
        assert_eq!(found, [turn(0, 100), turn(100, 300)]);
        let found = joined_but(vec![(turn(0, 100), true), (turn(0, 50), false), (turn(0, 20), true)]);
        assert_eq!(found, [turn(0, 100)]);
    }

    #[test]
    fn what_is_too_short_to_be_heard_is_no_turn_unless_it_is_a_part_of_one() {
        let turn = |first_frame, end_frame| Turn { first_frame, end_frame, speaker: 0 };
        let turns = joined(vec![turn(0, 5), turn(50, 56), turn(100, 103), turn(103, 109)]);
        assert_eq!(audible(turns), [turn(50, 56), turn(100, 109)]);
    }
}
