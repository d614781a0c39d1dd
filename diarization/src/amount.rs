//! Amount: how much speech was heard so far, which says how long a piece must be to decide on who there is.

use crate::channels::MOST_SIDES;
use crate::pieces::Piece;
use crate::speakers;
use serde::{Deserialize, Serialize};

/// Pieces with at least this share of all clean speech so far decide, within these seconds.
const PIECE_OF_SPEECH: f64 = 1.0 / 40.0;
const PIECE_S: (f64, f64) = (0.5, 1.0);
/// Share of the longest piece: pieces with at least so much decide where no piece is that long.
const PIECE_OF_LONGEST: f64 = 0.7;
/// A speaker has at least this share of all clean speech, within these seconds.
const SPEAKER_OF_SPEECH: f64 = 0.01;
const SPEAKER_S: (f64, f64) = (0.8, 3.0);

/// Amount of speech heard so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Amount {
    /// Seconds of clean speech of all pieces.
    speech: f64,
    /// Seconds of the longest piece that is embedded.
    longest: f64,
    least: f64,
}

impl Amount {
    /// Takes in the next piece.
    pub fn hear(&mut self, piece: &Piece) {
        self.speech += piece.clean_seconds();
        if piece.embedding.is_some() {
            self.longest = self.longest.max(speakers::weight(piece));
        }
        let wanted = (PIECE_OF_SPEECH * self.speech).clamp(PIECE_S.0, PIECE_S.1);
        let least = if self.longest >= wanted { wanted } else { PIECE_OF_LONGEST * self.longest };
        // It never falls: what was too short is not there any more.
        self.least = self.least.max(least);
    }

    /// Seconds from which on a piece decides.
    pub fn least_seconds(&self) -> f64 {
        self.least
    }

    /// Seconds of speech that a speaker has.
    pub fn least_of_speaker(&self) -> f64 {
        (SPEAKER_OF_SPEECH * self.speech).clamp(SPEAKER_S.0, SPEAKER_S.1)
    }
}

/// Amount of speech heard so far on each channel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Amounts([Amount; MOST_SIDES]);

impl Amounts {
    /// Takes in the next piece.
    pub fn hear(&mut self, piece: &Piece) {
        self.0[usize::from(piece.channel())].hear(piece);
    }

    /// Amount of speech heard so far on `channel`.
    pub fn of(&self, channel: u8) -> &Amount {
        &self.0[usize::from(channel)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(seconds: &[f64]) -> Amount {
        let mut amount = Amount::default();
        for &seconds in seconds {
            let clean_frames = (seconds / crate::blocks::FRAME_SECONDS).round() as usize;
            let (first_frame, end_frame) = (0, clean_frames);
            amount.hear(&Piece { first_frame, end_frame, slot: 0, clean_frames, embedding: Some(vec![1.0]) });
        }
        amount
    }

    #[test]
    fn the_more_was_heard_the_longer_a_piece_must_be_to_decide() {
        let least = |pieces: usize| heard(&vec![2.0; pieces]).least_seconds();
        assert_eq!(least(3), 0.5);
        assert!((least(14) - 0.7).abs() < 0.01);
        assert_eq!(least(100), 1.0);
    }

    #[test]
    fn where_all_pieces_are_short_the_longest_decide() {
        let amount = heard(&[0.3, 0.45, 0.2]);
        assert!((amount.least_seconds() - 0.315).abs() < 0.01);
    }

    #[test]
    fn what_was_too_short_once_stays_so() {
        let mut lengths = vec![0.9];
        let mut least = 0.0;
        for _ in 0..200 {
            lengths.push(0.3);
            let now = heard(&lengths).least_seconds();
            assert!(now >= least);
            least = now;
        }
        assert!(least > 0.5 && least <= 0.9, "{least}: the longest piece still decides");
    }
}
