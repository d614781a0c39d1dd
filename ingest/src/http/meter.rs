//! Meter: the body of an upload as it comes in, which must keep coming, and of which only so much may be held unread.

use super::pace::{Pace, Patience};
use super::problem::ApiError;
use crate::config::LimitsConfig;
use bytes::Bytes;
use futures::{Stream, StreamExt, stream};
use std::fmt::Display;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use tokio::time::timeout;

/// Bytes that are handed on in one go; the parser of forms reads on for as long as there is something to read.
const IN_ONE_GO: usize = 256 << 10;

/// Reason for which a body was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refusal {
    Silent,
    Slow,
    Late,
    Heads,
}

/// The body was given up, or broke off by itself: the words for the log.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Broken(String);

/// Limits and state of a body while it comes in.
#[derive(Debug)]
pub(crate) struct Meter {
    patience: Patience,
    within: Duration,
    started: Instant,
    passed: AtomicU64,
    ceiling: AtomicU64,
    unwanted: AtomicBool,
    refusal: OnceLock<Refusal>,
}

impl Meter {
    pub fn new(limits: &LimitsConfig) -> Arc<Self> {
        Arc::new(Self {
            patience: Patience { silence: limits.silence(), least: limits.min_bytes_per_second },
            within: limits.upload_within(),
            started: Instant::now(),
            passed: AtomicU64::new(0),
            ceiling: AtomicU64::new(u64::MAX),
            unwanted: AtomicBool::new(false),
            refusal: OnceLock::new(),
        })
    }

    /// From here on only `bytes` more may come: what the parser of a form reads ahead stays in memory.
    pub fn allow(&self, bytes: u64) {
        self.ceiling.store(self.passed.load(Relaxed).saturating_add(bytes), Relaxed);
    }

    /// From here on any number may come again.
    pub fn allow_all(&self) {
        self.ceiling.store(u64::MAX, Relaxed);
    }

    /// From here on what comes is dropped.
    pub fn drop_the_rest(&self) {
        self.allow_all();
        self.unwanted.store(true, Relaxed);
    }

    /// Error for the reason for which the body was given up; none where it was not.
    pub fn refusal(&self) -> Option<ApiError> {
        Some(match self.refusal.get()? {
            Refusal::Silent => ApiError::Stalled(self.patience.silence.as_secs()),
            Refusal::Slow => ApiError::TooSlow(self.patience.least),
            Refusal::Late => ApiError::TookTooLong(self.within.as_secs()),
            Refusal::Heads => ApiError::FormHeads,
        })
    }

    fn refuse(&self, refusal: Refusal) -> Broken {
        Broken(format!("given up: {:?}", self.refusal.get_or_init(|| refusal)))
    }

    fn pass(&self, part: Bytes) -> Result<Bytes, Broken> {
        if self.unwanted.load(Relaxed) {
            return Ok(Bytes::new());
        }
        let passed = self.passed.fetch_add(part.len() as u64, Relaxed) + part.len() as u64;
        if passed > self.ceiling.load(Relaxed) {
            return Err(self.refuse(Refusal::Heads));
        }
        Ok(part)
    }

    /// `body`, which ends with an error where it does not keep coming.
    pub fn watch<E: Display + Send>(
        self: Arc<Self>,
        body: impl Stream<Item = Result<Bytes, E>> + Send + 'static,
    ) -> impl Stream<Item = Result<Bytes, Broken>> + Send + 'static {
        let state = (self.clone(), Box::pin(body), Pace::new(self.patience), 0);
        stream::try_unfold(state, |(meter, mut body, mut pace, in_one_go)| async move {
            if in_one_go > IN_ONE_GO {
                tokio::task::yield_now().await;
            }
            let left = meter.within.saturating_sub(meter.started.elapsed());
            let asked = Instant::now();
            let part = match timeout(meter.patience.silence.min(left), body.next()).await {
                Ok(None) => return Ok(None),
                Ok(Some(Ok(part))) => part,
                Ok(Some(Err(error))) => return Err(Broken(error.to_string())),
                Err(_) if left < meter.patience.silence => return Err(meter.refuse(Refusal::Late)),
                Err(_) => return Err(meter.refuse(Refusal::Silent)),
            };
            if !pace.pass(part.len() as u64, asked.elapsed()) {
                return Err(meter.refuse(Refusal::Slow));
            }
            let in_one_go = if in_one_go > IN_ONE_GO { 0 } else { in_one_go + part.len() };
            Ok(Some((meter.pass(part)?, (meter, body, pace, in_one_go))))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Error;

    fn limits(silence: Duration, least: u64, within: Duration) -> Arc<Meter> {
        let mut meter = Meter::new(&LimitsConfig::of_tests());
        let inner = Arc::get_mut(&mut meter).expect("nobody else has it");
        (inner.patience, inner.within) = (Patience { silence, least }, within);
        meter
    }

    async fn refusal(
        meter: Arc<Meter>,
        body: impl Stream<Item = Result<Bytes, Error>> + Send + 'static,
    ) -> Option<Refusal> {
        let parts: Vec<_> = meter.clone().watch(body).collect().await;
        assert_eq!(parts.last().is_some_and(Result::is_err), meter.refusal.get().is_some());
        meter.refusal.get().copied()
    }

    /// A byte every five milliseconds, for ever.
    fn drip() -> impl Stream<Item = Result<Bytes, Error>> + Send + 'static {
        stream::unfold((), |()| async {
            tokio::time::sleep(Duration::from_millis(5)).await;
            Some((Ok(Bytes::from_static(b"x")), ()))
        })
    }

    const LONG: Duration = Duration::from_secs(100);
    const SHORT: Duration = Duration::from_millis(50);

    #[tokio::test]
    async fn a_client_that_falls_silent_is_given_up() {
        assert_eq!(refusal(limits(SHORT, 0, LONG), stream::pending()).await, Some(Refusal::Silent));
    }

    #[tokio::test]
    async fn a_client_that_only_drips_is_given_up_and_so_is_one_that_never_ends() {
        assert_eq!(refusal(limits(SHORT, 1_000_000, LONG), drip()).await, Some(Refusal::Slow));
        assert_eq!(refusal(limits(LONG, 0, SHORT), drip()).await, Some(Refusal::Late));
    }

    #[tokio::test]
    async fn only_so_much_is_let_through_as_the_reader_allows() {
        let parts = || stream::iter((0..10).map(|_| Ok(Bytes::from_static(&[0; 100]))));
        let meter = limits(LONG, 0, LONG);
        meter.allow(999);
        assert_eq!(refusal(meter, parts()).await, Some(Refusal::Heads));
        let meter = limits(LONG, 0, LONG);
        meter.allow(1000);
        assert_eq!(refusal(meter, parts()).await, None);
        let meter = limits(LONG, 0, LONG);
        meter.drop_the_rest();
        let kept: Vec<_> = meter.watch(parts()).collect().await;
        assert!(kept.len() == 10 && kept.iter().flatten().all(Bytes::is_empty));
    }
}
