//! Pauses: which queues an operator has paused. A consumer of a paused queue takes nothing from it and holds nothing of it; what it
//! had in hand is finished.

use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::sync::watch;

/// The paused queues, as far as they are known. Until anything is, every queue counts as paused: a service that has just started
/// must not take what it will not be allowed to. Clones share the answer.
#[derive(Clone, Debug)]
pub struct Pauses(Arc<watch::Sender<Option<BTreeSet<String>>>>);

impl Pauses {
    /// Nothing is known yet.
    pub fn unknown() -> Self {
        Self(Arc::new(watch::Sender::new(None)))
    }

    /// No queue is paused, and none will be.
    pub fn none() -> Self {
        Self(Arc::new(watch::Sender::new(Some(BTreeSet::new()))))
    }

    /// Exactly the queues of `paused` are paused from now on.
    pub fn set(&self, paused: BTreeSet<String>) {
        self.0.send_if_modified(|known| {
            let changed = known.as_ref() != Some(&paused);
            if changed {
                tracing::info!(?paused, "paused queues");
                *known = Some(paused);
            }
            changed
        });
    }

    /// True once it is known which queues are paused.
    pub fn is_known(&self) -> bool {
        self.0.borrow().is_some()
    }

    /// True while nothing may be taken from `queue`.
    pub fn is_paused(&self, queue: &str) -> bool {
        self.0.borrow().as_ref().is_none_or(|paused| paused.contains(queue))
    }

    /// Returns once something may be taken from `queue`.
    pub async fn until_open(&self, queue: &str) {
        self.until(|known| known.as_ref().is_some_and(|paused| !paused.contains(queue))).await;
    }

    /// Returns once nothing may be taken from `queue` any more.
    pub async fn until_paused(&self, queue: &str) {
        self.until(|known| known.as_ref().is_none_or(|paused| paused.contains(queue))).await;
    }

    async fn until(&self, is_so: impl Fn(&Option<BTreeSet<String>>) -> bool) {
        // The sender is ours, so that it cannot be gone.
        let _ = self.0.subscribe().wait_for(|known| is_so(known)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;

    #[test]
    fn nothing_is_taken_before_it_is_known_what_may_be() {
        let pauses = Pauses::unknown();
        assert!(pauses.is_paused("q") && !pauses.is_known());
        assert!(pauses.until_open("q").now_or_never().is_none());
        pauses.set(BTreeSet::from(["other".to_owned()]));
        assert!(!pauses.is_paused("q") && pauses.is_paused("other"));
        assert!(pauses.until_open("q").now_or_never().is_some());
    }

    #[test]
    fn a_clone_hears_of_a_pause_and_of_its_end() {
        let (pauses, heard) = (Pauses::none(), Pauses::none());
        assert!(heard.until_paused("q").now_or_never().is_none());
        let heard = pauses.clone();
        pauses.set(BTreeSet::from(["q".to_owned()]));
        assert!(heard.until_paused("q").now_or_never().is_some());
        pauses.set(BTreeSet::new());
        assert!(heard.until_open("q").now_or_never().is_some());
    }
}
