//! Turns: whose chunk is next. Pure: values in, values out.
//!
//! Callers have turns, and within a caller its recordings. Whoever has the earliest next turn is served; each service puts that turn off by
//! what was served, divided by the recording's weight. Whoever comes anew, or comes back, begins at the clock of the last turn: first in
//! line once, and with no claim for the time before. (Start-time fair queueing, on two levels.)

use std::collections::BTreeMap;

/// A recording some of whose chunks wait.
#[derive(Clone, Debug, PartialEq)]
pub struct Flow {
    /// Whose it is.
    pub caller: String,
    /// Chunks that wait.
    pub waiting: usize,
    /// What one of its chunks costs, in blocks.
    pub cost: f64,
    /// How much of the whole it gets beside another one of the caller's.
    pub weight: f64,
    /// Its next turn on its caller's clock; none before its first.
    pub turn: Option<f64>,
}

/// When a caller's next turn is, and the clock of its recordings.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CallerTurn {
    /// Its next turn.
    pub turn: f64,
    /// The clock of its recordings.
    pub clock: f64,
}

/// The clocks, between two rounds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Clocks {
    /// Of the callers.
    pub clock: f64,
    /// Those that have had turns.
    pub callers: BTreeMap<String, CallerTurn>,
}

/// Gives `slots` turns to `flows`, which are in the order in which they came; their turns and `clocks` move on. Returns how many chunks each
/// flow may send.
pub fn give(flows: &mut [Flow], clocks: &mut Clocks, slots: usize) -> Vec<usize> {
    let mut given = vec![0; flows.len()];
    for _ in 0..slots {
        let Some(next) = next(flows, &given, clocks) else { break };
        let flow = &mut flows[next];
        let due = clocks.of(&flow.caller);
        clocks.clock = due.turn;
        let served = flow.cost / flow.weight;
        let at = flow.turn.unwrap_or(due.clock).max(due.clock);
        flow.turn = Some(at + served);
        let moved = CallerTurn { turn: due.turn + served, clock: at };
        clocks.callers.insert(flow.caller.clone(), moved);
        given[next] += 1;
    }
    given
}

/// The flow whose turn is next: the earliest of the caller whose turn is the earliest; of several, the one that never had a turn, then the
/// heavier one, then whoever came first.
fn next(flows: &[Flow], given: &[usize], clocks: &Clocks) -> Option<usize> {
    let waits = |index: &usize| given[*index] < flows[*index].waiting;
    let key = |index: usize| {
        let flow = &flows[index];
        let due = clocks.of(&flow.caller);
        let at = flow.turn.unwrap_or(due.clock).max(due.clock);
        (due.turn, at, flow.turn.is_some(), -flow.weight)
    };
    (0..flows.len()).filter(waits).min_by(|&a, &b| {
        let ((a_caller, a_at, a_had, a_weight), (b_caller, b_at, b_had, b_weight)) = (key(a), key(b));
        a_caller
            .total_cmp(&b_caller)
            .then_with(|| flows[a].caller.cmp(&flows[b].caller))
            .then(a_at.total_cmp(&b_at))
            .then(a_had.cmp(&b_had))
            .then(a_weight.total_cmp(&b_weight))
            .then(a.cmp(&b))
    })
}

impl Clocks {
    /// When the next turn of `caller` is: not before the clock, however long it was away.
    fn of(&self, caller: &str) -> CallerTurn {
        let known = self.callers.get(caller).copied().unwrap_or_default();
        CallerTurn { turn: known.turn.max(self.clock), ..known }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn flow(caller: &str, waiting: usize, weight: f64) -> Flow {
        Flow { caller: caller.into(), waiting, cost: 1.0, weight, turn: None }
    }

    /// What each flow gets in `rounds` rounds of one turn.
    fn served(flows: &mut [Flow], clocks: &mut Clocks, rounds: usize) -> Vec<usize> {
        let mut sums = vec![0; flows.len()];
        for _ in 0..rounds {
            for (sum, n) in sums.iter_mut().zip(give(flows, clocks, 1)) {
                *sum += n;
            }
        }
        sums
    }

    #[test]
    fn recordings_of_one_caller_take_turns() {
        let mut flows = [flow("", 100, 1.0), flow("", 100, 1.0), flow("", 100, 1.0)];
        let mut clocks = Clocks::default();
        assert_eq!(give(&mut flows, &mut clocks, 7), [3, 2, 2]);
        assert_eq!(give(&mut flows, &mut clocks, 2), [0, 1, 1]);
    }

    #[test]
    fn a_new_recording_is_next_however_long_others_have_waited() {
        let mut flows = vec![flow("", 1000, 1.0), flow("", 1000, 1.0)];
        let mut clocks = Clocks::default();
        give(&mut flows, &mut clocks, 501);
        flows.push(flow("", 20, 1.0));
        assert_eq!(give(&mut flows, &mut clocks, 1), [0, 0, 1]);
        // But it has no claim for the time before it came.
        let next = give(&mut flows, &mut clocks, 6);
        assert!(next.iter().all(|n| (1..=3).contains(n)), "{next:?}");
    }

    #[test]
    fn callers_share_alike_however_many_recordings_they_have() {
        let mut flows: Vec<Flow> = (0..50).map(|_| flow("many", 1000, 1.0)).collect();
        flows.push(flow("one", 1000, 1.0));
        let sums = served(&mut flows, &mut Clocks::default(), 400);
        assert_eq!(sums[50], 200);
        assert!(sums[..50].iter().all(|n| *n == 4), "{sums:?}");
    }

    #[test]
    fn a_flood_of_new_recordings_takes_no_turn_from_another_caller() {
        let (mut flows, mut clocks) = (vec![flow("steady", 1000, 1.0)], Clocks::default());
        let mut steady = 0;
        for _ in 0..100 {
            flows.push(flow("flood", 1, 1.0));
            steady += give(&mut flows, &mut clocks, 1)[0];
        }
        assert_eq!(steady, 50);
    }

    #[test]
    fn eight_interactive_turns_go_with_one_of_bulk() {
        let mut flows = [flow("", 1000, 1.0), flow("", 1000, 8.0)];
        assert_eq!(served(&mut flows, &mut Clocks::default(), 90), [10, 80]);
        let mut apart = [flow("a", 1000, 1.0), flow("b", 1000, 8.0)];
        assert_eq!(served(&mut apart, &mut Clocks::default(), 90), [10, 80]);
    }

    #[test]
    fn large_chunks_count_for_more() {
        let mut flows = [flow("", 1000, 1.0), Flow { cost: 5.0, ..flow("", 1000, 1.0) }];
        let sums = served(&mut flows, &mut Clocks::default(), 60);
        assert_eq!(sums, [50, 10]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn nothing_that_waits_is_passed_over_for_ever_and_nothing_is_sent_that_does_not_wait(
            waiting in prop::collection::vec((0_usize..5, 0_usize..3, prop::bool::ANY), 1..12), slots in 0_usize..40
        ) {
            let mut flows: Vec<Flow> = waiting
                .iter()
                .map(|(n, caller, bulk)| flow(&caller.to_string(), *n, if *bulk { 1.0 } else { 8.0 }))
                .collect();
            let given = give(&mut flows, &mut Clocks::default(), slots);
            let all: usize = flows.iter().map(|flow| flow.waiting).sum();
            prop_assert!(given.iter().zip(&flows).all(|(n, flow)| *n <= flow.waiting));
            prop_assert_eq!(given.iter().sum::<usize>(), all.min(slots));
        }
    }
}
