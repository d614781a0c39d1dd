//! Likeness: how much a voice is like itself in a recording.
//!
//! A bad line, a small room or a codec makes one person's voice less like itself from second to second, so that what is one person in a
//! studio is two on the telephone. What a recording says of that needs no clustering: two pieces of which one begins where the other ends, in one
//! slot, are one person. How alike they are on average says how alike voices must be here to be one speaker.

use crate::agglomeration::Bound;
use crate::pieces::Piece;
use crate::similarity::dot;
use serde::{Deserialize, Serialize};

/// Fewest seconds of clean speech of a piece that says something.
const LEAST_S: f64 = 1.2;
/// Mean cosine of such pairs over real recordings of nine sources (docs/decisions/0012),
const USUAL: f64 = 0.6;
/// and how many pairs that counts for, so that few say little.
const WEIGHT: f64 = 5.0;

/// Sum of the cosines of such pairs that were heard so far, and their number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Likeness {
    cosines: f64,
    pairs: u32,
}

impl Likeness {
    /// Takes in the pieces of the next block.
    pub fn hear(&mut self, pieces: &[Piece]) {
        let long = |piece: &&Piece| piece.clean_seconds() >= LEAST_S;
        for piece in pieces.iter().filter(long) {
            let goes_on = |other: &&Piece| {
                other.slot == piece.slot && other.first_frame == piece.end_frame && long(other)
            };
            let next = pieces.iter().find(goes_on).and_then(|next| next.embedding.as_ref());
            if let Some((own, next)) = piece.embedding.as_ref().zip(next) {
                self.cosines += f64::from(dot(own, next));
                self.pairs += 1;
            }
        }
    }

    /// `bound` as it is in this recording.
    pub fn scaled(&self, bound: Bound) -> Bound {
        let here = (self.cosines + WEIGHT * USUAL) / (f64::from(self.pairs) + WEIGHT);
        bound.times(here / USUAL)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::similarity::normalise;

    /// Pieces of 1.7 s that touch, of which the voice turns by `degrees` each.
    fn run(count: usize, degrees: f32) -> Vec<Piece> {
        let voice =
            |turns: f32| vec![(turns * degrees).to_radians().cos(), (turns * degrees).to_radians().sin()];
        let piece = |at: usize| Piece {
            first_frame: at * 100,
            end_frame: at * 100 + 100,
            slot: 0,
            clean_frames: 100,
            embedding: normalise(voice(at as f32)),
        };
        (0..count).map(piece).collect()
    }

    fn at_one_second(pieces: &[Piece]) -> f64 {
        let mut likeness = Likeness::default();
        likeness.hear(pieces);
        likeness.scaled(Bound::default()).at_one_second
    }

    #[test]
    fn where_a_voice_is_less_like_itself_less_is_asked_for() {
        let usual = Bound::default().at_one_second;
        assert_eq!(at_one_second(&[]), usual);
        assert!((at_one_second(&run(40, 53.130_1)) - usual).abs() < 1e-6, "cosine 0.6");
        assert!(at_one_second(&run(40, 70.0)) < 0.65 * usual);
        assert!(at_one_second(&run(40, 20.0)) > 1.4 * usual);
    }

    #[test]
    fn few_pairs_say_less_than_many() {
        let usual = Bound::default().at_one_second;
        let (few, many) = (at_one_second(&run(2, 70.0)), at_one_second(&run(40, 70.0)));
        assert!(many < few && few < usual);
    }

    #[test]
    fn pieces_with_a_pause_between_them_or_in_two_slots_say_nothing() {
        let mut apart = run(20, 70.0);
        apart.iter_mut().for_each(|piece| piece.end_frame -= 1);
        let mut slots = run(20, 70.0);
        slots.iter_mut().enumerate().for_each(|(at, piece)| piece.slot = (at % 2) as u8);
        let usual = Bound::default().at_one_second;
        assert_eq!((at_one_second(&apart), at_one_second(&slots)), (usual, usual));
    }
}
