//! Thread: runs what cannot move between threads.
//!
//! A transaction's work is an async closure that borrows, and the compiler cannot see that its future may be sent
//! (rust-lang/rust issue 110338). So such work gets a thread of the blocking pool for as long as it lasts: milliseconds for a
//! transaction of a request, the life of the process for the decoder and the outbox.

use tokio::runtime::Handle;
use tokio::task::JoinError;
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
