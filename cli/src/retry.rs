//! Retry: when an upload that was not taken is sent again. Its Idempotency-Key makes that harmless.

use reqwest::StatusCode;
use std::time::Duration;

/// Longest time that is spent waiting between attempts, all of them together.
const WAIT_AT_MOST: Duration = Duration::from_secs(120);
/// The first wait, doubled up to the longest.
const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(30);

/// State of the waits before further attempts.
#[derive(Debug, Default)]
pub struct Retry {
    attempts: u32,
    waited: Duration,
}

/// True if the same request may be answered differently next time.
pub fn may_pass(status: StatusCode) -> bool {
    matches!(status, StatusCode::CONFLICT | StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS)
        || status.is_server_error()
}

impl Retry {
    /// Time to wait now; `None` to give up. `asked` is the Retry-After of the answer. `chance`, from 0 to 1, spreads many clients
    /// that were turned away together.
    pub fn wait(&mut self, asked: Option<Duration>, chance: f64) -> Option<Duration> {
        let own = FIRST.saturating_mul(1 << self.attempts.min(10)).min(LONGEST).mul_f64(0.5 + chance / 2.0);
        // What was asked for is the least; the spread comes on top.
        let wait = asked.map_or(own, |asked| asked + FIRST.mul_f64(chance)).max(own);
        self.attempts += 1;
        self.waited += wait;
        (self.waited <= WAIT_AT_MOST).then_some(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_bound_and_end() {
        let mut retry = Retry::default();
        let waits: Vec<Duration> = std::iter::from_fn(|| retry.wait(None, 1.0)).collect();
        assert_eq!(waits[..6].iter().map(Duration::as_secs).collect::<Vec<_>>(), [1, 2, 4, 8, 16, 30]);
        assert!(waits.iter().sum::<Duration>() <= WAIT_AT_MOST && waits.len() > 6);
    }

    #[test]
    fn the_service_is_not_asked_again_before_it_said() {
        let mut retry = Retry::default();
        let wait = retry.wait(Some(Duration::from_secs(5)), 0.0).expect("waits");
        assert!(wait >= Duration::from_secs(5), "{wait:?}");
        assert_eq!(retry.wait(Some(Duration::from_secs(100_000)), 0.0), None);
    }

    #[test]
    fn only_what_may_pass_is_tried_again() {
        for status in [409, 408, 429, 500, 503, 507] {
            assert!(may_pass(StatusCode::from_u16(status).expect("a status")), "{status}");
        }
        for status in [400, 401, 404, 413, 422] {
            assert!(!may_pass(StatusCode::from_u16(status).expect("a status")), "{status}");
        }
    }
}
