//! Interval: how far a mean over sources might be off for the recordings and the sources that there happen to be.
//!
//! Recordings are drawn anew, with replacement, two thousand times, and the middle 95 % of the means are the interval (percentile bootstrap,
//! Efron & Tibshirani 1993). Once within each source, as if the sources were all there are; and once with the sources drawn anew
//! too, which says what to expect of a source that nobody has seen. A source of one recording adds nothing to the first, so the second
//! is the one to ask whether a difference is more than chance.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde::Serialize;

const DRAWS: usize = 2000;
/// The same draws for everything and for ever, so that two runs agree.
const SEED: u64 = 95;

/// From, to.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Interval {
    /// From here.
    pub low: f64,
    /// To here.
    pub high: f64,
}

impl Interval {
    /// The middle 95 % of `means`.
    fn middle(mut means: Vec<f64>) -> Self {
        means.sort_by(f64::total_cmp);
        let at = |share: f64| means[((means.len() - 1) as f64 * share).round() as usize];
        Self { low: at(0.025), high: at(0.975) }
    }

    /// True if the interval includes zero.
    pub fn holds_zero(&self) -> bool {
        self.low <= 0.0 && 0.0 <= self.high
    }
}

/// A mean over sources.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Estimate {
    /// The mean.
    pub mean: f64,
    /// Interval of the mean with recordings drawn anew within each source.
    pub over_recordings: Interval,
    /// Interval of the mean with recordings and sources drawn anew.
    pub over_sources: Interval,
}

impl Estimate {
    /// Of `rate` over `sources`, none of which is empty. `None` where there are none.
    pub fn of<T: Copy>(sources: &[Vec<T>], rate: impl Fn(&[T]) -> f64) -> Option<Self> {
        if sources.is_empty() || sources.iter().any(Vec::is_empty) {
            return None;
        }
        let mean = |rates: &mut dyn Iterator<Item = f64>| rates.sum::<f64>() / sources.len() as f64;
        let (mut random, mut drawn) = (StdRng::seed_from_u64(SEED), Vec::new());
        let mut again = |source: &[T], random: &mut StdRng| {
            drawn.clear();
            drawn.extend((0..source.len()).map(|_| source[random.random_range(0..source.len())]));
            rate(&drawn)
        };
        let within: Vec<f64> =
            (0..DRAWS).map(|_| mean(&mut sources.iter().map(|it| again(it, &mut random)))).collect();
        let across: Vec<f64> = (0..DRAWS)
            .map(|_| {
                mean(&mut (0..sources.len()).map(|_| {
                    let source = &sources[random.random_range(0..sources.len())];
                    again(source, &mut random)
                }))
            })
            .collect();
        Some(Self {
            mean: mean(&mut sources.iter().map(|source| rate(source))),
            over_recordings: Interval::middle(within),
            over_sources: Interval::middle(across),
        })
    }

    /// True if, as a difference, the estimate may be chance alone: one of its intervals includes zero.
    pub fn is_inside(&self) -> bool {
        self.over_recordings.holds_zero() || self.over_sources.holds_zero()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn average(values: &[f64]) -> f64 {
        values.iter().sum::<f64>() / values.len() as f64
    }

    #[test]
    fn every_source_counts_once_however_many_recordings_it_has() {
        let found = Estimate::of(&[vec![1.0; 100], vec![3.0]], average).expect("two sources");
        assert_eq!(found.mean, 2.0);
        assert_eq!(found.over_recordings, Interval { low: 2.0, high: 2.0 }, "they are all alike");
        assert_eq!(found.over_sources, Interval { low: 1.0, high: 3.0 }, "either might be the only one");
    }

    #[test]
    fn the_interval_is_as_wide_as_the_mean_of_so_many_is_unsure() {
        // Mean of a hundred fair coins: half, give or take a twentieth, so 95 % lie within a tenth.
        let coins: Vec<f64> = (0..100).map(|i| f64::from(i % 2)).collect();
        let found = Estimate::of(std::slice::from_ref(&coins), average).expect("one source");
        assert!((found.over_recordings.low - 0.4).abs() < 0.03, "{found:?}");
        assert!((found.over_recordings.high - 0.6).abs() < 0.03, "{found:?}");
        assert_eq!(Some(found), Estimate::of(&[coins], average), "the same again");
    }

    #[test]
    fn a_gain_on_one_source_alone_is_inside_and_one_on_all_is_not() {
        let one: Vec<Vec<f64>> = (0..8).map(|i| vec![if i == 0 { 5.0 } else { 0.0 }]).collect();
        assert!(Estimate::of(&one, average).expect("eight").is_inside());
        let all: Vec<Vec<f64>> = (0..8).map(|i| vec![1.0 + f64::from(i) / 8.0]).collect();
        assert!(!Estimate::of(&all, average).expect("eight").is_inside());
    }

    #[test]
    fn there_is_no_mean_of_nothing() {
        assert_eq!(Estimate::of(&[], average), None);
        assert_eq!(Estimate::of(&[vec![1.0], vec![]], average), None);
    }
}
