//! Joining: too many clusters become speakers.
//!
//! Clusters are moved like those of spherical k-means, about the recording's [centre](crate::centre), and the two most alike are joined
//! as long as they are alike enough and the distance of their means is no more than their scatter lets one expect. After each
//! step only what changed is computed anew, so that a long recording's hundreds of small clusters cost little; the result is that of
//! computing everything anew.

use crate::similarity::dot;
use crate::voice::{Cluster, Voice, direction, weighted_sum};

/// Variance within a speaker that is assumed beforehand (squared distance to the mean, of vectors of length 1), and its weight in pieces.
const POOL: f64 = 0.35;
const POOL_N: f64 = 2.0;
/// How many times what their scatter explains is taken off the distance of two means: few pieces say little of it.
const DOUBT: f64 = 1.5;
/// Degrees of freedom below which a cluster says nothing of its scatter.
const LEAST_DOF: f64 = 0.01;

/// A cluster and what is known of it.
#[derive(Clone, Debug)]
struct Part {
    members: Cluster,
    seconds: f64,
    /// Effective number of pieces, each weighted by its seconds.
    pieces: f64,
    mean: Vec<f64>,
    direction: Vec<f32>,
    /// Cosine about the centre of each voice to this cluster.
    scores: Vec<f32>,
}

/// Voices in clusters.
#[derive(Debug)]
pub struct Parts<'a> {
    voices: &'a [Voice<'a>],
    raw: Vec<&'a [f32]>,
    /// Directions of the voices from the centre.
    seen: &'a [Vec<f32>],
    parts: Vec<Part>,
    /// Cosine of each two parts' directions.
    cosines: Vec<Vec<f32>>,
}

impl<'a> Parts<'a> {
    /// All `voices`, each with the one of `clusters` that is most like it; `seen` are their directions from the centre.
    pub fn around(voices: &'a [Voice<'a>], seen: &'a [Vec<f32>], clusters: &[Cluster]) -> Self {
        let raw: Vec<&[f32]> = voices.iter().map(|voice| voice.embedding).collect();
        let mut around = Self { voices, raw, seen, parts: Vec::new(), cosines: Vec::new() };
        around.parts = clusters.iter().map(|members| around.part(members.clone())).collect();
        around.cosines = vec![vec![0.0; clusters.len()]; clusters.len()];
        (0..clusters.len()).for_each(|part| around.compare(part));
        around.settle(1);
        around
    }

    /// Number of clusters.
    pub fn count(&self) -> usize {
        self.parts.len()
    }

    /// The clusters.
    pub fn into_clusters(self) -> Vec<Cluster> {
        self.parts.into_iter().map(|part| part.members).collect()
    }

    fn part(&self, members: Cluster) -> Part {
        let seconds: f64 = members.iter().map(|&i| self.voices[i].seconds).sum();
        // Of a mean of several: as if its pieces were of one length.
        let squares: f64 =
            members.iter().map(|&i| self.voices[i].seconds.powi(2) / self.voices[i].count as f64).sum();
        let mean = weighted_sum(self.voices, &self.raw, &members).into_iter().map(|x| x / seconds).collect();
        let direction = direction(&weighted_sum(self.voices, self.seen, &members));
        let scores = self.seen.iter().map(|seen| dot(seen, &direction)).collect();
        Part { members, seconds, pieces: seconds * seconds / squares, mean, direction, scores }
    }

    /// Notes how alike part `a` and all others are.
    fn compare(&mut self, a: usize) {
        for b in 0..self.parts.len() {
            let cosine = dot(&self.parts[a].direction, &self.parts[b].direction);
            self.cosines[a][b] = cosine;
            self.cosines[b][a] = cosine;
        }
    }

    fn remove(&mut self, part: usize) -> Part {
        self.cosines.remove(part);
        for row in &mut self.cosines {
            row.remove(part);
        }
        self.parts.remove(part)
    }

    fn renew(&mut self, part: usize, members: Cluster) {
        self.parts[part] = self.part(members);
        self.compare(part);
    }

    /// Up to `rounds` rounds of k-means: each voice goes to the cluster that it is most like, then clusters are computed anew.
    pub fn settle(&mut self, rounds: usize) {
        for _ in 0..rounds {
            let mut members = vec![Cluster::new(); self.parts.len()];
            for voice in 0..self.voices.len() {
                let mut most = 0;
                for (part, it) in self.parts.iter().enumerate() {
                    if it.scores[voice] > self.parts[most].scores[voice] {
                        most = part;
                    }
                }
                members[most].push(voice);
            }
            let mut moved = false;
            for part in (0..members.len()).rev() {
                let members = std::mem::take(&mut members[part]);
                if members.is_empty() {
                    self.remove(part);
                    moved = true;
                } else if members != self.parts[part].members {
                    self.renew(part, members);
                    moved = true;
                }
            }
            if !moved {
                break;
            }
        }
    }

    /// Joins part `b` to part `a`, and lets the voices settle for a round.
    pub fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (a.min(b), a.max(b));
        let mut members = self.remove(b).members;
        members.append(&mut self.parts[a].members);
        members.sort_unstable();
        self.renew(a, members);
        self.settle(1);
    }

    /// The two parts that are most alike among those whose means are no further apart than `farthest`, and their cosine about the centre.
    pub fn most_alike(&self, farthest: f64) -> Option<(usize, usize, f32)> {
        let variances = self.variances_of_means();
        let mut best: Option<(usize, usize, f32)> = None;
        for a in 0..self.parts.len() {
            for b in a + 1..self.parts.len() {
                let cosine = self.cosines[a][b];
                if best.is_none_or(|(.., most)| cosine > most)
                    && self.distance(a, b) - DOUBT * (variances[a] + variances[b]) <= farthest
                {
                    best = Some((a, b, cosine));
                }
            }
        }
        best
    }

    /// The two parts whose joining moves the least speech the least (Ward's criterion on the sphere): a splinter goes before two people
    /// are taken for one.
    pub fn cheapest(&self) -> Option<(usize, usize)> {
        let mut best: Option<(usize, usize, f64)> = None;
        for a in 0..self.parts.len() {
            for b in a + 1..self.parts.len() {
                let (x, y) = (self.parts[a].seconds, self.parts[b].seconds);
                let cost = x * y / (x + y) * (1.0 - f64::from(self.cosines[a][b]));
                if best.is_none_or(|(.., least)| cost < least) {
                    best = Some((a, b, cost));
                }
            }
        }
        best.map(|(a, b, _)| (a, b))
    }

    /// Squared distance of two means.
    fn distance(&self, a: usize, b: usize) -> f64 {
        self.parts[a].mean.iter().zip(&self.parts[b].mean).map(|(x, y)| (x - y).powi(2)).sum()
    }

    /// Variance of the mean of each part: the squared distance of two means less both is free of bias. What a part's few pieces say of
    /// their scatter is drawn to what all parts say.
    fn variances_of_means(&self) -> Vec<f64> {
        let scatter: Vec<(f64, f64)> = self
            .parts
            .iter()
            .map(|part| {
                let freedom = (part.pieces - 1.0).max(0.0);
                if freedom <= LEAST_DOF {
                    return (0.0, freedom);
                }
                let length: f64 = part.mean.iter().map(|x| x * x).sum();
                ((1.0 - length).max(0.0) * part.pieces, freedom)
            })
            .collect();
        let total = |of: fn(&(f64, f64)) -> f64| scatter.iter().map(of).sum::<f64>();
        let pool = (total(|s| s.0) + POOL * POOL_N) / (total(|s| s.1) + POOL_N);
        let parts = self.parts.iter().zip(&scatter);
        parts
            .map(|(part, (squares, freedom))| (squares + POOL_N * pool) / (freedom + POOL_N) / part.pieces)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::similarity::normalise;
    use proptest::prelude::*;

    fn at(degrees: f32) -> Vec<f32> {
        vec![degrees.to_radians().cos(), degrees.to_radians().sin()]
    }

    proptest! {
        #[test]
        fn what_is_kept_of_each_cluster_is_what_its_members_say(
            points in prop::collection::vec(prop::collection::vec(-1.0_f32..1.0, 4), 8..40),
            joins in 0_usize..6
        ) {
            let vectors: Vec<Vec<f32>> = points.into_iter().filter_map(normalise).collect();
            let voices: Vec<Voice> = vectors.iter().zip(1..).map(|(v, n)| Voice::of_piece(v, f64::from(n))).collect();
            let starts: Vec<Cluster> = (0..vectors.len()).step_by(3).map(|i| vec![i]).collect();
            let mut parts = Parts::around(&voices, &vectors, &starts);
            parts.settle(3);
            for _ in 0..joins {
                if let Some((a, b, _)) = parts.most_alike(f64::INFINITY) {
                    parts.join(a, b);
                }
            }
            for (a, part) in parts.parts.iter().enumerate() {
                let anew = parts.part(part.members.clone());
                prop_assert_eq!(&part.scores, &anew.scores);
                prop_assert_eq!(&part.mean, &anew.mean);
                for (b, other) in parts.parts.iter().enumerate() {
                    prop_assert_eq!(parts.cosines[a][b], dot(&part.direction, &other.direction));
                }
            }
            let mut members: Vec<usize> = parts.into_clusters().concat();
            members.sort_unstable();
            prop_assert!(members.into_iter().eq(0..voices.len()), "every voice is in one cluster");
        }
    }

    #[test]
    fn means_that_lie_apart_are_not_joined_however_alike_they_are_about_the_centre() {
        let (one, other) = (at(0.0), at(60.0));
        let voices: Vec<Voice> =
            [&one, &one, &one, &other, &other, &other].map(|v| Voice::of_piece(v, 2.0)).to_vec();
        let seen = vec![at(0.0); 6];
        let parts = Parts::around(&voices, &seen, &[vec![0], vec![3]]);
        assert_eq!(parts.count(), 1, "all are as near to the first");
        let seen: Vec<Vec<f32>> = [0.0, 0.0, 0.0, 1.0, 1.0, 1.0].map(at).to_vec();
        let parts = Parts::around(&voices, &seen, &[vec![0], vec![3]]);
        assert_eq!(parts.most_alike(0.5), None);
        assert!(parts.most_alike(1.0).is_some_and(|(a, b, cosine)| (a, b) == (0, 1) && cosine > 0.99));
    }

    #[test]
    fn two_scattered_pieces_say_less_of_their_mean_than_many() {
        let turned: Vec<Vec<f32>> = (0..12).map(|i| at(if i % 2 == 0 { -25.0 } else { 25.0 })).collect();
        let voices: Vec<Voice> = turned.iter().map(|v| Voice::of_piece(v, 2.0)).collect();
        let parts = Parts::around(&voices[..2], &turned[..2], &[vec![0, 1]]);
        let few = parts.variances_of_means()[0];
        let many = Parts::around(&voices, &turned, &[(0..12).collect()]).variances_of_means()[0];
        assert!(few > 3.0 * many, "{few} and {many}");
    }
}
