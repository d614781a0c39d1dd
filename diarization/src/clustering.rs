//! Clustering: which voice vectors of the whole recording belong to one speaker.
//!
//! Voices are [joined](crate::agglomeration) as long as two clusters are alike enough; what has too little speech to be a speaker is
//! dropped. The caller's hints on the number of speakers have the last word. See docs/decisions/0012 for what was measured.

use crate::agglomeration::{self, Stop};
use crate::hints::Hints;
use crate::voice::{Cluster, Voice, seconds};
use crate::voices::Voices;

/// The speakers found.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// The voices of each speaker, in the order of the first. A voice of a cluster that was dropped is in none.
    pub clusters: Vec<Cluster>,
    /// Voice of each speaker.
    pub voices: Voices,
}

/// Clusters `voices` into speakers. Clusters with less than `least_seconds` of speech are dropped where the hints allow.
pub fn cluster(voices: &[Voice], hints: &Hints, least_seconds: f64) -> Found {
    if voices.is_empty() {
        return Found::default();
    }
    let fewest = hints.min_speakers.unwrap_or(1);
    let stop =
        Stop { margin: hints.threshold.margin(), fewest, most: hints.max_speakers.unwrap_or(usize::MAX) };
    let mut clusters = agglomeration::agglomerate(voices, &hints.bound, stop);
    drop_small(voices, &mut clusters, least_seconds, fewest);
    clusters.sort_by_key(|members| members[0]);
    Found { voices: Voices::of(voices, &clusters), clusters }
}

/// Drops the clusters with the least speech, but none that has `least_seconds` and not so many that fewer than
/// `keep` remain.
fn drop_small(voices: &[Voice], clusters: &mut Vec<Cluster>, least_seconds: f64, keep: usize) {
    clusters.sort_by(|a, b| seconds(voices, b).total_cmp(&seconds(voices, a)));
    while clusters.len() > keep && clusters.last().is_some_and(|c| seconds(voices, c) < least_seconds) {
        clusters.pop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::similarity::dot;

    fn person(degrees: f32) -> Vec<f32> {
        vec![degrees.to_radians().cos(), degrees.to_radians().sin()]
    }

    fn found(voices: &[Voice], hints: &Hints) -> Found {
        cluster(voices, hints, 1.0)
    }

    fn sizes(voices: &[Voice], hints: &Hints) -> Vec<usize> {
        found(voices, hints).clusters.iter().map(Vec::len).collect()
    }

    #[test]
    fn asked_for_two_speakers_a_splinter_is_joined_before_two_people_are() {
        let (one, other, splinter) = (person(0.0), person(70.0), person(-75.0));
        let mut voices = vec![Voice::of_piece(&splinter, 2.0)];
        voices.extend((0..20).flat_map(|_| [Voice::of_piece(&one, 3.0), Voice::of_piece(&other, 3.0)]));
        let hints = Hints { max_speakers: Some(2), ..Hints::default() };
        assert_eq!(sizes(&voices, &hints), [21, 20]);
    }

    #[test]
    fn asked_for_more_speakers_than_it_hears_it_keeps_apart_what_is_least_alike() {
        let (one, near, other) = (person(0.0), person(12.0), person(100.0));
        let voices: Vec<Voice> = [&one, &near, &other].map(|v| Voice::of_piece(v, 3.0)).repeat(5);
        assert_eq!(sizes(&voices, &Hints::default()), [10, 5]);
        let hints = Hints { min_speakers: Some(3), ..Hints::default() };
        assert_eq!(sizes(&voices, &hints), [5, 5, 5]);
    }

    #[test]
    fn what_is_too_short_to_be_a_speaker_is_dropped_unless_so_many_are_asked_for() {
        let (one, other) = (person(0.0), person(100.0));
        let voices = [Voice::of_piece(&one, 30.0), Voice::of_piece(&other, 0.9)];
        assert_eq!(sizes(&voices, &Hints::default()), [1]);
        assert_eq!(sizes(&voices, &Hints { min_speakers: Some(2), ..Hints::default() }), [1, 1]);
    }

    #[test]
    fn a_voice_that_stands_for_many_weighs_as_much_as_they_do() {
        let people = [person(0.0), person(100.0), person(8.0)];
        let many: Vec<Voice> = [0, 0, 0, 1, 1, 2].map(|who| Voice::of_piece(&people[who], 2.0)).to_vec();
        let few: Vec<Voice> = people
            .iter()
            .zip([3, 2, 1])
            .map(|(embedding, count)| Voice { embedding, seconds: 2.0 * count as f64, count })
            .collect();
        let (many, few) = (found(&many, &Hints::default()).voices, found(&few, &Hints::default()).voices);
        assert_eq!(many.len(), few.len());
        for (a, b) in many.embeddings().iter().zip(few.embeddings()) {
            assert!(dot(a, b) > 0.9999);
        }
    }
}
