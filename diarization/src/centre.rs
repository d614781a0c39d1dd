//! Centre: the point about which the voices of a recording are told apart.
//!
//! Vectors of all voices lie on one side of the sphere, further to that side on some channels than on others, so that two people on
//! one telephone line are as alike as one person on two. Seen from the recording's own centre they are not. The centre is the mean of the voices
//! that a fine clustering finds, each counted once however much it speaks, and drawn to the [mean voice](crate::mean_voice) as
//! long as there are few of them. See docs/decisions/0007.

use crate::mean_voice::mean_voice;
use crate::similarity::normalise;
use crate::voice::{Cluster, Voice, seconds, weighted_sum};
use serde::{Deserialize, Serialize};

/// Weight of the mean voice, in clusters of [`FULL_S`].
const PRIOR: f64 = 5.0;
/// A cluster counts in full from this much speech.
const FULL_S: f64 = 6.0;

/// The centre of a recording.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Centre(Vec<f32>);

impl Centre {
    /// The centre of `voices`, whose fine clusters are `clusters`.
    pub fn of(voices: &[Voice], clusters: &[Cluster]) -> Self {
        let dimension = voices.first().map_or(0, |voice| voice.embedding.len());
        let mut sum: Vec<f64> = mean_voice(dimension).iter().map(|&x| f64::from(x) * PRIOR).collect();
        let mut weight = PRIOR;
        let vectors: Vec<&[f32]> = voices.iter().map(|voice| voice.embedding).collect();
        for members in clusters {
            let speech = seconds(voices, members);
            let counts = speech.min(FULL_S) / FULL_S;
            for (total, x) in sum.iter_mut().zip(weighted_sum(voices, &vectors, members)) {
                *total += x / speech * counts;
            }
            weight += counts;
        }
        Self(sum.into_iter().map(|x| (x / weight) as f32).collect())
    }

    /// Direction in which `embedding` lies from the centre: of unit length, or zero where it lies there itself.
    pub fn direction_of(&self, embedding: &[f32]) -> Vec<f32> {
        let difference = embedding.iter().zip(&self.0).map(|(x, centre)| x - centre).collect();
        normalise(difference).unwrap_or_else(|| vec![0.0; embedding.len()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::similarity::dot;

    #[test]
    fn two_voices_on_one_channel_are_less_alike_seen_from_their_centre() {
        let unit = |v: [f32; 3]| normalise(v.to_vec()).expect("a direction");
        let (one, other) = (unit([1.0, 0.4, 0.0]), unit([1.0, 0.0, 0.4]));
        let voices: Vec<Voice> = [&one, &other].map(|v| Voice::of_piece(v, 60.0)).to_vec();
        let centre = Centre::of(&voices, &[vec![0], vec![1]]);
        let seen = |a: &[f32], b: &[f32]| dot(&centre.direction_of(a), &centre.direction_of(b));
        assert!(dot(&one, &other) > 0.8 && seen(&one, &other) < 0.9 * dot(&one, &other));
    }

    #[test]
    fn who_speaks_for_an_hour_draws_the_centre_no_more_than_who_speaks_for_six_seconds() {
        let (one, other) = ([1.0, 0.0], [0.0, 1.0]);
        let centre = |seconds: f64| {
            let voices = [Voice::of_piece(&one, seconds), Voice::of_piece(&other, 6.0)];
            Centre::of(&voices, &[vec![0], vec![1]])
        };
        assert_eq!(centre(6.0), centre(3600.0));
        assert_ne!(centre(6.0), centre(3.0));
    }
}
