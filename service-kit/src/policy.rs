//! Policy: what is done with a message after an attempt. Pure, so that the consumer and the simulation cannot differ.
//!
//! An attempt counts whatever ends it: a verdict, a crash, a lost connection, a time-out. Those that end in good order are counted
//! in the message's own headers ([`crate::attempts`]), since brokers differ in what they count; the others by the broker.

use crate::attempts::History;
use crate::topology::ATTEMPTS;
use crate::verdict::Verdict;
use chrono::{DateTime, Utc};
use std::time::Duration;

/// Waits after the first, second, … failed attempt: together they outlast a minute. Each has a queue of its own.
pub const WAITS: [Duration; 4] =
    [Duration::from_secs(1), Duration::from_secs(4), Duration::from_secs(16), Duration::from_secs(64)];
/// Index into [`WAITS`] of the wait after an outage that lasted longer than a message is held.
const OUTAGE_WAIT: usize = 2;
/// Index into [`WAITS`] of the wait where another was at the same work ([`Verdict::Later`]).
const LATER_WAIT: usize = 1;

/// Attempts at a message, as far as they are known when it is delivered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Past {
    /// Attempts that left word.
    pub history: History,
    /// Deliveries of this copy that left none, as the broker counts them.
    pub lost: i64,
}

impl Past {
    /// Attempts before this one.
    pub fn attempts(&self) -> i64 {
        self.history.count().saturating_add(self.lost)
    }

    /// All attempts so far, those without a word written out.
    fn written_out(&self, now: DateTime<Utc>) -> History {
        let mut history = self.history.clone();
        history.lost(self.lost, now);
        history
    }
}

/// Action that a message calls for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Its work is done.
    Acknowledge,
    /// Send a copy that is delivered after `wait` (an index into [`WAITS`], or at once), then acknowledge it.
    SendAgain {
        /// Index into [`WAITS`] of the wait; `None` for no wait.
        wait: Option<usize>,
        /// History that the copy carries.
        history: History,
    },
    /// Send it to the dead letters, then acknowledge it.
    Bury {
        /// Reason, in words for the operator.
        reason: String,
        /// All that was tried.
        history: History,
    },
}

/// Action for a message before it is tried: `None` to try it.
pub fn before(past: &Past, now: DateTime<Utc>) -> Option<Action> {
    (past.attempts() >= ATTEMPTS).then(|| exhausted(past.written_out(now)))
}

/// Action for a message after an attempt by `by` that ended at `now` in `verdict`.
pub fn after(verdict: &Verdict, past: &Past, by: &str, now: DateTime<Utc>) -> Action {
    match verdict {
        Verdict::Done => Action::Acknowledge,
        Verdict::Wait(_) => Action::SendAgain { wait: Some(OUTAGE_WAIT), history: past.written_out(now) },
        Verdict::Later(_) => Action::SendAgain { wait: Some(LATER_WAIT), history: past.written_out(now) },
        Verdict::Retry(why) => {
            let mut history = past.written_out(now);
            history.failed(why, by, now);
            let failed = usize::try_from(history.count()).unwrap_or(usize::MAX);
            if history.count() >= ATTEMPTS {
                return exhausted(history);
            }
            Action::SendAgain { wait: Some((failed - 1).min(WAITS.len() - 1)), history }
        }
        Verdict::Reject(why) => {
            let mut history = past.written_out(now);
            history.failed(why, by, now);
            Action::Bury { reason: why.clone(), history }
        }
    }
}

/// Action for a message that must be given back in the middle of an attempt, because its process stops.
pub fn given_back(past: &Past, now: DateTime<Utc>) -> Action {
    Action::SendAgain { wait: None, history: past.written_out(now) }
}

fn exhausted(history: History) -> Action {
    let last = history.attempts().last().map_or("", |attempt| attempt.reason.as_str());
    Action::Bury { reason: format!("gave up after {} attempts; the last: {last}", history.count()), history }
}

/// `wait` shortened by up to a half, so that what failed together does not come back together. `random` is in [0, 1).
pub fn jittered(wait: usize, random: f64) -> Duration {
    WAITS[wait.min(WAITS.len() - 1)].mul_f64(1.0 - random.clamp(0.0, 1.0) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: DateTime<Utc> = DateTime::UNIX_EPOCH;

    fn retry() -> Verdict {
        Verdict::Retry("no".into())
    }

    /// Attempts until a message is buried; `lost` says which attempts leave no word.
    fn attempts_until_buried(lost: impl Fn(i64) -> bool) -> (i64, Vec<Option<usize>>, History) {
        let (mut past, mut tried, mut waits) = (Past::default(), 0, Vec::new());
        loop {
            if let Some(Action::Bury { history, .. }) = before(&past, NOW) {
                return (tried, waits, history);
            }
            tried += 1;
            assert!(tried < 100, "it is tried for ever");
            if lost(tried) {
                past.lost += 1;
                continue;
            }
            match after(&retry(), &past, "me", NOW) {
                Action::Bury { history, .. } => return (tried, waits, history),
                Action::SendAgain { wait, history } => {
                    waits.push(wait);
                    past = Past { history, lost: 0 };
                }
                Action::Acknowledge => panic!("a failure was acknowledged"),
            }
        }
    }

    #[test]
    fn a_message_is_tried_five_times_with_growing_waits() {
        let (tried, waits, history) = attempts_until_buried(|_| false);
        assert_eq!((tried, history.count()), (ATTEMPTS, ATTEMPTS));
        assert_eq!(waits, [Some(0), Some(1), Some(2), Some(3)]);
    }

    #[test]
    fn attempts_that_leave_no_word_count_like_the_others_in_any_mixture() {
        for mixture in 0..32_u32 {
            let (tried, _, history) = attempts_until_buried(|attempt| mixture >> (attempt - 1) & 1 == 1);
            assert_eq!((tried, history.count()), (ATTEMPTS, ATTEMPTS), "mixture {mixture:05b}");
        }
    }

    #[test]
    fn an_outage_a_lock_and_a_stop_count_no_attempt() {
        let mut past = Past::default();
        past.history.failed("once", "me", NOW);
        let Action::SendAgain { wait: Some(_), history } =
            after(&Verdict::Wait("away".into()), &past, "me", NOW)
        else {
            panic!("it was not sent again")
        };
        assert_eq!(history, past.history);
        let later = after(&Verdict::Later("locked".into()), &past, "me", NOW);
        assert_eq!(later, Action::SendAgain { wait: Some(LATER_WAIT), history: history.clone() });
        assert_eq!(given_back(&past, NOW), Action::SendAgain { wait: None, history });
    }

    #[test]
    fn what_can_never_succeed_is_buried_at_once_with_its_reason_and_all_that_was_tried() {
        let past = Past { lost: 1, ..Past::default() };
        let Action::Bury { reason, history } = after(&Verdict::Reject("rubbish".into()), &past, "me", NOW)
        else {
            panic!("it was not buried")
        };
        assert_eq!((reason.as_str(), history.count()), ("rubbish", 2));
        assert_eq!(history.attempts()[1].by, "me");
    }

    #[test]
    fn waits_are_shortened_by_up_to_a_half_and_never_prolonged() {
        assert_eq!(jittered(3, 0.0), WAITS[3]);
        assert!(jittered(3, 0.999) >= WAITS[3] / 2 && jittered(3, 0.5) < WAITS[3]);
    }
}
