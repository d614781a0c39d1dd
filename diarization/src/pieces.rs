//! Pieces: short runs of one slot's speech, the unit that is embedded and labelled.

use crate::blocks::FRAME_SECONDS;
use crate::channels;
use crate::segmentation::LOCAL_SPEAKERS;
use serde::{Deserialize, Serialize};

/// Longest piece in seconds.
const LONGEST_S: f64 = 3.0;
/// Pauses shorter than this many seconds do not end a run.
const MERGE_GAP_S: f64 = 0.3;

/// Up to 3 s of one slot's speech.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Piece {
    /// First frame, counted from the start of the recording.
    pub first_frame: usize,
    /// One past the last frame.
    pub end_frame: usize,
    /// Slot inside the block: 0 to 2 on the first channel, 3 to 5 on the second.
    pub slot: u8,
    /// Frames in which this slot speaks alone on its channel.
    pub clean_frames: usize,
    /// Unit-length voice vector; `None` where there was too little speech to embed.
    pub embedding: Option<Vec<f32>>,
}

impl Piece {
    /// The channel that it is heard on.
    pub fn channel(&self) -> u8 {
        channels::of_slot(self.slot)
    }

    /// Seconds in which this slot speaks alone.
    pub fn clean_seconds(&self) -> f64 {
        self.clean_frames as f64 * FRAME_SECONDS
    }

    /// Seconds between this piece and `other`; 0 where they overlap.
    pub fn gap_seconds(&self, other: &Piece) -> f64 {
        let frames = self
            .first_frame
            .saturating_sub(other.end_frame)
            .max(other.first_frame.saturating_sub(self.end_frame));
        frames as f64 * FRAME_SECONDS
    }

    /// Frames that this piece and `other` have in common.
    pub fn shared_frames(&self, other: &Piece) -> usize {
        self.end_frame.min(other.end_frame).saturating_sub(self.first_frame.max(other.first_frame))
    }
}

/// True where `slot` alone is active.
pub fn speaks_alone(bits: u8, slot: u8) -> bool {
    bits == 1 << slot
}

/// Cuts the slots of a block on one channel into pieces, by start and then by slot. `slots[i]` is the bit set of active slots of frame
/// `first_frame + i` of the recording.
pub fn cut(slots: &[u8], first_frame: usize) -> Vec<Piece> {
    let mut pieces = Vec::new();
    for slot in 0..LOCAL_SPEAKERS as u8 {
        for (start, end) in runs(slots, slot) {
            let parts = (((end - start) as f64 * FRAME_SECONDS) / LONGEST_S).ceil().max(1.0) as usize;
            let border = |i: usize| {
                (start as f64 + (end - start) as f64 * i as f64 / parts as f64).round_ties_even() as usize
            };
            for part in 0..parts {
                let (from, to) = (border(part), border(part + 1));
                pieces.push(Piece {
                    first_frame: first_frame + from,
                    end_frame: first_frame + to,
                    slot,
                    clean_frames: slots[from..to].iter().filter(|&&bits| speaks_alone(bits, slot)).count(),
                    embedding: None,
                });
            }
        }
    }
    pieces.sort_by_key(|piece| piece.first_frame);
    pieces
}

/// Runs `(start, end)` of frames in which `slot` is active, short pauses bridged.
fn runs(slots: &[u8], slot: u8) -> Vec<(usize, usize)> {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    let mut frame = 0;
    while frame < slots.len() {
        if slots[frame] >> slot & 1 == 0 {
            frame += 1;
            continue;
        }
        let start = frame;
        while frame < slots.len() && slots[frame] >> slot & 1 == 1 {
            frame += 1;
        }
        match runs.last_mut() {
            Some(last) if ((start - last.1) as f64) * FRAME_SECONDS < MERGE_GAP_S => last.1 = frame,
            _ => runs.push((start, frame)),
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_active_frame_is_in_exactly_one_piece_of_its_slot(slots in prop::collection::vec(0_u8..8, 0..2000)) {
            let pieces = cut(&slots, 1000);
            for slot in 0..3 {
                for (i, bits) in slots.iter().enumerate() {
                    let holders = pieces.iter().filter(|p| p.slot == slot && (p.first_frame..p.end_frame).contains(&(i + 1000))).count();
                    prop_assert!(holders <= 1);
                    prop_assert!(bits >> slot & 1 == 0 || holders == 1);
                }
            }
        }

        #[test]
        fn no_piece_is_longer_than_three_seconds(length in 1_usize..2000) {
            for piece in cut(&vec![1; length], 0) {
                prop_assert!((piece.end_frame - piece.first_frame) as f64 * FRAME_SECONDS <= LONGEST_S + FRAME_SECONDS);
            }
        }
    }

    #[test]
    fn a_short_pause_does_not_end_a_piece_and_a_long_one_does() {
        let line = |pause: usize| [vec![1; 50], vec![0; pause], vec![1; 50]].concat();
        assert_eq!(cut(&line(17), 0).len(), 1);
        assert_eq!(cut(&line(18), 0).len(), 2);
    }

    #[test]
    fn overlapped_frames_are_not_clean() {
        let pieces = cut(&[vec![0b01; 40], vec![0b11; 20]].concat(), 0);
        assert_eq!(pieces.iter().map(|p| (p.slot, p.clean_frames)).collect::<Vec<_>>(), [(0, 40), (1, 0)]);
    }
}
