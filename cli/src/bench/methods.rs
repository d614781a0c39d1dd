//! Methods: ours in its forms, and peers, each a figure per recording; and how they compare over sources.

use crate::bench::figures::{Figures, Pool};
use crate::bench::interval::Estimate;
use crate::bench::summary::Measured;
use serde::Serialize;
use std::collections::BTreeMap;

/// Our result over the whole, which all others are held against.
pub const FINAL: &str = "final";

/// Name of a rate, whether more of it is better, and its computation.
type Rate = (&'static str, bool, fn(&Pool) -> f64);

/// Rates by which methods are compared; all are shares but the last, which counts speakers.
const RATES: [Rate; 4] = [
    ("DER", false, |pool| pool.der),
    ("confusion", false, |pool| pool.confusion),
    ("exact count", true, |pool| pool.exact),
    (COUNT_ERROR, false, |pool| pool.count_error),
];
/// The rate that is no share.
pub const COUNT_ERROR: &str = "count error";

/// A way to a result.
#[derive(Clone, Debug, Serialize)]
pub struct Method {
    /// Name of the method.
    pub name: String,
    /// Figures of each recording, in the order of the recordings; `None` where the method has no result of a recording.
    pub figures: Vec<Option<Figures>>,
}

/// One rate of a method, as a mean over sources.
#[derive(Clone, Debug, Serialize)]
pub struct Mean {
    /// The method.
    pub method: String,
    /// Recordings.
    pub recordings: usize,
    /// The rate.
    pub rate: &'static str,
    /// Mean of the rate, with its intervals.
    pub estimate: Estimate,
}

/// One rate of a method less that of ours, on the same recordings.
#[derive(Clone, Debug, Serialize)]
pub struct Difference {
    /// The method.
    pub method: String,
    /// Recordings that both have a result of.
    pub recordings: usize,
    /// The rate.
    pub rate: &'static str,
    /// Rate of the method less that of ours, with its intervals.
    pub estimate: Estimate,
    /// Verdict on the difference, in words.
    pub verdict: &'static str,
}

/// All methods of which there are results: ours first, peers in the order in which they were given.
pub fn all(measured: &[Measured]) -> Vec<Method> {
    let method = |name: &str, figures: &dyn Fn(&Measured) -> Option<Figures>| Method {
        name: name.to_owned(),
        figures: measured.iter().map(figures).collect(),
    };
    let mut methods = vec![
        method(FINAL, &|one| Some(Figures::of(&one.last.exact))),
        method("in order", &|one| one.in_order.as_ref().map(|marks| Figures::of(&marks.exact))),
        method("count given", &|one| one.count_given),
    ];
    for (number, peer) in measured.first().map_or(&[][..], |one| &one.peers).iter().enumerate() {
        methods.push(method(&peer.name, &|one| {
            one.peers[number].marks.as_ref().map(|marks| Figures::of(&marks.exact))
        }));
    }
    methods.retain(|method| method.figures.iter().any(Option::is_some));
    methods
}

/// Groups the `values` that recordings have by source.
pub fn by_source<T>(measured: &[Measured], values: impl Iterator<Item = Option<T>>) -> Vec<Vec<T>> {
    let mut sources: BTreeMap<&str, Vec<T>> = BTreeMap::new();
    for (one, value) in measured.iter().zip(values) {
        if let Some(value) = value {
            sources.entry(one.source.label()).or_default().push(value);
        }
    }
    sources.into_values().collect()
}

/// Each method's rates.
pub fn means(measured: &[Measured], methods: &[Method]) -> Vec<Mean> {
    let mut means = Vec::new();
    for method in methods {
        let sources = by_source(measured, method.figures.iter().copied());
        for (rate, _, of) in RATES {
            let value = |figures: &[Figures]| Pool::of(figures).map_or(0.0, |pool| of(&pool));
            if let Some(estimate) = Estimate::of(&sources, value) {
                let recordings = sources.iter().map(Vec::len).sum();
                means.push(Mean { method: method.name.clone(), recordings, rate, estimate });
            }
        }
    }
    means
}

/// Differences of each method from the first.
pub fn differences(measured: &[Measured], methods: &[Method]) -> Vec<Difference> {
    let Some((ours, others)) = methods.split_first() else { return Vec::new() };
    let mut differences = Vec::new();
    for method in others {
        let pairs = ours.figures.iter().zip(&method.figures).map(|(ours, its)| Some(((*ours)?, (*its)?)));
        let sources = by_source(measured, pairs);
        for (rate, more_is_better, of) in RATES {
            let pooled = |figures: Vec<&Figures>| Pool::of(figures).map_or(0.0, |pool| of(&pool));
            let less = |pairs: &[(Figures, Figures)]| {
                pooled(pairs.iter().map(|pair| &pair.1).collect())
                    - pooled(pairs.iter().map(|pair| &pair.0).collect())
            };
            if let Some(estimate) = Estimate::of(&sources, less) {
                let recordings = sources.iter().map(Vec::len).sum();
                let verdict = verdict(&estimate, more_is_better);
                differences.push(Difference {
                    method: method.name.clone(),
                    recordings,
                    rate,
                    estimate,
                    verdict,
                });
            }
        }
    }
    differences
}

/// Verdict on a difference, in words.
pub fn verdict(difference: &Estimate, more_is_better: bool) -> &'static str {
    if difference.is_inside() {
        "inside the interval"
    } else if (difference.mean > 0.0) == more_is_better {
        "better than ours"
    } else {
        "worse than ours"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::interval::Interval;

    fn difference(low: f64, high: f64, mean: f64) -> Estimate {
        let interval = Interval { low, high };
        Estimate { mean, over_recordings: interval, over_sources: interval }
    }

    #[test]
    fn more_errors_are_worse_and_more_exact_counts_are_better() {
        assert_eq!(verdict(&difference(0.1, 0.3, 0.2), false), "worse than ours");
        assert_eq!(verdict(&difference(0.1, 0.3, 0.2), true), "better than ours");
        assert_eq!(verdict(&difference(-0.3, -0.1, -0.2), false), "better than ours");
        assert_eq!(verdict(&difference(-0.1, 0.3, 0.1), false), "inside the interval");
    }

    #[test]
    fn what_is_inside_either_interval_is_no_difference() {
        let mut found = difference(0.1, 0.3, 0.2);
        found.over_sources = Interval { low: -0.1, high: 0.5 };
        assert_eq!(verdict(&found, false), "inside the interval");
        found.over_sources = Interval { low: 0.1, high: 0.3 };
        found.over_recordings = Interval { low: 0.0, high: 0.4 };
        assert_eq!(verdict(&found, false), "inside the interval");
    }
}
