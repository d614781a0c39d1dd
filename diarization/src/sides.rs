//! Sides: the voices of each channel are clustered by themselves, and nobody speaks on two. The hints are of all channels together.

use crate::cast::Cast;
use crate::channels::MOST_SIDES;
use crate::clustering;
use crate::hints::Hints;
use crate::similarity::Threshold;
use crate::voice::{self, Cluster, Voice};
use crate::voices::Voices;

/// Logarithm of the odds by which two clusters on one side of a call are more likely one speaker. Most sides are one person's.
const ONE_A_SIDE: f64 = 2.3;

/// The speakers found.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// The voices of each speaker, in the order of the first. A voice of a cluster that was dropped is in none.
    pub clusters: Vec<Cluster>,
    /// Voice of each speaker.
    pub cast: Cast,
}

/// A channel with its voices.
struct Side<'a> {
    channel: u8,
    /// Indices of its voices among all.
    members: Vec<usize>,
    voices: Vec<Voice<'a>>,
    least_seconds: f64,
    found: clustering::Found,
}

impl Side<'_> {
    fn cluster(&mut self, hints: &Hints) {
        self.found = clustering::cluster(&self.voices, hints, self.least_seconds);
    }

    fn count(&self) -> usize {
        self.found.clusters.len()
    }
}

/// Clusters `voices`, each with its channel, into speakers. Clusters of a channel with less than its `least_seconds` of speech are dropped where
/// the hints allow.
pub fn cluster(voices: &[(u8, Voice)], hints: &Hints, least_seconds: impl Fn(u8) -> f64) -> Found {
    let side = |channel: u8| {
        let members: Vec<usize> = (0..voices.len()).filter(|&i| voices[i].0 == channel).collect();
        let voices = members.iter().map(|&i| voices[i].1).collect();
        let least_seconds = least_seconds(channel);
        Side { channel, members, voices, least_seconds, found: clustering::Found::default() }
    };
    let mut sides: Vec<Side> =
        (0..MOST_SIDES as u8).map(side).filter(|side| !side.members.is_empty()).collect();
    match &mut sides[..] {
        [only] => only.cluster(hints),
        several => {
            let free = of_a_side(hints);
            several.iter_mut().for_each(|side| side.cluster(&free));
            let wanted = shares(&known_of(several), hints);
            for (side, wanted) in several.iter_mut().zip(wanted) {
                if wanted < side.count() {
                    side.cluster(&Hints { max_speakers: Some(wanted), ..free });
                } else if wanted > side.count() {
                    side.cluster(&Hints { min_speakers: Some(wanted), ..free });
                }
            }
        }
    }
    together(sides)
}

/// Hints for one of several sides, before anything is known of numbers. This is the place for what is known of sides beforehand.
fn of_a_side(hints: &Hints) -> Hints {
    let probability = hints.threshold.probability();
    let odds = probability / (1.0 - probability) * (-ONE_A_SIDE).exp();
    let threshold = Threshold::try_from((odds / (1.0 + odds)).clamp(0.01, 0.99)).unwrap_or(hints.threshold);
    Hints { min_speakers: None, max_speakers: None, threshold, ..*hints }
}

/// Figures of a side by which speakers are shared out.
#[derive(Clone, Copy, Debug)]
struct Known {
    speakers: usize,
    /// No more can be told apart.
    most: usize,
    seconds: f64,
}

fn known_of(sides: &[Side]) -> Vec<Known> {
    let known = |side: &Side| {
        let all: Vec<usize> = (0..side.voices.len()).collect();
        let seconds = voice::seconds(&side.voices, &all);
        Known { speakers: side.count(), most: side.voices.len().max(side.count()), seconds }
    };
    sides.iter().map(known).collect()
}

/// Number of speakers that each side is to have, for the hints to hold: the number found, changed one at a time. Where they are too many,
/// the side with most has one less. Where they are too few, the side where one speaker has most speech has one more. Every side has one.
fn shares(sides: &[Known], hints: &Hints) -> Vec<usize> {
    let mut shares: Vec<usize> = sides.iter().map(|side| side.speakers).collect();
    let all = |shares: &[usize]| shares.iter().sum::<usize>();
    while hints.max_speakers.is_some_and(|most| all(&shares) > most) {
        // Of equals the one with less speech.
        let seconds = |side: &usize| sides[*side].seconds;
        let fullest = (0..shares.len())
            .filter(|&side| shares[side] > 1)
            .max_by(|a, b| shares[*a].cmp(&shares[*b]).then(seconds(b).total_cmp(&seconds(a))));
        let Some(side) = fullest else { break };
        shares[side] -= 1;
    }
    while hints.min_speakers.is_some_and(|fewest| all(&shares) < fewest) {
        let each = |side: usize| sides[side].seconds / (shares[side] + 1) as f64;
        let widest = (0..shares.len())
            .filter(|&side| shares[side] < sides[side].most)
            .max_by(|a, b| each(*a).total_cmp(&each(*b)).then(b.cmp(a)));
        let Some(side) = widest else { break };
        shares[side] += 1;
    }
    shares
}

fn together(sides: Vec<Side>) -> Found {
    let mut voices: Vec<Voices> = Vec::new();
    let mut clusters: Vec<(Cluster, (u8, u32))> = Vec::new();
    for Side { channel, members, found, .. } in sides {
        voices.resize(usize::from(channel) + 1, Voices::default());
        for (number, cluster) in found.clusters.iter().enumerate() {
            let cluster = cluster.iter().map(|&i| members[i]).collect();
            clusters.push((cluster, (channel, number as u32)));
        }
        voices[usize::from(channel)] = found.voices;
    }
    // Those of one channel are in this order already.
    clusters.sort_by_key(|(members, _)| members[0]);
    let (clusters, places) = clusters.into_iter().unzip();
    Found { clusters, cast: Cast::new(voices, places) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::similarity::normalise;

    /// The `seed`-th voice vector of a person.
    fn vector(person: usize, seed: usize) -> Vec<f32> {
        let noise = |at: usize| {
            let x = ((seed * 31 + at * 7919 + 1) as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            ((x >> 40) as f32 / (1_u64 << 24) as f32 - 0.5) * 0.3
        };
        let vector = (0..16).map(|at| noise(at) + f32::from(u8::from(at == person))).collect();
        normalise(vector).expect("a direction")
    }

    /// Channels and people, one after the other, ten times over.
    fn found(who: &[(u8, usize)], hints: &Hints) -> Found {
        let vectors: Vec<(u8, Vec<f32>)> =
            (0..10 * who.len()).map(|i| (who[i % who.len()].0, vector(who[i % who.len()].1, i))).collect();
        let voices: Vec<(u8, Voice)> =
            vectors.iter().map(|(channel, vector)| (*channel, Voice::of_piece(vector, 3.0))).collect();
        cluster(&voices, hints, |_| 1.0)
    }

    fn counts(found: &Found) -> [usize; 2] {
        [0, 1].map(|channel| (0..found.cast.len()).filter(|&it| found.cast.channel(it) == channel).count())
    }

    #[test]
    fn one_voice_on_two_channels_is_two_speakers() {
        let found = found(&[(0, 0), (1, 0)], &Hints::default());
        assert_eq!(counts(&found), [1, 1]);
        assert_eq!(found.clusters[0], (0..20).step_by(2).collect::<Vec<_>>());
        assert_eq!(found.clusters[1], (1..20).step_by(2).collect::<Vec<_>>());
    }

    #[test]
    fn two_clear_voices_on_one_side_are_two_speakers_there() {
        let found = found(&[(1, 0), (0, 1), (0, 2)], &Hints::default());
        assert_eq!(counts(&found), [2, 1]);
        assert_eq!(found.cast.channel(0), 1, "who is heard first is first");
    }

    #[test]
    fn one_channel_is_clustered_as_if_there_were_no_channels() {
        let hints = Hints { max_speakers: Some(2), ..Hints::default() };
        for channel in [0, 1] {
            let found = found(&[(channel, 0), (channel, 1), (channel, 2)], &hints);
            let vectors: Vec<Vec<f32>> = (0..30).map(|i| vector(i % 3, i)).collect();
            let voices: Vec<Voice> = vectors.iter().map(|it| Voice::of_piece(it, 3.0)).collect();
            let alone = clustering::cluster(&voices, &hints, 1.0);
            assert_eq!(found.clusters, alone.clusters);
            assert!((0..2).all(|it| found.cast.embedding(it) == alone.voices.embeddings()[it]));
        }
    }

    #[test]
    fn hints_are_of_all_channels_together_and_every_channel_has_a_speaker() {
        let who = [(0, 0), (0, 1), (0, 2), (1, 3)];
        let exactly =
            |count| Hints { min_speakers: Some(count), max_speakers: Some(count), ..Hints::default() };
        assert_eq!(counts(&found(&who, &exactly(3))), [2, 1]);
        assert_eq!(counts(&found(&who, &exactly(2))), [1, 1]);
        assert_eq!(counts(&found(&who, &exactly(1))), [1, 1], "the nearest that there can be");
        assert_eq!(counts(&found(&who, &exactly(6))).iter().sum::<usize>(), 6);
        assert_eq!(
            counts(&found(&[(0, 0), (1, 1)], &exactly(100))).iter().sum::<usize>(),
            20,
            "as many as pieces"
        );
    }

    #[test]
    fn speakers_are_shared_out_by_what_was_found_and_by_speech() {
        let side = |speakers, seconds| Known { speakers, most: 5, seconds };
        let at_most = |most| Hints { max_speakers: Some(most), ..Hints::default() };
        assert_eq!(shares(&[side(3, 50.0), side(3, 40.0)], &at_most(5)), [3, 2]);
        assert_eq!(shares(&[side(3, 50.0), side(1, 90.0)], &at_most(1)), [1, 1]);
        let at_least = |fewest| Hints { min_speakers: Some(fewest), ..Hints::default() };
        assert_eq!(shares(&[side(1, 50.0), side(1, 40.0)], &at_least(3)), [2, 1]);
        assert_eq!(shares(&[side(1, 90.0), side(1, 20.0)], &at_least(5)), [4, 1]);
        assert_eq!(shares(&[side(1, 90.0), side(1, 20.0)], &at_least(50)), [5, 5]);
        assert_eq!(shares(&[side(2, 90.0), side(1, 20.0)], &Hints::default()), [2, 1]);
    }
}
