//! Similarity of voices: cosine, and the threshold in the unit that users know.
//!
//! Cosine means *similarity* here and everywhere: 1 is the same direction, higher is more alike.

use serde::{Deserialize, Serialize};

/// `vector` scaled to length 1; `None` where it has no direction (zero or not finite).
pub fn normalise(mut vector: Vec<f32>) -> Option<Vec<f32>> {
    let length = vector.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>().sqrt();
    if !(length.is_finite() && length > 1e-9) {
        return None;
    }
    for x in &mut vector {
        *x = (f64::from(*x) / length) as f32;
    }
    Some(vector)
}

/// Inner product; the cosine where both vectors have length 1.
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    // Eight running sums: fast, and a fixed order of additions, so the result never depends on the machine's mood.
    let mut sums = [0.0_f32; 8];
    let (a8, a_rest) = a.as_chunks::<8>();
    let (b8, b_rest) = b.as_chunks::<8>();
    for (x, y) in a8.iter().zip(b8) {
        for lane in 0..8 {
            sums[lane] += x[lane] * y[lane];
        }
    }
    sums.iter().sum::<f32>() + a_rest.iter().zip(b_rest).map(|(x, y)| x * y).sum::<f32>()
}

/// Similarity from which on two voices count as one speaker, as the probability that they are one: 0.01 to 0.99. Lower merges more, higher
/// splits more.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Threshold(f64);

/// The threshold was not a probability.
#[derive(Debug, thiserror::Error)]
#[error(
    "the threshold is the probability that two voices are the same and must lie between 0.01 and 0.99, not {0}"
)]
pub struct ThresholdError(f64);

impl Threshold {
    /// Probability that two clusters are one speaker that are just as alike as the [bound](crate::agglomeration::Bound) says, and how fast
    /// its logit rises with the cosine (docs/decisions/0012).
    const DEFAULT: f64 = 0.45;
    const LOGIT_PER_COSINE: f64 = 16.0;

    /// The threshold as a probability.
    pub fn probability(self) -> f64 {
        self.0
    }

    /// Margin over the bound that two clusters need to be one speaker, in cosine.
    pub fn margin(self) -> f32 {
        let logit = |p: f64| (p / (1.0 - p)).ln();
        ((logit(self.0) - logit(Self::DEFAULT)) / Self::LOGIT_PER_COSINE) as f32
    }
}

impl Default for Threshold {
    fn default() -> Self {
        Self(Self::DEFAULT)
    }
}

impl TryFrom<f64> for Threshold {
    type Error = ThresholdError;

    fn try_from(probability: f64) -> Result<Self, ThresholdError> {
        if (0.01..=0.99).contains(&probability) {
            Ok(Self(probability))
        } else {
            Err(ThresholdError(probability))
        }
    }
}

impl From<Threshold> for f64 {
    fn from(threshold: Threshold) -> f64 {
        threshold.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vector_without_direction_is_refused() {
        assert_eq!(normalise(vec![0.0; 4]), None);
        assert_eq!(normalise(vec![f32::NAN, 1.0]), None);
    }

    #[test]
    fn a_higher_threshold_asks_for_more() {
        let at = |p: f64| Threshold::try_from(p).expect("a probability").margin();
        assert_eq!(Threshold::default().margin(), 0.0);
        assert!(at(0.2) < 0.0 && at(0.9) > 0.0);
    }

    #[test]
    fn only_probabilities_are_thresholds() {
        for p in [-1.0, 0.0, 1.0, 75.0, f64::NAN] {
            assert!(Threshold::try_from(p).is_err());
        }
    }

    #[test]
    fn the_inner_product_covers_every_element() {
        let a: Vec<f32> = (0..19).map(|i| i as f32).collect();
        assert_eq!(dot(&a, &a), (0..19).map(|i| (i * i) as f32).sum::<f32>());
    }
}
