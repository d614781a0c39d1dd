//! Eventually: waiting for a condition, never for a time.

use std::time::{Duration, Instant};

/// Longest wait for something that must happen, on a machine that is busy with other things too.
pub const PATIENCE: Duration = Duration::from_secs(600);
/// Time between two looks.
pub const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Looks until there is something to see; panics with `what` where there is nothing within [`PATIENCE`].
pub async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(seen) = look().await {
            return seen;
        }
        assert!(started.elapsed() < PATIENCE, "waited {PATIENCE:?} in vain: {what}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
