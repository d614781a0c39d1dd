//! Pace: whether a peer is fast enough. Only the time in which it is waited for counts, so a slow object store makes no slow
//! client.

use std::time::Duration;

/// Longest time over which the rate is measured.
const MEASURED_OVER: Duration = Duration::from_secs(15);

/// Limits of a slow peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Patience {
    /// Longest time in which the peer may send or take nothing.
    pub silence: Duration,
    /// Bytes per second, on average over each such time or 15 seconds, whichever is less; 0 for any.
    pub least: u64,
}

/// Bytes and waits of a peer since its rate was last looked at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    patience: Patience,
    waited: Duration,
    bytes: u64,
}

impl Pace {
    pub fn new(patience: Patience) -> Self {
        Self { patience, waited: Duration::ZERO, bytes: 0 }
    }

    /// Takes note of `bytes` that passed after a wait of `waited`; false once the peer is too slow.
    pub fn pass(&mut self, bytes: u64, waited: Duration) -> bool {
        self.waited += waited;
        self.bytes += bytes;
        if self.waited < self.patience.silence.min(MEASURED_OVER) {
            return true;
        }
        let enough = self.bytes as f64 >= self.patience.least as f64 * self.waited.as_secs_f64();
        *self = Self::new(self.patience);
        enough
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Patience = Patience { silence: Duration::from_secs(60), least: 1000 };

    #[test]
    fn one_byte_just_before_every_silence_ends_is_too_slow() {
        let mut pace = Pace::new(PATIENCE);
        assert!(pace.pass(1, Duration::from_secs(10)));
        assert!(!pace.pass(1, Duration::from_secs(10)));
    }

    #[test]
    fn a_fast_start_is_no_credit_for_a_slow_end() {
        let mut pace = Pace::new(PATIENCE);
        assert!(pace.pass(1 << 30, Duration::from_secs(16)));
        assert!(pace.pass(10, Duration::from_secs(10)) && !pace.pass(10, Duration::from_secs(10)));
    }

    #[test]
    fn time_in_which_nobody_waits_for_it_does_not_count() {
        let mut pace = Pace::new(PATIENCE);
        assert!((0..10_000).all(|_| pace.pass(1, Duration::ZERO)));
        let mut any = Pace::new(Patience { least: 0, ..PATIENCE });
        assert!((0..10).all(|_| any.pass(1, Duration::from_secs(59))));
    }
}
