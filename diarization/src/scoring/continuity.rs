//! Continuity: whether speakers keep their labels from one stretch of a recording to the next, which an error rate over the whole
//! does not tell: a label that is lost for ten minutes and one that is lost for ten seconds at sixty borders cost the same.

use super::speech::{Side, Span, Ticks, common, ticks};
use crate::rttm::Segment;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// A speaker with less reference speech in a stretch is not looked for in it, seconds.
const LEAST_S: f64 = 2.0;

/// Continuity of labels from stretch to stretch. A speaker's label in a stretch is the one that shares most time with them there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Continuity {
    /// Times that a speaker was heard in a stretch after an earlier one.
    pub carried: usize,
    /// Of these, under the label of that earlier one. The others are swaps.
    pub kept: usize,
    /// Times that a speaker was heard again after a stretch or more without a word.
    pub returned: usize,
    /// Of these, under the label of before.
    pub recognised: usize,
    /// Speakers beside the first.
    pub joined: usize,
    /// Of these, first heard under a label that was nobody else's.
    pub told_apart: usize,
}

impl Continuity {
    /// Adds another recording's.
    pub fn add(&mut self, other: &Self) {
        self.carried += other.carried;
        self.kept += other.kept;
        self.returned += other.returned;
        self.recognised += other.recognised;
        self.joined += other.joined;
        self.told_apart += other.told_apart;
    }

    /// Labels that changed from one stretch to the next.
    pub fn swaps(&self) -> usize {
        self.carried - self.kept
    }
}

/// Looks at stretches of `stretch_s` seconds, such as chunks.
pub fn continuity(reference: &[Segment], hypothesis: &[Segment], stretch_s: f64) -> Continuity {
    let (reference, hypothesis) = (Side::new(reference), Side::new(hypothesis));
    let stretch = ticks(stretch_s).max(1);
    let heard: Vec<BTreeMap<Ticks, usize>> =
        reference.spans.iter().map(|speech| labels(speech, &hypothesis, stretch)).collect();
    let mut found = Continuity::default();
    for speaker in &heard {
        for ((before, was), (now, is)) in speaker.iter().zip(speaker.iter().skip(1)) {
            found.carried += 1;
            found.kept += usize::from(was == is);
            if now - before > 1 {
                found.returned += 1;
                found.recognised += usize::from(was == is);
            }
        }
    }
    // In the order in which they are first heard; of one stretch, as the reference names them.
    let mut firsts: Vec<(Ticks, usize, usize)> = heard
        .iter()
        .enumerate()
        .filter_map(|(speaker, labels)| labels.first_key_value().map(|(&at, &label)| (at, speaker, label)))
        .collect();
    firsts.sort_unstable();
    for (number, &(at, speaker, label)) in firsts.iter().enumerate().skip(1) {
        let earlier = heard.iter().enumerate().filter(|(other, _)| *other != speaker);
        let mut taken: BTreeSet<usize> =
            earlier.flat_map(|(_, labels)| labels.range(..at).map(|(_, &label)| label)).collect();
        taken.extend(firsts[..number].iter().map(|(_, _, label)| *label));
        found.joined += 1;
        found.told_apart += usize::from(!taken.contains(&label));
    }
    found
}

/// The label of one speaker in each stretch in which they say enough and any of it was found.
fn labels(speech: &[Span], hypothesis: &Side, stretch: Ticks) -> BTreeMap<Ticks, usize> {
    let own = shares(speech, stretch);
    let mut best: BTreeMap<Ticks, (Ticks, usize)> = BTreeMap::new();
    for (label, spans) in hypothesis.spans.iter().enumerate() {
        for (at, shared) in shares(&common(speech, spans), stretch) {
            let most = best.entry(at).or_insert((0, label));
            if shared > most.0 {
                *most = (shared, label);
            }
        }
    }
    best.retain(|at, (shared, _)| *shared > 0 && own.get(at).is_some_and(|&said| said >= ticks(LEAST_S)));
    best.into_iter().map(|(at, (_, label))| (at, label)).collect()
}

/// Time of the spans in each stretch.
fn shares(spans: &[Span], stretch: Ticks) -> BTreeMap<Ticks, Ticks> {
    let mut shares = BTreeMap::new();
    for span in spans {
        let mut start = span.start;
        while start < span.end {
            let at = start.div_euclid(stretch);
            let end = span.end.min((at + 1) * stretch);
            *shares.entry(at).or_default() += end - start;
            start = end;
        }
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Speech as "name from-to".
    fn side(lines: &[(&str, f64, f64)]) -> Vec<Segment> {
        lines
            .iter()
            .map(|&(speaker, start_s, end_s)| Segment {
                file: "f".into(),
                start_s,
                duration_s: end_s - start_s,
                speaker: speaker.into(),
            })
            .collect()
    }

    #[test]
    fn labels_that_hold_are_kept_recognised_and_told_apart() {
        let reference = side(&[("a", 0.0, 5.0), ("b", 5.0, 9.0), ("a", 12.0, 19.0), ("b", 33.0, 38.0)]);
        let found = continuity(&reference, &reference, 10.0);
        let all = Continuity { carried: 2, kept: 2, returned: 1, recognised: 1, joined: 1, told_apart: 1 };
        assert_eq!(found, all);
    }

    #[test]
    fn a_label_that_changes_at_a_border_is_one_swap_and_one_more_when_it_changes_back() {
        let reference = side(&[("a", 0.0, 9.0), ("a", 10.0, 19.0), ("a", 20.0, 29.0)]);
        let hypothesis = side(&[("0", 0.0, 9.0), ("1", 10.0, 19.0), ("0", 20.0, 29.0)]);
        let found = continuity(&reference, &hypothesis, 10.0);
        assert_eq!((found.carried, found.swaps(), found.returned), (2, 2, 0));
        // Over one stretch there is nothing to carry.
        assert_eq!(continuity(&reference, &hypothesis, 100.0), Continuity::default());
    }

    #[test]
    fn a_new_speaker_under_an_old_label_is_not_told_apart_and_one_who_returns_under_a_new_one_not_recognised()
    {
        let reference = side(&[("a", 0.0, 9.0), ("b", 10.0, 19.0), ("a", 20.0, 29.0)]);
        let hypothesis = side(&[("0", 0.0, 19.0), ("1", 20.0, 29.0)]);
        let found = continuity(&reference, &hypothesis, 10.0);
        assert_eq!((found.joined, found.told_apart), (1, 0));
        assert_eq!((found.returned, found.recognised), (1, 0));
    }

    #[test]
    fn a_word_or_two_is_not_looked_at() {
        let reference = side(&[("a", 0.0, 9.0), ("a", 10.0, 11.9)]);
        let hypothesis = side(&[("0", 0.0, 9.0), ("1", 10.0, 11.9)]);
        assert_eq!(continuity(&reference, &hypothesis, 10.0).carried, 0);
    }
}
