//! Agglomeration: clusters of voices are joined, two at a time, as long as two are alike enough.
//!
//! The similarity of two clusters is the cosine of their means (centroid linkage). The similarity that joining takes grows with the
//! logarithm of the smaller cluster's speech. One second heard of a voice differs from that voice far more than ten seconds do.

use crate::similarity::dot;
use crate::voice::{Cluster, Voice, direction};
use serde::{Deserialize, Serialize};

/// Similarity from which on two clusters may be joined. Chosen by leaving out sources (docs/decisions/0012).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bound {
    /// Cosine from which on two clusters are joined of which the smaller has a second of speech.
    pub at_one_second: f64,
    /// Rise of that cosine for each e-fold of that speech,
    pub per_log_second: f64,
    /// up to so many seconds.
    pub most_seconds: f64,
}

impl Default for Bound {
    fn default() -> Self {
        Self { at_one_second: 0.24, per_log_second: 0.14, most_seconds: 10.0 }
    }
}

/// Fewest seconds that are told apart.
const LEAST_S: f64 = 0.5;

impl Bound {
    /// The bound where all cosines are so many times as high.
    pub fn times(self, factor: f64) -> Self {
        Self {
            at_one_second: self.at_one_second * factor,
            per_log_second: self.per_log_second * factor,
            ..self
        }
    }

    /// Cosine from which on two clusters are joined of which the smaller has `seconds` of speech.
    fn cosine(&self, seconds: f64) -> f64 {
        self.at_one_second + self.per_log_second * seconds.clamp(LEAST_S, self.most_seconds).ln()
    }
}

/// Conditions under which joining stops.
#[derive(Clone, Copy, Debug)]
pub struct Stop {
    /// Least margin over the bound, in cosine, with which two clusters are joined.
    pub margin: f32,
    /// Fewest clusters.
    pub fewest: usize,
    /// Most clusters, whatever the bound says.
    pub most: usize,
}

struct Part {
    members: Cluster,
    sum: Vec<f64>,
    direction: Vec<f32>,
    seconds: f64,
}

/// Margins of each two clusters: of 0 with 1, 2, … n-1, then of 1 with 2, 3, …
struct Margins {
    values: Vec<f32>,
    n: usize,
}

impl Margins {
    fn at(&mut self, x: usize, y: usize) -> &mut f32 {
        let (low, high) = (x.min(y), x.max(y));
        &mut self.values[low * (2 * self.n - low - 1) / 2 + high - low - 1]
    }
}

struct Agglomeration<'a> {
    bound: &'a Bound,
    /// `None` of those that were joined to others.
    parts: Vec<Option<Part>>,
    margins: Margins,
    /// Of each cluster the one that it has the greatest margin with.
    best: Vec<Option<(f32, usize)>>,
    left: usize,
}

/// Joins `voices` until `stop`. Clusters come in the order of their first member.
pub fn agglomerate(voices: &[Voice], bound: &Bound, stop: Stop) -> Vec<Cluster> {
    let mut all = Agglomeration::new(voices, bound);
    while all.left > stop.fewest.max(1) {
        let Some((margin, a, b)) = all.next() else { break };
        if margin < stop.margin && all.left <= stop.most {
            break;
        }
        all.join(a, b);
    }
    let mut clusters: Vec<Cluster> = all.parts.into_iter().flatten().map(|part| part.members).collect();
    clusters.iter_mut().for_each(|members| members.sort_unstable());
    clusters.sort_by_key(|members| members[0]);
    clusters
}

impl<'a> Agglomeration<'a> {
    fn new(voices: &[Voice], bound: &'a Bound) -> Self {
        let part = |(index, voice): (usize, &Voice)| {
            let sum: Vec<f64> = voice.embedding.iter().map(|&x| f64::from(x) * voice.seconds).collect();
            Some(Part { members: vec![index], direction: direction(&sum), sum, seconds: voice.seconds })
        };
        let n = voices.len();
        let mut all = Self {
            bound,
            parts: voices.iter().enumerate().map(part).collect(),
            margins: Margins { values: Vec::with_capacity(n * n.saturating_sub(1) / 2), n },
            best: vec![None; n],
            left: n,
        };
        for a in 0..n {
            for b in a + 1..n {
                let margin = all.margin(a, b);
                all.margins.values.push(margin);
                all.offer(a, b, margin);
                all.offer(b, a, margin);
            }
        }
        all
    }

    /// Margin of clusters `a` and `b`: their cosine less the one that the bound asks for.
    fn margin(&self, a: usize, b: usize) -> f32 {
        let (Some(x), Some(y)) = (&self.parts[a], &self.parts[b]) else { return f32::MIN };
        let cosine = f64::from(dot(&x.direction, &y.direction));
        (cosine - self.bound.cosine(x.seconds.min(y.seconds))) as f32
    }

    fn offer(&mut self, a: usize, b: usize, margin: f32) {
        if self.best[a].is_none_or(|(most, _)| margin > most) {
            self.best[a] = Some((margin, b));
        }
    }

    /// The two clusters with the greatest margin; of equal ones the first.
    fn next(&self) -> Option<(f32, usize, usize)> {
        let mut next: Option<(f32, usize, usize)> = None;
        for (a, best) in self.best.iter().enumerate() {
            if let Some((margin, b)) = *best
                && next.is_none_or(|(most, ..)| margin > most)
            {
                next = Some((margin, a, b));
            }
        }
        next
    }

    /// Joins cluster `b` to cluster `a`.
    fn join(&mut self, a: usize, b: usize) {
        let (Some(gone), Some(part)) = (self.parts[b].take(), self.parts[a].as_mut()) else { return };
        part.members.extend(gone.members);
        part.sum.iter_mut().zip(&gone.sum).for_each(|(sum, x)| *sum += x);
        part.direction = direction(&part.sum);
        part.seconds += gone.seconds;
        self.best[a] = None;
        self.best[b] = None;
        self.left -= 1;
        let live: Vec<usize> = (0..self.parts.len()).filter(|&k| k != a && self.parts[k].is_some()).collect();
        for &other in &live {
            let margin = self.margin(a, other);
            *self.margins.at(a, other) = margin;
            self.offer(a, other, margin);
        }
        for &other in &live {
            if self.best[other].is_some_and(|(_, with)| with != a && with != b) {
                let margin = *self.margins.at(a, other);
                self.offer(other, a, margin);
                continue;
            }
            self.best[other] = None;
            for third in live.iter().copied().chain([a]).filter(|&third| third != other) {
                let margin = *self.margins.at(other, third);
                self.offer(other, third, margin);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::similarity::normalise;
    use proptest::prelude::*;

    fn stop(margin: f32) -> Stop {
        Stop { margin, fewest: 1, most: usize::MAX }
    }

    /// The same, with everything computed anew at every step.
    fn plainly(voices: &[Voice], bound: &Bound, stop: Stop) -> Vec<Cluster> {
        let mut clusters: Vec<Cluster> = (0..voices.len()).map(|i| vec![i]).collect();
        while clusters.len() > 1 {
            let mean = |members: &Cluster| {
                let vectors: Vec<&[f32]> = voices.iter().map(|voice| voice.embedding).collect();
                direction(&crate::voice::weighted_sum(voices, &vectors, members))
            };
            let mut best: Option<(f64, usize, usize)> = None;
            for a in 0..clusters.len() {
                for b in a + 1..clusters.len() {
                    let least = [a, b].map(|k| crate::voice::seconds(voices, &clusters[k]));
                    let cosine = f64::from(dot(&mean(&clusters[a]), &mean(&clusters[b])));
                    let margin = cosine - bound.cosine(least[0].min(least[1]));
                    if best.is_none_or(|(most, ..)| margin > most) {
                        best = Some((margin, a, b));
                    }
                }
            }
            let Some((margin, a, b)) = best else { break };
            if (margin as f32) < stop.margin {
                break;
            }
            let gone = clusters.remove(b);
            clusters[a].extend(gone);
        }
        clusters.iter_mut().for_each(|members| members.sort_unstable());
        clusters.sort();
        clusters
    }

    proptest! {
        #[test]
        fn what_is_kept_between_steps_is_what_computing_everything_anew_gives(
            vectors in prop::collection::vec((prop::collection::vec(-1.0_f32..1.0, 4), 0.5_f64..12.0), 1..24)
        ) {
            let vectors: Vec<(Vec<f32>, f64)> =
                vectors.into_iter().filter_map(|(v, seconds)| Some((normalise(v)?, seconds))).collect();
            let voices: Vec<Voice> = vectors.iter().map(|(v, s)| Voice::of_piece(v, *s)).collect();
            let found = agglomerate(&voices, &Bound::default(), stop(0.0));
            prop_assert_eq!(found, plainly(&voices, &Bound::default(), stop(0.0)));
        }
    }

    fn person(degrees: f32) -> Vec<f32> {
        vec![degrees.to_radians().cos(), degrees.to_radians().sin()]
    }

    #[test]
    fn the_same_cosine_joins_what_is_short_and_not_what_is_long() {
        let (one, other) = (person(0.0), person(70.0));
        let joined = |seconds| {
            let voices = [Voice::of_piece(&one, seconds), Voice::of_piece(&other, seconds)];
            agglomerate(&voices, &Bound::default(), stop(0.0)).len() == 1
        };
        assert!(joined(1.0) && !joined(10.0));
    }

    #[test]
    fn so_many_clusters_as_are_asked_for_are_left() {
        let people: Vec<Vec<f32>> = (0..6).map(|i| person(i as f32 * 30.0)).collect();
        let voices: Vec<Voice> = people.iter().map(|v| Voice::of_piece(v, 3.0)).collect();
        for count in 1..=6 {
            let stop = Stop { margin: 0.0, fewest: count, most: count };
            assert_eq!(agglomerate(&voices, &Bound::default(), stop).len(), count);
        }
    }
}
