//! Hints: what the caller knows about the recording.

use crate::agglomeration::Bound;
use crate::similarity::Threshold;
use serde::{Deserialize, Serialize};

/// Most speakers that can be asked for.
pub const MOST_SPEAKERS: usize = 100;

/// Number of speakers to find, and the similarity from which on two voices count as one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Hints {
    /// Fewest speakers.
    pub min_speakers: Option<usize>,
    /// Most speakers.
    pub max_speakers: Option<usize>,
    /// Similarity from which on two voices count as one.
    pub threshold: Threshold,
    /// Bound that the threshold is measured against: one for all recordings, but for the bench.
    #[serde(skip)]
    pub bound: Bound,
}

/// The hints contradict each other.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum HintError {
    /// A number of speakers is out of range.
    #[error("the number of speakers must be 1 to {MOST_SPEAKERS}, not {0}")]
    OutOfRange(usize),
    /// Fewer at most than at least.
    #[error("at least {min} speakers and at most {max} cannot both hold")]
    Contradiction {
        /// Fewest asked for.
        min: usize,
        /// Most asked for.
        max: usize,
    },
    /// An exact number beside a range.
    #[error("give either the exact number of speakers or a minimum and maximum, not both")]
    ExactAndRange,
}

impl Hints {
    /// These hints where at least one speaker is heard on each of so many channels.
    pub fn with_room_for(self, channels: usize) -> Self {
        Self { max_speakers: self.max_speakers.map(|most| most.max(channels)), ..self }
    }

    /// Words for the caller where the `found` speakers are not as many as the hints say; nobody is missed where nobody speaks.
    pub fn unmet(&self, found: usize) -> Option<String> {
        let count = |n: usize| if n == 1 { "1 speaker".to_owned() } else { format!("{n} speakers") };
        match (self.min_speakers, self.max_speakers) {
            (Some(fewest), _) if (1..fewest).contains(&found) => {
                Some(format!("{} asked for, and only {found} could be told apart", count(fewest)))
            }
            (_, Some(most)) if found > most => Some(format!(
                "{} asked for, and {found} found: the channels are heard separately, and nobody speaks on both; `mix` joins them",
                count(most)
            )),
            _ => None,
        }
    }

    /// Checks and joins the hints: an exact number, or a minimum and a maximum.
    pub fn new(
        exact: Option<usize>,
        min: Option<usize>,
        max: Option<usize>,
        threshold: Threshold,
    ) -> Result<Self, HintError> {
        if let Some(&bad) = [exact, min, max].iter().flatten().find(|n| !(1..=MOST_SPEAKERS).contains(*n)) {
            return Err(HintError::OutOfRange(bad));
        }
        match (exact, min, max) {
            (Some(_), Some(_), _) | (Some(_), _, Some(_)) => Err(HintError::ExactAndRange),
            (_, Some(min), Some(max)) if min > max => Err(HintError::Contradiction { min, max }),
            _ => Ok(Self {
                min_speakers: exact.or(min),
                max_speakers: exact.or(max),
                threshold,
                bound: Bound::default(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exact_number_is_a_range_of_one() {
        let hints = Hints::new(Some(3), None, None, Threshold::default()).expect("fits");
        assert_eq!((hints.min_speakers, hints.max_speakers), (Some(3), Some(3)));
    }

    #[test]
    fn contradictions_are_refused() {
        let new = |exact, min, max| Hints::new(exact, min, max, Threshold::default()).map(|_| ());
        assert_eq!(new(None, Some(3), Some(2)), Err(HintError::Contradiction { min: 3, max: 2 }));
        assert_eq!(new(Some(2), Some(2), None), Err(HintError::ExactAndRange));
        assert_eq!(new(Some(0), None, None), Err(HintError::OutOfRange(0)));
    }

    #[test]
    fn a_caller_is_told_of_a_count_that_could_not_be() {
        let hints = |min_speakers, max_speakers| Hints { min_speakers, max_speakers, ..Hints::default() };
        assert_eq!(hints(Some(2), Some(4)).unmet(3), None);
        assert_eq!(hints(Some(2), None).unmet(0), None, "nobody speaks");
        assert!(
            hints(Some(5), None)
                .unmet(3)
                .is_some_and(|why| why.contains("5 speakers") && why.contains("only 3"))
        );
        assert!(
            hints(None, Some(1)).unmet(2).is_some_and(|why| why.contains("1 speaker asked for, and 2 found"))
        );
        assert_eq!(hints(None, Some(1)).with_room_for(2).max_speakers, Some(2));
        assert_eq!(hints(None, Some(3)).with_room_for(2).max_speakers, Some(3));
        assert_eq!(hints(None, None).with_room_for(2).max_speakers, None);
    }
}
