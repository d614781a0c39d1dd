//! One pass over both sides from border to border, adding up who spoke with whom.
//!
//! Between two borders nothing changes: with `r` reference and `h` hypothesis speakers talking,
//! `max(r − h, 0)` are missed and `max(h − r, 0)` raised falsely, whatever the mapping; of the `min(r, h)`
//! left, those pairs are correct that the mapping joins. So the mapping needs nothing but the shared times.

use std::collections::BTreeSet;

use super::Options;
use super::speech::{Side, Ticks};

/// Speech time that is scored, added up over a recording.
#[derive(Debug)]
pub(super) struct Tally {
    /// All reference speech, counted per speaker.
    pub(super) reference: Ticks,
    pub(super) missed: Ticks,
    pub(super) false_alarm: Ticks,
    /// Speech that both sides have, by the right speaker or not.
    pub(super) paired: Ticks,
    /// Speech of each reference speaker.
    pub(super) by_reference: Vec<Ticks>,
    /// Speech of each hypothesis speaker.
    pub(super) by_hypothesis: Vec<Ticks>,
    /// Time in which both talk: `shared[reference speaker][hypothesis speaker]`.
    pub(super) shared: Vec<Vec<Ticks>>,
}

/// Change at a border.
#[derive(Debug, Clone, Copy)]
enum Change {
    ReferenceStarts(usize),
    ReferenceStops(usize),
    HypothesisStarts(usize),
    HypothesisStops(usize),
    CollarStarts,
    CollarStops,
}

pub(super) fn tally(reference: &Side, hypothesis: &Side, collar: Ticks, options: &Options) -> Tally {
    let mut tally = Tally {
        reference: 0,
        missed: 0,
        false_alarm: 0,
        paired: 0,
        by_reference: vec![0; reference.len()],
        by_hypothesis: vec![0; hypothesis.len()],
        shared: vec![vec![0; hypothesis.len()]; reference.len()],
    };
    let mut talking_reference = BTreeSet::new();
    let mut talking_hypothesis = BTreeSet::new();
    let mut collars = 0_usize;
    let mut since = Ticks::MIN;
    for (time, change) in changes(reference, hypothesis, collar) {
        let overlap_skipped = options.skip_overlap && talking_reference.len() > 1;
        if time > since && collars == 0 && !overlap_skipped {
            tally.add(time.saturating_sub(since), &talking_reference, &talking_hypothesis);
        }
        since = time;
        match change {
            Change::ReferenceStarts(speaker) => _ = talking_reference.insert(speaker),
            Change::ReferenceStops(speaker) => _ = talking_reference.remove(&speaker),
            Change::HypothesisStarts(speaker) => _ = talking_hypothesis.insert(speaker),
            Change::HypothesisStops(speaker) => _ = talking_hypothesis.remove(&speaker),
            Change::CollarStarts => collars += 1,
            Change::CollarStops => collars = collars.saturating_sub(1),
        }
    }
    tally
}

fn changes(reference: &Side, hypothesis: &Side, collar: Ticks) -> Vec<(Ticks, Change)> {
    let mut changes = Vec::new();
    for (speaker, spans) in reference.spans.iter().enumerate() {
        for span in spans {
            changes.push((span.start, Change::ReferenceStarts(speaker)));
            changes.push((span.end, Change::ReferenceStops(speaker)));
            if collar > 0 {
                for border in [span.start, span.end] {
                    changes.push((border - collar, Change::CollarStarts));
                    changes.push((border + collar, Change::CollarStops));
                }
            }
        }
    }
    for (speaker, spans) in hypothesis.spans.iter().enumerate() {
        for span in spans {
            changes.push((span.start, Change::HypothesisStarts(speaker)));
            changes.push((span.end, Change::HypothesisStops(speaker)));
        }
    }
    // Changes of one time may come in any order: nothing is counted between them, and the spans of one
    // speaker never touch.
    changes.sort_unstable_by_key(|&(time, _)| time);
    changes
}

impl Tally {
    fn add(&mut self, time: Ticks, reference: &BTreeSet<usize>, hypothesis: &BTreeSet<usize>) {
        // Speakers talking at once are few; the casts are exact.
        let (r, h) = (reference.len() as Ticks, hypothesis.len() as Ticks);
        self.reference += r * time;
        self.missed += (r - h).max(0) * time;
        self.false_alarm += (h - r).max(0) * time;
        self.paired += r.min(h) * time;
        for &speaker in reference {
            self.by_reference[speaker] += time;
            for &other in hypothesis {
                self.shared[speaker][other] += time;
            }
        }
        for &speaker in hypothesis {
            self.by_hypothesis[speaker] += time;
        }
    }
}
