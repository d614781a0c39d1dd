//! Clustering: which voice vectors of the whole recording belong to one speaker.
//!
//! A fine average-linkage clustering finds the recording's [centre](crate::centre); about it, its clusters are [joined](crate::joining) to
//! speakers as long as they are alike enough. The caller's hints on the number of speakers have the last word. See
//! docs/decisions/0007 for what was measured.

use crate::centre::Centre;
use crate::hints::Hints;
use crate::joining::Parts;
use crate::linkage;
use crate::similarity::dot;
use crate::voice::{Cluster, Voice, direction, seconds, weighted_sum};
use crate::voices::Voices;

/// Average cosine of the fine clusters.
const FINE_COSINE: f32 = 0.75;
/// Rounds of k-means before anything is joined.
const ROUNDS: usize = 3;
/// Clusters whose means are further apart are not joined, however alike they are about the centre.
const FARTHEST: f64 = 0.5;
const TWO_MEANS_ROUNDS: usize = 10;

/// The speakers found.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// The voices of each speaker, in the order of the first. A voice of a cluster that was dropped is in none.
    pub clusters: Vec<Cluster>,
    /// What each speaker sounds like.
    pub voices: Voices,
}

/// Clusters `voices` into speakers. Clusters with less than `least_seconds` of speech are dropped where the hints allow.
pub fn cluster(voices: &[Voice], hints: &Hints, least_seconds: f64) -> Found {
    if voices.is_empty() {
        return Found::default();
    }
    let fewest = hints.min_speakers.unwrap_or(1);
    let fine = linkage::average_linkage(voices, FINE_COSINE);
    let centre = Centre::of(voices, &fine);
    let seen: Vec<Vec<f32>> = voices.iter().map(|voice| centre.direction_of(voice.embedding)).collect();
    let mut parts = Parts::around(voices, &seen, &with_enough_speech(voices, fine, least_seconds));
    parts.settle(ROUNDS);
    while parts.count() > fewest {
        let alike = parts.most_alike(FARTHEST);
        let alike = alike.filter(|(.., cosine)| *cosine >= hints.threshold.join_cosine(parts.count()));
        let too_many = hints.max_speakers.is_some_and(|most| parts.count() > most);
        let pair = alike.map(|(a, b, _)| (a, b)).or_else(|| if too_many { parts.cheapest() } else { None });
        let Some((a, b)) = pair else { break };
        parts.join(a, b);
    }
    let mut clusters = parts.into_clusters();
    drop_small(voices, &mut clusters, least_seconds, fewest);
    while clusters.len() < fewest {
        if !split_widest(voices, &seen, &mut clusters) {
            break;
        }
    }
    clusters.sort_by_key(|members| members[0]);
    Found { voices: Voices::of(voices, centre, &clusters), clusters }
}

/// The clusters with enough speech to be a speaker; where there is none, the one with most.
fn with_enough_speech(voices: &[Voice], mut clusters: Vec<Cluster>, least_seconds: f64) -> Vec<Cluster> {
    drop_small(voices, &mut clusters, least_seconds, 1);
    clusters.sort_by_key(|members| members[0]);
    clusters
}

/// Drops the clusters with the least speech, but none that has `least_seconds` and not so many that fewer than
/// `keep` remain.
fn drop_small(voices: &[Voice], clusters: &mut Vec<Cluster>, least_seconds: f64, keep: usize) {
    clusters.sort_by(|a, b| seconds(voices, b).total_cmp(&seconds(voices, a)));
    while clusters.len() > keep && clusters.last().is_some_and(|c| seconds(voices, c) < least_seconds) {
        clusters.pop();
    }
}

/// Splits the cluster whose two halves are least alike; false when no cluster can be split.
fn split_widest(voices: &[Voice], seen: &[Vec<f32>], clusters: &mut Vec<Cluster>) -> bool {
    let mut widest: Option<(f32, usize, [Cluster; 2])> = None;
    for (index, members) in clusters.iter().enumerate() {
        let Some((sides, cosine)) = two_means(voices, seen, members) else { continue };
        if widest.as_ref().is_none_or(|(least, ..)| cosine < *least) {
            widest = Some((cosine, index, sides));
        }
    }
    let Some((_, index, [a, b])) = widest else { return false };
    clusters[index] = a;
    clusters.push(b);
    true
}

/// Two halves of `members` by spherical 2-means about the centre, and the cosine of their directions; `None` when one runs empty. Starts from
/// the member least like all, and the one least like that.
fn two_means(voices: &[Voice], seen: &[Vec<f32>], members: &[usize]) -> Option<([Cluster; 2], f32)> {
    let towards = |members: &[usize]| direction(&weighted_sum(voices, seen, members));
    let least_like = |vector: &[f32]| {
        members.iter().min_by(|&&a, &&b| dot(&seen[a], vector).total_cmp(&dot(&seen[b], vector)))
    };
    let first = *least_like(&towards(members))?;
    let second = *least_like(&seen[first])?;
    let mut directions = [seen[first].clone(), seen[second].clone()];
    let mut sides = [Vec::new(), Vec::new()];
    for _ in 0..TWO_MEANS_ROUNDS {
        let (a, b): (Cluster, Cluster) =
            members.iter().partition(|&&i| dot(&seen[i], &directions[0]) >= dot(&seen[i], &directions[1]));
        if a.is_empty() || b.is_empty() {
            return None;
        }
        directions = [towards(&a), towards(&b)];
        sides = [a, b];
    }
    Some((sides, dot(&directions[0], &directions[1])))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(degrees: f32) -> Vec<f32> {
        vec![degrees.to_radians().cos(), degrees.to_radians().sin()]
    }

    fn sizes(voices: &[Voice], hints: &Hints) -> Vec<usize> {
        cluster(voices, hints, 1.0).clusters.iter().map(Vec::len).collect()
    }

    #[test]
    fn asked_for_two_speakers_a_splinter_is_joined_before_two_people_are() {
        let (one, other, splinter) = (person(0.0), person(57.0), person(-63.0));
        let mut voices = vec![Voice::of_piece(&splinter, 2.0)];
        voices.extend((0..20).flat_map(|_| [Voice::of_piece(&one, 3.0), Voice::of_piece(&other, 3.0)]));
        let hints = Hints { max_speakers: Some(2), ..Hints::default() };
        assert_eq!(sizes(&voices, &hints), [21, 20]);
    }

    #[test]
    fn asked_for_more_speakers_than_it_hears_it_splits_what_is_widest() {
        let (one, near, other) = (person(0.0), person(12.0), person(90.0));
        let voices: Vec<Voice> = [&one, &near, &other].map(|v| Voice::of_piece(v, 3.0)).repeat(5);
        assert_eq!(sizes(&voices, &Hints::default()), [10, 5]);
        let hints = Hints { min_speakers: Some(3), ..Hints::default() };
        assert_eq!(sizes(&voices, &hints), [5, 5, 5]);
        // There are no four different voices.
        let hints = Hints { min_speakers: Some(4), ..Hints::default() };
        assert_eq!(sizes(&voices, &hints), [5, 5, 5]);
    }

    #[test]
    fn a_voice_that_stands_for_many_weighs_as_much_as_they_do() {
        let people = [person(0.0), person(70.0), person(8.0)];
        let many: Vec<Voice> = [0, 0, 0, 1, 1, 2].map(|who| Voice::of_piece(&people[who], 2.0)).to_vec();
        let few: Vec<Voice> = people
            .iter()
            .zip([3, 2, 1])
            .map(|(embedding, count)| Voice { embedding, seconds: 2.0 * count as f64, count })
            .collect();
        let found = |voices: &[Voice]| cluster(voices, &Hints::default(), 1.0).voices;
        let (many, few) = (found(&many), found(&few));
        assert_eq!(many.len(), few.len());
        for (a, b) in many.embeddings().iter().zip(few.embeddings()) {
            assert!(dot(a, b) > 0.9999);
        }
    }
}
