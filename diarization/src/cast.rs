//! Cast: the voices of a recording, each on the channel that it was found on. Nobody speaks on two channels.

use crate::voices::Voices;
use serde::{Deserialize, Serialize};

/// Score of a piece on one channel for a voice on another: it cannot be that voice.
pub const IMPOSSIBLE: f32 = f32::NEG_INFINITY;

/// The speakers found, in the order in which they are first heard.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Cast {
    /// The voices of each channel.
    sides: Vec<Voices>,
    /// Of each speaker the channel, and which of its voices.
    places: Vec<(u8, u32)>,
}

impl Cast {
    /// The voices of `sides`, in the order that `places` gives: channels, and which of their voices.
    pub fn new(sides: Vec<Voices>, places: Vec<(u8, u32)>) -> Self {
        Self { sides, places }
    }

    /// Number of speakers.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// True where nobody was found.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    fn place(&self, speaker: usize) -> (&Voices, usize) {
        let (channel, voice) = self.places[speaker];
        (&self.sides[usize::from(channel)], voice as usize)
    }

    /// The channel of a speaker.
    pub fn channel(&self, speaker: usize) -> u8 {
        self.places[speaker].0
    }

    /// Unit-length voice vector of a speaker.
    pub fn embedding(&self, speaker: usize) -> &[f32] {
        let (voices, voice) = self.place(speaker);
        &voices.embeddings()[voice]
    }

    /// Similarity of `embedding`, heard on `channel`, to each speaker: cosines, and [`IMPOSSIBLE`] for speakers on another channel.
    pub fn scores(&self, channel: u8, embedding: &[f32]) -> Vec<f32> {
        let own =
            self.sides.get(usize::from(channel)).map(|voices| voices.scores(embedding)).unwrap_or_default();
        let score = |&(of, voice): &(u8, u32)| if of == channel { own[voice as usize] } else { IMPOSSIBLE };
        self.places.iter().map(score).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::voice::Voice;

    #[test]
    fn a_piece_on_one_channel_cannot_be_a_voice_on_the_other() {
        let axis = |at: usize| (0..3).map(|i| f32::from(u8::from(i == at))).collect::<Vec<f32>>();
        let (ann, bob) = (axis(0), axis(1));
        let side = |vector: &[f32]| Voices::of(&[Voice::of_piece(vector, 9.0)], &[vec![0]]);
        let cast = Cast::new(vec![side(&ann), side(&bob)], vec![(1, 0), (0, 0)]);
        assert_eq!((cast.len(), cast.channel(0), cast.channel(1)), (2, 1, 0));
        assert_eq!((cast.embedding(0), cast.embedding(1)), (&bob[..], &ann[..]));
        let possible = |channel: u8| -> Vec<bool> {
            cast.scores(channel, &ann).iter().map(|score| *score != IMPOSSIBLE).collect()
        };
        assert_eq!(possible(1), [true, false]);
        assert_eq!(possible(0), [false, true]);
        assert_eq!(possible(2), [false, false]);
        assert!(Cast::default().scores(0, &ann).is_empty());
    }
}
