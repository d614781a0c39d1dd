//! Reliability: whether what is said to be right with a probability of 80 % is right in 80 % of the time.
//!
//! Each segment's confidence is set against the share of its speech that is by the reference speaker to whom its speaker is mapped, in
//! ten bins of confidence weighted by speech; the expected calibration error is the mean distance of the two (Naeini et al. 2015;
//! Guo et al., *On Calibration of Modern Neural Networks*, 2017). Segments where nobody speaks are false alarms, no matter
//! of who it is, and are left out.

use super::speech::{Side, Span, Ticks, common, seconds, ticks};
use super::{Options, mapping, sweep};
use crate::rttm::Segment;
use serde::{Deserialize, Serialize};

/// Bins of confidence.
pub const BINS: usize = 10;

/// Speech that was labelled with a confidence in one bin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Bin {
    /// Seconds of speech.
    pub speech: f64,
    /// Of these, by the right speaker.
    pub right: f64,
    /// Of these, as many as the confidence says would be.
    pub expected: f64,
}

impl Bin {
    fn add(&mut self, other: &Self) {
        self.speech += other.speech;
        self.right += other.right;
        self.expected += other.expected;
    }
}

/// Reliability of confidences: how well they hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Reliability {
    /// From 0 to 0.1, to 0.2, … to 1.
    pub bins: [Bin; BINS],
}

impl Reliability {
    /// Adds another recording's.
    pub fn add(&mut self, other: &Self) {
        self.bins.iter_mut().zip(&other.bins).for_each(|(bin, other)| bin.add(other));
    }

    /// All bins together.
    pub fn all(&self) -> Bin {
        let mut all = Bin::default();
        self.bins.iter().for_each(|bin| all.add(bin));
        all
    }

    /// Expected calibration error, 0 to 1; 0 where nothing was said.
    pub fn expected_calibration_error(&self) -> f64 {
        let speech = self.all().speech;
        let off: f64 = self.bins.iter().map(|bin| (bin.right - bin.expected).abs()).sum();
        if speech > 0.0 { off / speech } else { 0.0 }
    }
}

/// Looks at segments of a hypothesis, each with its confidence.
pub fn reliability(reference: &[Segment], hypothesis: &[(Segment, f64)]) -> Reliability {
    let segments: Vec<Segment> = hypothesis.iter().map(|(segment, _)| segment.clone()).collect();
    let (reference, found) = (Side::new(reference), Side::new(&segments));
    let tally = sweep::tally(&reference, &found, 0, &Options::default());
    let mapping = mapping::best(&tally);
    let everybody = Side::of_one(&reference);
    let mut reliability = Reliability::default();
    for (segment, confidence) in hypothesis {
        let start = ticks(segment.start_s);
        let span = [Span { start, end: start + ticks(segment.duration_s) }];
        let shared = |spans: &[Span]| -> Ticks { common(&span, spans).iter().map(|s| s.end - s.start).sum() };
        let speaker = found.names.iter().position(|name| *name == segment.speaker);
        let mapped = mapping.iter().find(|pair| Some(pair.hypothesis) == speaker);
        let right = mapped.map_or(0, |pair| shared(&reference.spans[pair.reference]));
        let speech = seconds(shared(&everybody));
        let bin = ((confidence * BINS as f64) as usize).min(BINS - 1);
        reliability.bins[bin].add(&Bin { speech, right: seconds(right), expected: speech * confidence });
    }
    reliability
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(speaker: &str, start_s: f64, duration_s: f64) -> Segment {
        Segment { file: "f".into(), start_s, duration_s, speaker: speaker.into() }
    }

    #[test]
    fn what_is_as_often_right_as_it_is_said_has_no_error() {
        let reference = [segment("a", 0.0, 18.0), segment("b", 18.0, 12.0)];
        let found = [
            (segment("0", 0.0, 10.0), 1.0),
            // Eight of ten seconds are a's.
            (segment("0", 10.0, 10.0), 0.8),
            (segment("1", 20.0, 10.0), 1.0),
            // Nobody speaks.
            (segment("1", 40.0, 5.0), 0.5),
        ];
        let all = reliability(&reference, &found);
        assert!(all.expected_calibration_error() < 1e-9, "{all:?}");
        assert_eq!((all.bins[9].speech, all.bins[8].speech, all.bins[5].speech), (20.0, 10.0, 0.0));
    }

    #[test]
    fn what_is_too_sure_is_off_by_as_much() {
        let reference = [segment("a", 0.0, 5.0), segment("b", 5.0, 5.0)];
        let mut all = reliability(&reference, &[(segment("0", 0.0, 10.0), 0.9)]);
        assert!((all.expected_calibration_error() - 0.4).abs() < 1e-9);
        all.add(&reliability(&reference, &[(segment("0", 0.0, 5.0), 1.0), (segment("1", 5.0, 5.0), 1.0)]));
        assert!((all.expected_calibration_error() - 0.2).abs() < 1e-9, "pooled in one bin: {all:?}");
    }
}
