//! Turns: whose chunk is next. Pure: values in, values out.
//!
//! As if all that waits were served at once, each recording at the rate of its weight: on that clock every chunk begins and ends. Of those
//! that have begun, the one that ends first is next. So a short one is soon done beside any number of long ones, and still nobody is passed
//! over for ever: the clock goes on, and whoever comes anew begins at its time, with no claim for the time before; whoever comes back has a
//! claim for no more than the largest chunk. Within a caller, what is short goes ahead of the others; but after so much of it
//! one of these has a turn.
//! (Worst-case fair weighted fair queueing, on two levels: callers, and within a caller its recordings.)

use std::collections::BTreeMap;

/// As how long the first chunk of a new recording counts, of what it takes: somebody waits to see that anything happens.
const NEW: f64 = 0.5;
/// Largest remainder of a recording that goes ahead of its caller's others, in blocks of a minute.
const SHORT: f64 = 5.0;
/// Cost of short recordings that may go ahead, as a multiple of the cost of the others' next chunk.
const AHEAD: f64 = 3.0;
/// Rounding error that is allowed on the clocks.
const SMALL: f64 = 1e-9;

/// A recording some of whose chunks wait.
#[derive(Clone, Debug, PartialEq)]
pub struct Flow {
    /// Caller of the recording.
    pub caller: String,
    /// Chunks that wait.
    pub waiting: usize,
    /// Cost of its next chunk, in blocks.
    pub cost: f64,
    /// Cost of all its waiting chunks, those not cut yet included; infinite where that is unknown, or where the recording has time.
    pub left: f64,
    /// Weight beside the caller's other recordings.
    pub weight: f64,
    /// Time at which its next chunk begins, on its caller's clock; none before its first.
    pub turn: Option<f64>,
    /// True where nothing of it was ever sent: it is new, however long it has waited.
    pub untouched: bool,
}

/// Time of a caller's next turn, and the clock of its recordings.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CallerTurn {
    /// Its next turn.
    pub turn: f64,
    /// The clock of its recordings.
    pub clock: f64,
    /// Cost of short recordings that went ahead since the others had a turn, in blocks.
    pub ahead: f64,
}

/// The clocks, between two rounds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Clocks {
    /// Of the callers.
    pub clock: f64,
    /// Those that have had turns.
    pub callers: BTreeMap<String, CallerTurn>,
}

/// Gives `slots` turns to `flows`, which are in the order in which they came; their turns and `clocks` move on. Whoever is new begins now, also
/// where it gets nothing yet. Returns how many chunks each flow may send.
pub fn give(flows: &mut [Flow], clocks: &mut Clocks, slots: usize) -> Vec<usize> {
    let mut given = vec![0; flows.len()];
    let new: Vec<bool> = flows.iter().map(|flow| flow.untouched).collect();
    for flow in flows.iter_mut() {
        flow.turn =
            flow.turn.or_else(|| Some(clocks.callers.get(&flow.caller).map_or(0.0, |known| known.clock)));
    }
    for _ in 0..slots {
        if serve(flows, &new, &mut given, clocks).is_none() {
            break;
        }
    }
    for (flow, given) in flows.iter_mut().zip(&given) {
        flow.untouched &= *given == 0;
    }
    given
}

/// Something that can be served: when it begins, when it ends, whether it was served before, and its place.
#[derive(Clone, Copy)]
struct Candidate {
    begins: f64,
    ends: f64,
    known: bool,
    place: usize,
}

/// Of those that have begun at `clock`, or begin first, the one that ends first; of several one that is new, then the first to come. And
/// the time by then.
fn next(candidates: &[Candidate], clock: f64) -> Option<(Candidate, f64)> {
    let first = candidates.iter().map(|one| one.begins).fold(f64::INFINITY, f64::min);
    let now = clock.max(first);
    let begun = candidates.iter().filter(|one| one.begins <= now + SMALL);
    let order = |a: &&Candidate, b: &&Candidate| {
        let ends = if (a.ends - b.ends).abs() <= SMALL {
            std::cmp::Ordering::Equal
        } else {
            a.ends.total_cmp(&b.ends)
        };
        ends.then(a.known.cmp(&b.known)).then(a.place.cmp(&b.place))
    };
    begun.min_by(order).map(|chosen| (*chosen, now))
}

/// Of a caller's that wait, the one whose chunk is next; the time by then, and how much of what is short went ahead by then.
fn next_of_caller(
    flows: &[Flow],
    given: &[usize],
    waiting: &[Candidate],
    due: CallerTurn,
) -> Option<(Candidate, f64, f64)> {
    let left = |one: &Candidate| flows[one.place].left - flows[one.place].cost * given[one.place] as f64;
    let (short, others): (Vec<Candidate>, Vec<Candidate>) =
        waiting.iter().partition(|one| left(one) <= SHORT);
    let cost = |one: Candidate| flows[one.place].cost;
    match (next(&short, due.clock), next(&others, due.clock)) {
        (Some((short, now)), Some((other, _))) if due.ahead < AHEAD * cost(other) => {
            Some((short, now, due.ahead + cost(short)))
        }
        (short, other) => other.or(short).map(|(turn, now)| (turn, now, 0.0)),
    }
}

/// Serves one chunk, if any waits.
fn serve(flows: &mut [Flow], new: &[bool], given: &mut [usize], clocks: &mut Clocks) -> Option<()> {
    // Within each caller, whose chunk would be next; the caller weighs what its heaviest recording does.
    let waits = || flows.iter().enumerate().filter(|(place, flow)| given[*place] < flow.waiting);
    let largest = waits().map(|(_, flow)| flow.cost / flow.weight).fold(0.0, f64::max);
    let mut by_caller: BTreeMap<&str, (f64, f64, Vec<Candidate>)> = BTreeMap::new();
    for (place, flow) in waits() {
        let clock = clocks.of(&flow.caller, largest).clock;
        let begins = flow.turn.map_or(clock, |turn| turn.max(clock - largest));
        let known = !new[place] || given[place] > 0;
        let takes = flow.cost / flow.weight;
        let ends = begins + if known { takes } else { takes * NEW };
        let one = Candidate { begins, ends, known, place };
        let (heaviest, sum, waiting) = by_caller.entry(&flow.caller).or_insert((0.0, 0.0, Vec::new()));
        *heaviest = heaviest.max(flow.weight);
        *sum += flow.weight;
        waiting.push(one);
    }
    let mut callers = Vec::new();
    let mut chosen = Vec::new();
    for (place, (caller, (heaviest, sum, waiting))) in by_caller.iter().enumerate() {
        let due = clocks.of(caller, largest);
        let (flow, now, ahead) = next_of_caller(flows, given, waiting, due)?;
        let ends = due.turn + flows[flow.place].cost / heaviest;
        let known = clocks.callers.contains_key(*caller);
        callers.push(Candidate { begins: due.turn, ends, known, place });
        chosen.push(((*caller).to_owned(), flow, now, ahead, *sum, *heaviest));
    }
    let (caller, now) = next(&callers, clocks.clock)?;
    let all: f64 = chosen.iter().map(|one| one.5).sum();
    let (name, flow, own_now, ahead, sum, _) = chosen.swap_remove(caller.place);
    let cost = flows[flow.place].cost;
    clocks.clock = now + cost / all;
    clocks.callers.insert(name, CallerTurn { turn: caller.ends, clock: own_now + cost / sum, ahead });
    flows[flow.place].turn = Some(flow.begins + cost / flows[flow.place].weight);
    given[flow.place] += 1;
    Some(())
}

impl Clocks {
    /// Next turn of `caller`. A new caller's is at the clock; another's is no earlier than the clock less `largest`.
    fn of(&self, caller: &str, largest: f64) -> CallerTurn {
        let new = CallerTurn { turn: self.clock, ..CallerTurn::default() };
        self.callers
            .get(caller)
            .map_or(new, |known| CallerTurn { turn: known.turn.max(self.clock - largest), ..*known })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn flow(caller: &str, waiting: usize, weight: f64) -> Flow {
        Flow {
            caller: caller.into(),
            waiting,
            cost: 1.0,
            left: f64::INFINITY,
            weight,
            turn: None,
            untouched: true,
        }
    }

    /// Number of chunks that each flow gets in `rounds` rounds of one turn.
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
    fn a_short_recording_goes_before_the_first_chunks_of_any_number_of_long_ones() {
        let long = Flow { cost: 5.0, ..flow("", 100, 1.0) };
        let (mut flows, mut clocks) = (vec![long; 50], Clocks::default());
        give(&mut flows, &mut clocks, 3);
        flows.push(flow("", 1, 1.0));
        assert_eq!(give(&mut flows, &mut clocks, 1)[50], 1);
        // But not for ever: of many short ones, one after the other, some wait.
        let mut others = 0;
        for _ in 0..1000 {
            flows[50] = flow("", 1, 1.0);
            others += give(&mut flows, &mut clocks, 1)[..50].iter().sum::<usize>();
        }
        assert!(others > 50, "{others}");
    }

    #[test]
    fn recordings_of_one_caller_take_turns() {
        let mut flows = [flow("", 100, 1.0), flow("", 100, 1.0), flow("", 100, 1.0)];
        let mut clocks = Clocks::default();
        assert_eq!(give(&mut flows, &mut clocks, 7), [3, 2, 2]);
        assert_eq!(give(&mut flows, &mut clocks, 2), [0, 1, 1]);
        assert_eq!(served(&mut flows, &mut clocks, 30), [10, 10, 10]);
    }

    #[test]
    fn a_new_recording_that_came_while_there_was_no_room_is_next_all_the_same() {
        let mut flows = vec![Flow { cost: 5.0, ..flow("", 1000, 1.0) }; 20];
        let mut clocks = Clocks::default();
        give(&mut flows, &mut clocks, 100);
        flows.push(Flow { cost: 5.0, ..flow("", 20, 1.0) });
        assert!(give(&mut flows, &mut clocks, 0).iter().all(|n| *n == 0));
        assert_eq!(give(&mut flows, &mut clocks, 1)[20], 1);
        assert_eq!(give(&mut flows, &mut clocks, 1)[20], 0, "once");
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

    fn short(waiting: usize) -> Flow {
        Flow { left: waiting as f64, ..flow("", waiting, 1.0) }
    }

    #[test]
    fn a_short_recording_is_done_before_any_number_of_long_ones_go_on() {
        let mut flows = vec![flow("", 100, 1.0); 50];
        let mut clocks = Clocks::default();
        give(&mut flows, &mut clocks, 77);
        flows.push(short(2));
        flows.push(short(1));
        let given = give(&mut flows, &mut clocks, 3);
        assert_eq!(given[50..], [2, 1]);
        assert_eq!(given[..50].iter().sum::<usize>(), 0);
    }

    #[test]
    fn however_many_short_recordings_come_a_long_one_has_a_fourth() {
        let (mut flows, mut clocks) = (vec![flow("", 1000, 1.0)], Clocks::default());
        let mut long = 0;
        for _ in 0..400 {
            flows.push(short(1));
            long += give(&mut flows, &mut clocks, 1)[0];
            flows.retain(|flow| flow.left.is_infinite() || flow.untouched);
        }
        assert_eq!(long, 100);
    }

    #[test]
    fn short_recordings_take_turns_among_themselves() {
        let mut flows = vec![flow("", 1000, 1.0), short(4), short(5)];
        assert_eq!(give(&mut flows, &mut Clocks::default(), 3), [0, 2, 1]);
    }

    #[test]
    fn what_is_short_goes_ahead_of_its_own_callers_alone() {
        let mut flows = vec![flow("steady", 1000, 1.0)];
        let mut clocks = Clocks::default();
        let mut steady = 0;
        for _ in 0..100 {
            flows.push(Flow { caller: "flood".into(), ..short(1) });
            steady += give(&mut flows, &mut clocks, 1)[0];
        }
        assert_eq!(steady, 50);
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
