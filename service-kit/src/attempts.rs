//! Attempts: what was tried of a message before, carried in its headers from one attempt to the next.
//!
//! An attempt that ends in good order leaves a line here. One that does not (the process died, the machine, the connection)
//! cannot; the broker counts those (`x-acquired-count` from RabbitMQ 4.3 on, `x-delivery-count` before), and the next attempt writes
//! them down.

use crate::topology::ATTEMPTS;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// Longest reason that travels, in characters: headers share the frame with everything else.
const LONGEST_REASON: usize = 500;
/// Reason given for an attempt that left no word.
const NO_WORD: &str = "ended without a word: the process died or lost its connection";

/// One attempt that failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// Reason that it failed.
    pub reason: String,
    /// Name of the process that tried: service, host and process number. Empty where nobody could say.
    pub by: String,
    /// Time at which it ended; for an attempt that left no word, the time at which it was first missed.
    pub at: DateTime<Utc>,
}

/// The attempts before this one, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct History(Vec<Attempt>);

impl History {
    /// Reads the header that [`History::to_header`] wrote. One that cannot be read counts as none: it must not make its message
    /// undeliverable.
    pub fn from_header(text: &str) -> Self {
        serde_json::from_str(text).unwrap_or_default()
    }

    /// As a header value; `None` where there is nothing to say.
    pub fn to_header(&self) -> Option<String> {
        if self.0.is_empty() {
            return None;
        }
        serde_json::to_string(&self.0).ok()
    }

    /// The attempts, oldest first.
    pub fn attempts(&self) -> &[Attempt] {
        &self.0
    }

    /// Adds an attempt that failed for `reason`.
    pub fn failed(&mut self, reason: &str, by: &str, at: DateTime<Utc>) {
        let reason: String = reason.chars().filter(|c| *c != '\0').take(LONGEST_REASON).collect();
        self.0.push(Attempt { reason, by: by.to_owned(), at });
    }

    /// Adds `count` attempts that left no word and were missed at `at`.
    pub fn lost(&mut self, count: i64, at: DateTime<Utc>) {
        for _ in 0..count.clamp(0, ATTEMPTS) {
            self.failed(NO_WORD, "", at);
        }
    }

    /// Number of attempts.
    pub fn count(&self) -> i64 {
        i64::try_from(self.0.len()).unwrap_or(i64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_history_survives_the_header_and_rubbish_is_no_history() {
        let mut history = History::default();
        assert_eq!(history.to_header(), None);
        history.failed("the model\0 failed", "worker@a/1", DateTime::UNIX_EPOCH);
        history.lost(2, DateTime::UNIX_EPOCH);
        let header = history.to_header().expect("a header");
        assert_eq!(History::from_header(&header), history);
        assert_eq!(history.attempts()[0].reason, "the model failed");
        assert_eq!((history.count(), history.attempts()[2].reason.as_str()), (3, NO_WORD));
        assert_eq!(History::from_header("rubbish"), History::default());
    }

    #[test]
    fn a_reason_of_any_length_fits_the_header() {
        let mut history = History::default();
        history.failed(&"x".repeat(1 << 20), "", DateTime::UNIX_EPOCH);
        assert_eq!(history.attempts()[0].reason.len(), LONGEST_REASON);
    }
}
