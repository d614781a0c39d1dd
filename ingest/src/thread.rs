//! Thread: runs what cannot move between threads.
//!
//! A transaction's work is an async closure that borrows, and the compiler cannot see that its future may be sent
//! (rust-lang/rust issue 110338). So such work gets a thread for as long as it lasts. What lasts as long as the process (the decoder, the
//! outbox) and what upkeep does has one of the blocking pool; what requests do has one of [`Threads`], of which there are few. However many
//! requests come, those that wait hold no thread: a pool that is full of waiting threads stops whatever else needs one.

use std::sync::Arc;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::task::JoinError;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

/// Runs `work` to its end on a thread of its own, in the current span, even when nobody waits for it any more.
pub(crate) async fn on_its_own<T, F>(work: impl FnOnce() -> F + Send + 'static) -> Result<T, JoinError>
where
    T: Send + 'static,
    F: Future<Output = T>,
{
    let (runtime, span) = (Handle::current(), tracing::Span::current());
    tokio::task::spawn_blocking(move || runtime.block_on(work().instrument(span))).await
}

/// Fate of work whose caller is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Abandoned {
    /// It goes on to its end.
    GoesOn,
    /// It stops where it stands.
    Stops,
}

/// Threads for one kind of work: so many at once, and so much that waits. Clones share them.
#[derive(Clone, Debug)]
pub struct Threads {
    name: &'static str,
    abandoned: Abandoned,
    turns: Arc<Semaphore>,
    places: Arc<Semaphore>,
}

/// A place among those that work or wait; free again once it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    _permit: OwnedSemaphorePermit,
}

/// Work did not come to its end: it panicked, or no thread could be had.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Died(String);

impl Threads {
    /// Threads called `name`: `at_once` of them, and places for `waiting` more that wait for one.
    pub(crate) fn new(name: &'static str, at_once: usize, waiting: usize, abandoned: Abandoned) -> Self {
        let places = at_once.saturating_add(waiting).min(Semaphore::MAX_PERMITS);
        Self {
            name,
            abandoned,
            turns: Arc::new(Semaphore::new(at_once)),
            places: Arc::new(Semaphore::new(places)),
        }
    }

    /// A place, if one is free.
    pub(crate) fn place(&self) -> Option<Place> {
        self.places.clone().try_acquire_owned().ok().map(|permit| Place { _permit: permit })
    }

    /// Runs `work` in the current span once its turn has come. A caller that is gone before that has it not run at all.
    pub(crate) async fn run<T, F>(
        &self,
        place: Place,
        work: impl FnOnce() -> F + Send + 'static,
    ) -> Result<T, Died>
    where
        T: Send + 'static,
        F: Future<Output = T>,
    {
        let turn = self.turns.clone().acquire_owned().await.map_err(|error| Died(error.to_string()))?;
        let (runtime, span) = (Handle::current(), tracing::Span::current());
        let (tell, told) = oneshot::channel();
        let unwanted = CancellationToken::new();
        let _wanted = (self.abandoned == Abandoned::Stops).then(|| unwanted.clone().drop_guard());
        let run = move || {
            let outcome = runtime.block_on(async {
                tokio::select! {
                    biased;
                    value = work().instrument(span) => Some(value),
                    () = unwanted.cancelled() => None,
                }
            });
            drop((turn, place));
            if let Some(value) = outcome {
                // Whoever is gone hears nothing.
                let _ = tell.send(value);
            }
        };
        std::thread::Builder::new()
            .name(self.name.to_owned())
            .spawn(run)
            .map_err(|error| Died(format!("no thread could be had: {error}")))?;
        told.await.map_err(|_| Died(format!("what was done on a thread for {} did not end well", self.name)))
    }

    /// The same, with however many that wait.
    pub(crate) async fn run_in_turn<T, F>(&self, work: impl FnOnce() -> F + Send + 'static) -> Result<T, Died>
    where
        T: Send + 'static,
        F: Future<Output = T>,
    {
        let place = self.places.clone().acquire_owned().await.map_err(|error| Died(error.to_string()))?;
        self.run(Place { _permit: place }, work).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    const SHORT: Duration = Duration::from_millis(20);

    #[tokio::test]
    async fn there_are_so_many_at_once_and_so_many_that_wait() {
        let threads = Threads::new("few", 2, 3, Abandoned::Stops);
        let places: Vec<Option<Place>> = (0..6).map(|_| threads.place()).collect();
        assert_eq!(places.iter().flatten().count(), 5);
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let working = places.into_iter().flatten().map(|place| {
            let (now, most) = (now.clone(), most.clone());
            threads.run(place, async move || {
                most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                tokio::time::sleep(SHORT).await;
                now.fetch_sub(1, Ordering::SeqCst);
            })
        });
        for ended in futures::future::join_all(working).await {
            ended.expect("ends well");
        }
        assert_eq!(most.load(Ordering::SeqCst), 2);
        assert!(threads.place().is_some());
    }

    /// Number of steps that are done, of three, by work whose caller goes away during the first.
    async fn steps_done(abandoned: Abandoned) -> usize {
        let (threads, steps) = (Threads::new("one", 1, 0, abandoned), Arc::new(AtomicUsize::new(0)));
        let (counted, place) = (steps.clone(), threads.place().expect("a place"));
        let work = threads.run(place, async move || {
            for _ in 0..3 {
                tokio::time::sleep(SHORT).await;
                counted.fetch_add(1, Ordering::SeqCst);
            }
        });
        assert!(tokio::time::timeout(SHORT / 2, work).await.is_err(), "it had hardly begun");
        // Its turn is free once it has stopped, or ended.
        threads.run_in_turn(async || ()).await.expect("ends well");
        steps.load(Ordering::SeqCst)
    }

    #[tokio::test]
    async fn what_nobody_waits_for_any_more_stops_or_goes_on_as_its_kind_does() {
        assert_eq!(steps_done(Abandoned::Stops).await, 0);
        assert_eq!(steps_done(Abandoned::GoesOn).await, 3);
    }

    #[tokio::test]
    async fn a_panic_is_told_and_its_turn_goes_to_the_next() {
        let threads = Threads::new("one", 1, 0, Abandoned::GoesOn);
        let panicked = threads
            .run_in_turn(async || {
                if SHORT > Duration::ZERO {
                    panic!("as told")
                }
            })
            .await;
        assert!(panicked.is_err_and(|died| died.to_string().contains("did not end well")));
        assert_eq!(threads.run_in_turn(async || 7).await.expect("ends well"), 7);
    }
}
