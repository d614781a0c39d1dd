//! Clustering: which voice vectors of the whole recording belong to one speaker.
//!
//! Average-linkage clustering, then each large cluster is asked whether it holds two voices (the split test); the
//! caller's hints on the number of speakers have the last word. See docs/decisions/0002 for what was measured.

use crate::hints::Hints;
use crate::linkage;
use crate::similarity::{dot, normalise};

/// Two clusters stay apart below this average cosine.
const LINKAGE_COSINE: f32 = 0.55;
/// The split test looks for two voices among sub-clusters at this average cosine.
const SPLIT_LINKAGE_COSINE: f32 = 0.70;
/// Two sides of a split have centroids less alike than this.
const SPLIT_CENTROID_COSINE: f32 = 0.80;
/// On both sides of a split, pieces are nearer to their own centroid than to the other by this much on average.
const SPLIT_MARGIN: f64 = 0.15;
/// Each side of a split has at least this much speech.
const SPLIT_SIDE_S: f64 = 20.0;
/// Fewest pieces of a cluster that is tested.
const SPLIT_FEWEST: usize = 10;
const TWO_MEANS_ROUNDS: usize = 10;

/// A voice vector and what stands behind it: a piece, or several whose vectors are alike.
#[derive(Clone, Copy, Debug)]
pub struct Voice<'a> {
    /// Unit-length vector of a piece. Of several the mean, weighted by their seconds, which is shorter: so that the inner product
    /// of two voices is the mean cosine between their pieces.
    pub embedding: &'a [f32],
    /// Seconds of clean speech, positive.
    pub seconds: f64,
    /// Pieces it stands for.
    pub count: usize,
}

impl<'a> Voice<'a> {
    /// The voice of one piece.
    pub fn of_piece(embedding: &'a [f32], seconds: f64) -> Self {
        Self { embedding, seconds, count: 1 }
    }
}

/// One cluster: indices of its members, ascending.
pub type Cluster = Vec<usize>;

/// Clusters `voices` into speakers; clusters come in the order of their first member. Clusters with less than
/// `least_seconds` of speech are dropped where the hints allow (their members are in no cluster).
pub fn cluster(voices: &[Voice], hints: &Hints, least_seconds: f64) -> Vec<Cluster> {
    if voices.is_empty() {
        return Vec::new();
    }
    let shift = hints.threshold.cosine_shift();
    let all: Cluster = (0..voices.len()).collect();
    let mut clusters = average_linkage(voices, &all, LINKAGE_COSINE + shift);
    clusters =
        clusters.into_iter().flat_map(|members| split_where_two_voices(voices, members, shift)).collect();
    drop_small(voices, &mut clusters, least_seconds, hints.min_speakers.unwrap_or(1));
    if let Some(most) = hints.max_speakers {
        merge_cheapest(voices, &mut clusters, most);
    }
    while clusters.len() < hints.min_speakers.unwrap_or(1) {
        if !split_widest(voices, &mut clusters) {
            break;
        }
    }
    clusters.sort_by_key(|members| members[0]);
    clusters
}

/// Duration-weighted mean direction of `members`, unit length.
pub fn centroid(voices: &[Voice], members: &[usize]) -> Vec<f32> {
    let dimension = members.first().map_or(0, |&i| voices[i].embedding.len());
    let mut sum = vec![0.0_f64; dimension];
    for &i in members {
        for (total, &x) in sum.iter_mut().zip(voices[i].embedding) {
            *total += f64::from(x) * voices[i].seconds;
        }
    }
    let sum: Vec<f32> = sum.into_iter().map(|x| x as f32).collect();
    // Vectors that cancel out have no direction; a zero vector is equally unlike every voice.
    normalise(sum).unwrap_or_else(|| vec![0.0; dimension])
}

fn seconds(voices: &[Voice], members: &[usize]) -> f64 {
    members.iter().map(|&i| voices[i].seconds).sum()
}

/// Average-linkage clustering of `members`, cut where the average cosine falls below `cosine`.
pub fn average_linkage(voices: &[Voice], members: &[usize], cosine: f32) -> Vec<Cluster> {
    cut(voices, members, |distance, _| distance <= 1.0 - cosine)
}

/// Average-linkage clustering of all `voices`, cut where no more than `most` clusters are left.
pub fn most_alike(voices: &[Voice], most: usize) -> Vec<Cluster> {
    let all: Cluster = (0..voices.len()).collect();
    cut(voices, &all, |_, left| left > most)
}

/// Average-linkage clustering of `members` as long as `joins`, given the distance of the next two clusters and how many are left.
fn cut(voices: &[Voice], members: &[usize], joins: impl Fn(f32, usize) -> bool) -> Vec<Cluster> {
    let n = members.len();
    if n < 2 {
        return members.iter().map(|&i| vec![i]).collect();
    }
    let mut distances = Vec::with_capacity(n * (n - 1) / 2);
    for (k, &i) in members.iter().enumerate() {
        distances
            .extend(members[k + 1..].iter().map(|&j| 1.0 - dot(voices[i].embedding, voices[j].embedding)));
    }
    let mut clusters: Vec<Cluster> = members.iter().map(|&i| vec![i]).collect();
    let mut left = n;
    for (a, b, distance) in merges(voices, members, &mut distances) {
        let mut joined = Vec::new();
        if joins(distance, left) {
            joined = std::mem::take(&mut clusters[a]);
            joined.append(&mut clusters[b]);
            left -= 1;
        }
        clusters.push(joined);
    }
    clusters.retain(|c| !c.is_empty());
    clusters.iter_mut().for_each(|c| c.sort_unstable());
    clusters.sort_by_key(|c| c[0]);
    clusters
}

/// The merges of average linkage, by distance: the numbers of two clusters and their distance. Members are clusters 0 to n-1,
/// what merge `i` joins is cluster n + i.
fn merges(voices: &[Voice], members: &[usize], distances: &mut [f32]) -> Vec<(usize, usize, f32)> {
    let counts: Vec<usize> = members.iter().map(|&i| voices[i].count).collect();
    if counts.iter().all(|&count| count == 1) {
        let dendrogram = kodama::linkage(distances, members.len(), kodama::Method::Average);
        return dendrogram.steps().iter().map(|s| (s.cluster1, s.cluster2, s.dissimilarity)).collect();
    }
    linkage::average(distances, &counts)
}

/// Joins two clusters at a time until no more than `most` (at least 1) are left, those first whose joining moves the least
/// speech the least (Ward's criterion on the sphere): a splinter goes before two people are taken for one.
fn merge_cheapest(voices: &[Voice], clusters: &mut Vec<Cluster>, most: usize) {
    let mut centroids: Vec<Vec<f32>> = clusters.iter().map(|c| centroid(voices, c)).collect();
    let mut speech: Vec<f64> = clusters.iter().map(|c| seconds(voices, c)).collect();
    while clusters.len() > most.max(1) {
        let mut best = (0, 1, f64::INFINITY);
        for a in 0..clusters.len() {
            for b in a + 1..clusters.len() {
                let shared = speech[a] * speech[b] / (speech[a] + speech[b]);
                let cost = shared * (1.0 - f64::from(dot(&centroids[a], &centroids[b])));
                if cost < best.2 {
                    best = (a, b, cost);
                }
            }
        }
        let (a, b, _) = best;
        let moved = clusters.remove(b);
        centroids.remove(b);
        speech[a] += speech.remove(b);
        clusters[a].extend(moved);
        clusters[a].sort_unstable();
        centroids[a] = centroid(voices, &clusters[a]);
    }
}

/// Splits `members` as long as the parts hold two voices each.
fn split_where_two_voices(voices: &[Voice], members: Cluster, shift: f32) -> Vec<Cluster> {
    let (mut todo, mut done) = (vec![members], Vec::new());
    while let Some(members) = todo.pop() {
        match two_voices(voices, &members, shift) {
            Some((a, b)) => todo.extend([b, a]),
            None => done.push(members),
        }
    }
    done
}

fn two_voices(voices: &[Voice], members: &[usize], shift: f32) -> Option<(Cluster, Cluster)> {
    let pieces: usize = members.iter().map(|&i| voices[i].count).sum();
    if seconds(voices, members) < 2.0 * SPLIT_SIDE_S || pieces < SPLIT_FEWEST {
        return None;
    }
    let mut parts = average_linkage(voices, members, SPLIT_LINKAGE_COSINE + shift);
    parts.sort_by(|a, b| seconds(voices, b).total_cmp(&seconds(voices, a)));
    let [first, second, ..] = parts.as_slice() else { return None };
    let (sides, centroids) = two_means(voices, members, [centroid(voices, first), centroid(voices, second)])?;
    let enough = sides.iter().all(|side| seconds(voices, side) >= SPLIT_SIDE_S);
    let apart = dot(&centroids[0], &centroids[1]) < SPLIT_CENTROID_COSINE + shift;
    let distinct =
        (0..2).all(|own| margin(voices, &sides[own], &centroids[own], &centroids[1 - own]) >= SPLIT_MARGIN);
    let [a, b] = sides;
    (enough && apart && distinct).then_some((a, b))
}

/// Mean over `members`, weighted by duration, of how much more alike they are to `own` than to `other`.
fn margin(voices: &[Voice], members: &[usize], own: &[f32], other: &[f32]) -> f64 {
    let weighted: f64 = members
        .iter()
        .map(|&i| {
            voices[i].seconds * f64::from(dot(voices[i].embedding, own) - dot(voices[i].embedding, other))
        })
        .sum();
    weighted / seconds(voices, members)
}

/// Spherical 2-means from the given centroids; `None` when one side runs empty.
fn two_means(
    voices: &[Voice],
    members: &[usize],
    start: [Vec<f32>; 2],
) -> Option<([Cluster; 2], [Vec<f32>; 2])> {
    let mut centroids = start;
    let mut sides = [Vec::new(), Vec::new()];
    for _ in 0..TWO_MEANS_ROUNDS {
        let (a, b): (Cluster, Cluster) = members.iter().partition(|&&i| {
            dot(voices[i].embedding, &centroids[0]) >= dot(voices[i].embedding, &centroids[1])
        });
        if a.is_empty() || b.is_empty() {
            return None;
        }
        centroids = [centroid(voices, &a), centroid(voices, &b)];
        sides = [a, b];
    }
    Some((sides, centroids))
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
fn split_widest(voices: &[Voice], clusters: &mut Vec<Cluster>) -> bool {
    let mut widest: Option<(f32, usize, [Cluster; 2])> = None;
    for (index, members) in clusters.iter().enumerate() {
        let Some((sides, centroids)) =
            farthest_pair(voices, members).and_then(|s| two_means(voices, members, s))
        else {
            continue;
        };
        let cosine = dot(&centroids[0], &centroids[1]);
        if widest.as_ref().is_none_or(|(least, ..)| cosine < *least) {
            widest = Some((cosine, index, sides));
        }
    }
    let Some((_, index, [a, b])) = widest else { return false };
    clusters[index] = a;
    clusters.push(b);
    true
}

/// The member least like the centroid of all, and the member least like that one.
fn farthest_pair(voices: &[Voice], members: &[usize]) -> Option<[Vec<f32>; 2]> {
    let least_like = |vector: &[f32]| {
        members
            .iter()
            .min_by(|&&a, &&b| dot(voices[a].embedding, vector).total_cmp(&dot(voices[b].embedding, vector)))
    };
    let a = *least_like(&centroid(voices, members))?;
    let b = *least_like(voices[a].embedding)?;
    (a != b).then(|| [voices[a].embedding.to_vec(), voices[b].embedding.to_vec()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asked_for_two_speakers_a_splinter_is_joined_before_two_people_are() {
        let person = |angle: f32| vec![angle.cos(), angle.sin()];
        let (one, other, splinter) = (person(0.0), person(1.0), person(-1.1));
        let voice = Voice::of_piece;
        let mut voices = vec![voice(&splinter[..], 2.0)];
        voices.extend((0..20).flat_map(|_| [voice(&one[..], 3.0), voice(&other[..], 3.0)]));
        let hints = Hints { max_speakers: Some(2), ..Hints::default() };
        let sizes: Vec<usize> = cluster(&voices, &hints, 1.0).iter().map(Vec::len).collect();
        assert_eq!(sizes, [21, 20]);
    }

    #[test]
    fn a_voice_that_stands_for_many_outvotes_one_that_stands_for_itself() {
        let person = |degrees: f32| vec![degrees.to_radians().cos(), degrees.to_radians().sin()];
        let embeddings = [person(0.0), person(50.0), person(-45.0)];
        let linked = |count: usize| {
            let voices: Vec<Voice> = embeddings
                .iter()
                .zip([count, 1, 1])
                .map(|(embedding, count)| Voice { embedding, seconds: 2.0 * count as f64, count })
                .collect();
            average_linkage(&voices, &[0, 1, 2], LINKAGE_COSINE).len()
        };
        assert_eq!((linked(1), linked(50)), (2, 1));
    }
}
