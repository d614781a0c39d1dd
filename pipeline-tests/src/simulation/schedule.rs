//! Schedule: all that one simulation does, written out.

use super::op::Op;
use super::recording::Spec;

/// Recordings, and what happens to the services while they work on them. Its `{:?}` is Rust, to be pasted into a reproduction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// The recordings that may be uploaded.
    pub recordings: Vec<Spec>,
    /// Operations, in order.
    pub ops: Vec<Op>,
    /// True if at the end what was broken is repaired and every dead letter replayed, so that all must complete.
    pub replay: bool,
    /// True if one chunk alone may be on the broker at a time, and two may be cut ahead of that; else there is room for all.
    pub narrow: bool,
}

/// Characters by which failures are told apart.
const ALIKE: usize = 40;

/// Failure of a schedule.
#[derive(Clone, Debug)]
pub struct Failure {
    /// Condition that does not hold, in words.
    pub what: String,
    /// Events before the failure, oldest first.
    pub events: Vec<String>,
}

impl Failure {
    /// True if both fail in the same words, numbers aside.
    pub fn is_like(&self, other: &Self) -> bool {
        let words = |failure: &Self| -> String {
            failure.what.chars().filter(|c| !c.is_ascii_digit()).take(ALIKE).collect()
        };
        words(self) == words(other)
    }
}

/// Tries to leave out ops, recordings' faults and the final replay as long as `still_fails` says that the rest fails too; returns the
/// shortest found within `tries`.
pub fn shrunk(
    mut schedule: Schedule,
    mut tries: usize,
    mut still_fails: impl FnMut(&Schedule) -> bool,
) -> Schedule {
    let mut attempt = |candidate: Schedule, schedule: &mut Schedule| {
        if tries == 0 || candidate == *schedule {
            return false;
        }
        tries -= 1;
        let fails = still_fails(&candidate);
        if fails {
            *schedule = candidate;
        }
        fails
    };
    let mut width = schedule.ops.len().div_ceil(2).max(1);
    loop {
        let (mut from, mut shorter) = (0, false);
        while from < schedule.ops.len() {
            let mut candidate = schedule.clone();
            candidate.ops.drain(from..(from + width).min(candidate.ops.len()));
            if attempt(candidate, &mut schedule) {
                shorter = true;
            } else {
                from += width;
            }
        }
        if width == 1 && !shorter {
            break;
        }
        width = (width / 2).max(1);
    }
    for index in 0..schedule.recordings.len() {
        for change in [
            (|spec: &mut Spec| spec.poison = None) as fn(&mut Spec),
            |spec| spec.unreadable = false,
            |spec| spec.allow_gaps = false,
            |spec| spec.blocks = 1,
            |spec| spec.chunk_blocks = 1,
        ] {
            let mut candidate = schedule.clone();
            change(&mut candidate.recordings[index]);
            attempt(candidate, &mut schedule);
        }
    }
    let mut candidate = schedule.clone();
    candidate.replay = false;
    attempt(candidate, &mut schedule);
    let mut candidate = schedule.clone();
    candidate.narrow = false;
    attempt(candidate, &mut schedule);
    schedule
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_matter_is_left_out() {
        let ops = vec![Op::Cut, Op::Wipe, Op::Pass(2), Op::Refuse, Op::Cut, Op::RollOut, Op::Pass(12)];
        let whole = Schedule { recordings: vec![], ops, replay: true, narrow: false };
        let fails = |s: &Schedule| s.ops.contains(&Op::Wipe) && s.ops.contains(&Op::RollOut);
        let least = shrunk(whole.clone(), 100, fails);
        assert_eq!((least.ops, least.replay), (vec![Op::Wipe, Op::RollOut], false));
        assert_eq!(shrunk(whole.clone(), 0, |_| true), whole);
    }
}
