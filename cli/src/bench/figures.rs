//! Figures: what a result of one recording comes to, as little as is needed to draw recordings anew thousands of times.

use diarization::scoring::Score;
use serde::Serialize;

/// One recording. Times in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Figures {
    /// Reference speech.
    pub reference_s: f64,
    /// Missed.
    pub miss_s: f64,
    /// Falsely heard.
    pub false_alarm_s: f64,
    /// Of the wrong speaker.
    pub confusion_s: f64,
    /// Speakers there are.
    pub speakers: usize,
    /// Speakers found.
    pub found: usize,
}

impl Figures {
    /// Those of a score.
    pub fn of(score: &Score) -> Self {
        Self {
            reference_s: score.reference_s,
            miss_s: score.miss_s,
            false_alarm_s: score.false_alarm_s,
            confusion_s: score.confusion_s,
            speakers: score.speakers_reference,
            found: score.speakers_hypothesis,
        }
    }

    /// By how many speakers the count is off.
    pub fn count_error(&self) -> usize {
        self.speakers.abs_diff(self.found)
    }

    /// Loss that a choice of parameters makes small: speakers too many or too few, and speech under the wrong speaker. Both trouble
    /// a user alike: one speaker too many is as bad as half of the speech confused.
    pub fn loss(&self) -> f64 {
        let confusion = if self.reference_s > 0.0 { self.confusion_s / self.reference_s } else { 0.0 };
        self.count_error().min(MOST_COUNTED) as f64 + 2.0 * confusion
    }
}

/// Past so many speakers it does not matter any more how far off a count is.
const MOST_COUNTED: usize = 3;

/// Recordings pooled: errors over speech; counts as means over recordings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Pool {
    /// Recordings.
    pub recordings: usize,
    /// Diarization error rate.
    pub der: f64,
    /// Missed speech.
    pub miss: f64,
    /// False alarm.
    pub false_alarm: f64,
    /// Confused speech.
    pub confusion: f64,
    /// Share of recordings with as many speakers as there are.
    pub exact: f64,
    /// Share of recordings with at most one too many or too few.
    pub within_one: f64,
    /// Mean absolute error of the count.
    pub count_error: f64,
}

impl Pool {
    /// `None` of nothing.
    pub fn of<'a>(figures: impl IntoIterator<Item = &'a Figures>) -> Option<Self> {
        let (mut sum, mut pool) = (Figures::default(), Self::default());
        for one in figures {
            sum.reference_s += one.reference_s;
            sum.miss_s += one.miss_s;
            sum.false_alarm_s += one.false_alarm_s;
            sum.confusion_s += one.confusion_s;
            pool.recordings += 1;
            pool.exact += f64::from(u8::from(one.count_error() == 0));
            pool.within_one += f64::from(u8::from(one.count_error() <= 1));
            pool.count_error += one.count_error() as f64;
        }
        if pool.recordings == 0 {
            return None;
        }
        let (speech, recordings) = (sum.reference_s.max(f64::MIN_POSITIVE), pool.recordings as f64);
        let rate = |seconds: f64| if seconds == 0.0 { 0.0 } else { (seconds / speech).min(MOST_RATE) };
        pool.miss = rate(sum.miss_s);
        pool.false_alarm = rate(sum.false_alarm_s);
        pool.confusion = rate(sum.confusion_s);
        pool.der = rate(sum.miss_s + sum.false_alarm_s + sum.confusion_s);
        for share in [&mut pool.exact, &mut pool.within_one, &mut pool.count_error] {
            *share /= recordings;
        }
        Some(pool)
    }
}

/// A recording of next to no speech must not rule a mean.
const MOST_RATE: f64 = 10.0;

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(reference_s: f64, confusion_s: f64, speakers: usize, found: usize) -> Figures {
        Figures { reference_s, confusion_s, speakers, found, ..Figures::default() }
    }

    #[test]
    fn errors_are_pooled_over_speech_and_counts_over_recordings() {
        let pool = Pool::of(&[figures(90.0, 9.0, 2, 2), figures(10.0, 1.0, 4, 3), figures(0.0, 0.0, 1, 4)]);
        let pool = pool.expect("three recordings");
        assert_eq!((pool.recordings, pool.der, pool.confusion, pool.miss), (3, 0.1, 0.1, 0.0));
        assert_eq!((pool.exact, pool.within_one), (1.0 / 3.0, 2.0 / 3.0));
        assert!((pool.count_error - 4.0 / 3.0).abs() < 1e-12);
        assert_eq!(Pool::of(&[]), None);
    }

    #[test]
    fn the_loss_counts_speakers_up_to_three_and_twice_the_confusion() {
        assert!((figures(10.0, 1.0, 2, 3).loss() - 1.2).abs() < 1e-12);
        assert!((figures(10.0, 0.0, 10, 2).loss() - 3.0).abs() < 1e-12);
        assert_eq!(figures(0.0, 0.0, 2, 2).loss(), 0.0);
    }
}
