//! Review: how much of the speech that is under the wrong speaker a person finds who listens to the least sure of it.

use super::speech::{Side, Span, Ticks, common, seconds, ticks};
use super::{Options, mapping, sweep};
use crate::rttm::Segment;

/// A turn of a result, against the reference.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Judged {
    /// Confidence with which its speaker was given, 0 to 1.
    pub confidence: f64,
    /// Seconds in which anybody speaks.
    pub speech_s: f64,
    /// Of these, those in which its speaker is not among them.
    pub wrong_s: f64,
}

/// Judges the turns of a result, each with its confidence. Speakers are mapped as they are scored.
pub fn judged(reference: &[Segment], hypothesis: &[(Segment, f64)]) -> Vec<Judged> {
    let segments: Vec<Segment> = hypothesis.iter().map(|(segment, _)| segment.clone()).collect();
    let (reference, found) = (Side::new(reference), Side::new(&segments));
    let mapping = mapping::best(&sweep::tally(&reference, &found, 0, &Options::default()));
    let everybody = Side::of_one(&reference);
    let judge = |(segment, confidence): &(Segment, f64)| {
        let start = ticks(segment.start_s);
        let span = [Span { start, end: start + ticks(segment.duration_s) }];
        let shared = |spans: &[Span]| -> Ticks { common(&span, spans).iter().map(|s| s.end - s.start).sum() };
        let speaker = found.names.iter().position(|name| *name == segment.speaker);
        let mapped = mapping.iter().find(|pair| Some(pair.hypothesis) == speaker);
        let right = mapped.map_or(0, |pair| shared(&reference.spans[pair.reference]));
        let speech = shared(&everybody);
        Judged { confidence: *confidence, speech_s: seconds(speech), wrong_s: seconds(speech - right) }
    };
    hypothesis.iter().map(judge).collect()
}

/// Seconds under the wrong speaker in the least sure `share` of the speech of `turns`, 0 to 1. Of the turn in which that ends, as much as its share.
pub fn found_in(turns: &[Judged], share: f64) -> f64 {
    let mut turns: Vec<&Judged> = turns.iter().filter(|turn| turn.speech_s > 0.0).collect();
    turns.sort_by(|a, b| a.confidence.total_cmp(&b.confidence));
    let mut left = share * turns.iter().map(|turn| turn.speech_s).sum::<f64>();
    let mut found = 0.0;
    for turn in turns {
        let part = (left / turn.speech_s).clamp(0.0, 1.0);
        found += part * turn.wrong_s;
        left -= turn.speech_s;
        if left <= 0.0 {
            break;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(speaker: &str, start_s: f64, duration_s: f64) -> Segment {
        Segment { file: "f".into(), start_s, duration_s, speaker: speaker.into() }
    }

    #[test]
    fn the_least_sure_turns_are_looked_at_first_and_what_is_wrong_in_them_is_found() {
        let reference = [segment("a", 0.0, 60.0), segment("b", 60.0, 40.0)];
        let turns = judged(
            &reference,
            &[
                (segment("0", 0.0, 55.0), 0.9),
                (segment("1", 55.0, 5.0), 0.3),
                (segment("1", 60.0, 35.0), 0.95),
                (segment("0", 95.0, 5.0), 0.5),
                // Nobody speaks.
                (segment("1", 200.0, 5.0), 0.1),
            ],
        );
        let wrong: Vec<f64> = turns.iter().map(|turn| turn.wrong_s).collect();
        assert_eq!(wrong, [0.0, 5.0, 0.0, 5.0, 0.0]);
        for (share, found) in [(0.0, 0.0), (0.025, 2.5), (0.05, 5.0), (0.1, 10.0), (1.0, 10.0)] {
            assert!((found_in(&turns, share) - found).abs() < 1e-9, "{share}");
        }
    }

    #[test]
    fn where_two_speak_at_once_either_is_right() {
        let reference = [segment("a", 0.0, 10.0), segment("b", 5.0, 10.0)];
        let turns = judged(&reference, &[(segment("0", 0.0, 10.0), 0.9), (segment("1", 5.0, 10.0), 0.9)]);
        assert!(turns.iter().all(|turn| turn.wrong_s == 0.0), "{turns:?}");
        assert_eq!(found_in(&[], 0.5), 0.0);
    }
}
