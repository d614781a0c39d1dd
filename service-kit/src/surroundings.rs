//! Surroundings: what a service needs and is away, so that readiness can say so.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Queues with a message that waits, each with the reason. Clones share the answer.
#[derive(Clone, Debug, Default)]
pub struct Surroundings(Arc<Mutex<BTreeMap<String, String>>>);

impl Surroundings {
    /// The message in hand of `queue` waits because of `why`.
    pub fn away(&self, queue: &str, why: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(queue.to_owned(), why.to_owned());
        metrics::gauge!("throughline_held_back", "queue" => queue.to_owned()).set(1.0);
    }

    /// The work of `queue` goes on.
    pub fn back(&self, queue: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(queue);
        metrics::gauge!("throughline_held_back", "queue" => queue.to_owned()).set(0.0);
    }

    /// Checks that nothing is away; the error names one queue that waits, and the reason.
    pub fn check(&self) -> Result<(), String> {
        let away = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match away.iter().next() {
            Some((queue, why)) => Err(format!("{queue} waits: {why}")),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_away_is_told_until_it_is_back() {
        let surroundings = Surroundings::default();
        assert_eq!(surroundings.check(), Ok(()));
        surroundings.clone().away("q", "the store is full");
        assert_eq!(surroundings.check(), Err("q waits: the store is full".to_owned()));
        surroundings.back("q");
        assert_eq!(surroundings.check(), Ok(()));
    }
}
