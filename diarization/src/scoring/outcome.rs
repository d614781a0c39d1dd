//! Outcome of a comparison: one recording's score, and many of them pooled.

use serde::{Deserialize, Serialize};

use super::mapping::{JACCARD_ONE, Pair, jaccard};
use super::speech::{Side, seconds};
use super::sweep::Tally;

/// One recording's score. Times are in seconds of speech, counted per speaker, within what is scored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// Reference speech; equals `miss_s + confusion_s + correct_s`.
    pub reference_s: f64,
    /// Reference speech where the hypothesis has too few speakers.
    pub miss_s: f64,
    /// Hypothesis speech where the reference has fewer speakers.
    pub false_alarm_s: f64,
    /// Speech that both sides have, but by speakers that are not mapped to each other.
    pub confusion_s: f64,
    /// Speech by the speaker mapped to the right one.
    pub correct_s: f64,
    /// Jaccard error rate, from 0 to 1.
    pub jer: f64,
    /// Reference speakers over which [`jer`](Self::jer) is the mean: those with speech left to score.
    pub speakers_scored: usize,
    /// Speakers of the reference, with what is not scored.
    pub speakers_reference: usize,
    /// Speakers of the hypothesis, with what is not scored.
    pub speakers_hypothesis: usize,
    /// Each hypothesis speaker that is mapped, with its reference speaker, sorted by the latter. A speaker
    /// that shares no time with its best match is absent.
    pub mapping: Vec<(String, String)>,
}

impl Score {
    pub(super) fn new(reference: &Side, hypothesis: &Side, tally: &Tally, pairs: &[Pair]) -> Self {
        let correct = pairs.iter().map(|pair| tally.shared[pair.reference][pair.hypothesis]).sum::<i64>();
        let speakers_scored = tally.by_reference.iter().filter(|&&speech| speech > 0).count();
        let jer = match speakers_scored {
            0 => rate(seconds(tally.false_alarm), 0.0),
            count => {
                let indices = pairs.iter().map(|&pair| jaccard(tally, pair)).sum::<i128>();
                1.0 - indices as f64 / (count as f64 * JACCARD_ONE as f64)
            }
        };
        Self {
            reference_s: seconds(tally.reference),
            miss_s: seconds(tally.missed),
            false_alarm_s: seconds(tally.false_alarm),
            confusion_s: seconds(tally.paired - correct),
            correct_s: seconds(correct),
            jer,
            speakers_scored,
            speakers_reference: reference.len(),
            speakers_hypothesis: hypothesis.len(),
            mapping: pairs
                .iter()
                .map(|pair| {
                    (hypothesis.names[pair.hypothesis].clone(), reference.names[pair.reference].clone())
                })
                .collect(),
        }
    }

    /// Diarization error rate: 0 is perfect, and false alarms can take it past 1.
    pub fn der(&self) -> f64 {
        rate(self.miss_s + self.false_alarm_s + self.confusion_s, self.reference_s)
    }

    /// Missed speech over reference speech.
    pub fn miss(&self) -> f64 {
        rate(self.miss_s, self.reference_s)
    }

    /// False alarm over reference speech; 1 where there is a false alarm and no reference.
    pub fn false_alarm(&self) -> f64 {
        rate(self.false_alarm_s, self.reference_s)
    }

    /// Confused speech over reference speech.
    pub fn confusion(&self) -> f64 {
        rate(self.confusion_s, self.reference_s)
    }

    /// True where the hypothesis has as many speakers as the reference.
    pub fn is_count_exact(&self) -> bool {
        self.speakers_reference == self.speakers_hypothesis
    }
}

/// Several recordings' scores taken together: errors added up over speech added up, so that a recording
/// weighs as much as it has speech.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Pooled {
    /// Number of recordings.
    pub recordings: usize,
    /// Reference speech, in seconds.
    pub reference_s: f64,
    /// Missed speech, in seconds.
    pub miss_s: f64,
    /// False alarm, in seconds.
    pub false_alarm_s: f64,
    /// Confused speech, in seconds.
    pub confusion_s: f64,
    /// Correct speech, in seconds.
    pub correct_s: f64,
    /// Jaccard error rate, the mean over the reference speakers of all recordings. Where there are none, 1
    /// if any recording has a false alarm, else 0.
    pub jer: f64,
    /// Reference speakers over which [`jer`](Self::jer) is the mean.
    pub speakers_scored: usize,
    /// Recordings in which the hypothesis has as many speakers as the reference.
    pub count_exact: usize,
}

impl Pooled {
    /// Diarization error rate of all recordings together.
    pub fn der(&self) -> f64 {
        rate(self.miss_s + self.false_alarm_s + self.confusion_s, self.reference_s)
    }

    /// Missed speech over reference speech.
    pub fn miss(&self) -> f64 {
        rate(self.miss_s, self.reference_s)
    }

    /// False alarm over reference speech; 1 where there is a false alarm and no reference.
    pub fn false_alarm(&self) -> f64 {
        rate(self.false_alarm_s, self.reference_s)
    }

    /// Confused speech over reference speech.
    pub fn confusion(&self) -> f64 {
        rate(self.confusion_s, self.reference_s)
    }
}

/// Pools the scores of several recordings.
pub fn pool<'a>(scores: impl IntoIterator<Item = &'a Score>) -> Pooled {
    let mut pooled = Pooled::default();
    let mut speaker_errors = 0.0;
    for score in scores {
        pooled.recordings += 1;
        pooled.reference_s += score.reference_s;
        pooled.miss_s += score.miss_s;
        pooled.false_alarm_s += score.false_alarm_s;
        pooled.confusion_s += score.confusion_s;
        pooled.correct_s += score.correct_s;
        pooled.speakers_scored += score.speakers_scored;
        pooled.count_exact += usize::from(score.is_count_exact());
        speaker_errors += score.jer * score.speakers_scored as f64;
    }
    pooled.jer = match pooled.speakers_scored {
        0 => rate(pooled.false_alarm_s, 0.0),
        count => speaker_errors / count as f64,
    };
    pooled
}

/// Error over reference, both in seconds. Without a reference any error at all counts as 1.
fn rate(error_s: f64, reference_s: f64) -> f64 {
    if reference_s > 0.0 {
        error_s / reference_s
    } else if error_s > 0.0 {
        1.0
    } else {
        0.0
    }
}
