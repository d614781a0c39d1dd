//! Linkage: average-linkage clustering of voices, which may stand for many pieces each.
//!
//! The library that clusters single voices counts each of them once. The mean of a sub-cluster has to count for all of its
//! members, or a handful of outliers would outvote a speaker's hours.

use crate::similarity::dot;
use crate::voice::{Cluster, Voice};

/// Average-linkage clustering, cut where no more than `most` clusters are left.
pub fn most_alike(voices: &[Voice], most: usize) -> Vec<Cluster> {
    let n = voices.len();
    let mut clusters: Vec<Cluster> = (0..n).map(|i| vec![i]).collect();
    if n < 2 {
        return clusters;
    }
    let mut distances = Vec::with_capacity(n * (n - 1) / 2);
    for (i, voice) in voices.iter().enumerate() {
        distances.extend(voices[i + 1..].iter().map(|other| 1.0 - dot(voice.embedding, other.embedding)));
    }
    let mut left = n;
    for (a, b, _) in merges(voices, &mut distances) {
        let mut joined = Vec::new();
        if left > most {
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

/// The merges of average linkage, by distance: the numbers of two clusters and their distance. Voices are clusters 0 to n-1,
/// what merge `i` joins is cluster n + i.
fn merges(voices: &[Voice], distances: &mut [f32]) -> Vec<(usize, usize, f32)> {
    if voices.iter().all(|voice| voice.count == 1) {
        let dendrogram = kodama::linkage(distances, voices.len(), kodama::Method::Average);
        return dendrogram.steps().iter().map(|s| (s.cluster1, s.cluster2, s.dissimilarity)).collect();
    }
    let counts: Vec<usize> = voices.iter().map(|voice| voice.count).collect();
    average(distances, &counts)
}

/// The distances between each two of `n`: of 0 to 1, 2, … n-1, then of 1 to 2, 3, …
struct Condensed<'a> {
    distances: &'a mut [f32],
    n: usize,
}

impl Condensed<'_> {
    fn at(&mut self, x: usize, y: usize) -> &mut f32 {
        let (low, high) = (x.min(y), x.max(y));
        &mut self.distances[low * (2 * self.n - low - 1) / 2 + high - low - 1]
    }
}

/// Joins n = `counts.len()` items, of which item `i` counts `counts[i]` times, until one cluster is left. Returns the merges by
/// distance: the numbers of two clusters and the mean distance of their members. Items are clusters 0 to n-1; what merge `i` joins is
/// cluster n + i. `distances` is the condensed matrix and is used up. By chains of nearest neighbours (Murtagh 1983).
fn average(distances: &mut [f32], counts: &[usize]) -> Vec<(usize, usize, f32)> {
    let n = counts.len();
    let mut condensed = Condensed { distances, n };
    let mut counts = counts.to_vec();
    // Clusters go by the highest number among their members.
    let mut active: Vec<usize> = (0..n).collect();
    let mut chain: Vec<usize> = Vec::new();
    let mut merges = Vec::with_capacity(n.saturating_sub(1));
    while active.len() > 1 {
        let last = match chain.last() {
            Some(&last) => last,
            None => {
                chain.push(active[0]);
                active[0]
            }
        };
        let before = chain.len().checked_sub(2).map(|at| chain[at]);
        // Of equally near ones the cluster that the chain came from, or the chain would never end.
        let mut nearest = before.map(|before| (before, *condensed.at(last, before)));
        for &other in active.iter().filter(|&&other| other != last) {
            let distance = *condensed.at(last, other);
            if nearest.is_none_or(|(_, least)| distance < least) {
                nearest = Some((other, distance));
            }
        }
        let Some((other, distance)) = nearest else { break };
        if Some(other) != before {
            chain.push(other);
            continue;
        }
        chain.truncate(chain.len() - 2);
        let (gone, kept) = (last.min(other), last.max(other));
        active.retain(|&cluster| cluster != gone);
        let (a, b) = (counts[gone] as f32, counts[kept] as f32);
        for &third in active.iter().filter(|&&third| third != kept) {
            let from_gone = *condensed.at(third, gone);
            let from_kept = condensed.at(third, kept);
            *from_kept = (a * from_gone + b * *from_kept) / (a + b);
        }
        counts[kept] += counts[gone];
        merges.push((gone, kept, distance));
    }
    merges.sort_by(|x, y| x.2.total_cmp(&y.2));
    numbered(merges, n)
}

/// Names clusters as [`average`] does, where each merge names two items that it brings together. Rounding can put a merge a
/// hair before one that it builds on, so what an item belongs to is looked up and not assumed.
fn numbered(mut merges: Vec<(usize, usize, f32)>, n: usize) -> Vec<(usize, usize, f32)> {
    let mut above: Vec<Option<usize>> = vec![None; n + merges.len()];
    for (index, merge) in merges.iter_mut().enumerate() {
        for part in [&mut merge.0, &mut merge.1] {
            while let Some(next) = above[*part] {
                *part = next;
            }
        }
        above[merge.0] = Some(n + index);
        above[merge.1] = Some(n + index);
    }
    merges
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Condensed distances of points on a line.
    fn distances(points: &[f32]) -> Vec<f32> {
        let pairs = points.iter().enumerate().flat_map(|(i, a)| points[i + 1..].iter().map(move |b| (a, b)));
        pairs.map(|(a, b)| (a - b).abs()).collect()
    }

    fn heights(merges: &[(usize, usize, f32)]) -> Vec<f32> {
        merges.iter().map(|merge| merge.2).collect()
    }

    proptest! {
        #[test]
        fn counted_once_each_the_merges_are_those_of_the_library(points in prop::collection::vec(0.0_f32..100.0, 1..40)) {
            let found = average(&mut distances(&points), &vec![1; points.len()]);
            let known = kodama::linkage(&mut distances(&points), points.len(), kodama::Method::Average);
            prop_assert_eq!(found.len(), known.steps().len());
            for (merge, step) in found.iter().zip(known.steps()) {
                prop_assert!((merge.2 - step.dissimilarity).abs() < 1e-3, "{:?} {:?}", merge, step);
            }
        }

        #[test]
        fn a_point_that_counts_three_times_is_as_good_as_three_points(
            points in prop::collection::vec((0.0_f32..100.0, 1_usize..4), 2..15)
        ) {
            let (places, counts): (Vec<f32>, Vec<usize>) = points.iter().copied().unzip();
            let once = heights(&average(&mut distances(&places), &counts));
            let each: Vec<f32> = points.iter().flat_map(|&(at, count)| vec![at; count]).collect();
            let all = heights(&average(&mut distances(&each), &vec![1; each.len()]));
            // Points at one place come together first.
            let copies = each.len() - places.len();
            prop_assert!(all[..copies].iter().all(|&height| height == 0.0));
            for (x, y) in once.iter().zip(&all[copies..]) {
                prop_assert!((x - y).abs() < 1e-2, "{:?} {:?}", once, all);
            }
        }
    }

    #[test]
    fn nothing_and_one_need_no_merge() {
        assert_eq!(average(&mut [], &[]), []);
        assert_eq!(average(&mut [], &[7]), []);
    }
}
