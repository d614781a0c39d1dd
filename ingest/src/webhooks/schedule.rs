//! Schedule: when an event that was not taken is sent again, and when it is given up.

use std::time::Duration;

/// First wait, doubled from one attempt to the next, and the longest.
const FIRST_WAIT: Duration = Duration::from_secs(5);
const LONGEST_WAIT: Duration = Duration::from_secs(3600);
/// Longest time for which an event is tried.
pub(crate) const TRIED_FOR: Duration = Duration::from_secs(24 * 3600);

/// Wait after attempt `tries` (1 for the first) of an event that is `age` old; `None` where it is given up. `jitter`, from 0 to 1, keeps
/// receivers that were away from being asked by all at once.
pub(crate) fn wait(tries: u32, age: Duration, jitter: f64) -> Option<Duration> {
    let doubled = FIRST_WAIT.saturating_mul(1 << tries.saturating_sub(1).min(16));
    let wait = doubled.min(LONGEST_WAIT).mul_f64(0.5 + jitter.clamp(0.0, 1.0) / 2.0);
    (age + wait <= TRIED_FOR).then_some(wait)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_an_hour_and_end_after_a_day() {
        let seconds = |tries| wait(tries, Duration::ZERO, 1.0).map(|wait| wait.as_secs());
        assert_eq!([1, 2, 3, 10, 11, 1000].map(seconds), [5, 10, 20, 2560, 3600, 3600].map(Some));
        assert_eq!(wait(2, Duration::ZERO, 0.0), Some(Duration::from_secs(5)));
        let (mut age, mut tries) = (Duration::ZERO, 1);
        while let Some(wait) = wait(tries, age, 1.0) {
            (age, tries) = (age + wait, tries + 1);
        }
        assert!((30..40).contains(&tries), "{tries}");
        assert!(age <= TRIED_FOR && age + LONGEST_WAIT > TRIED_FOR, "{age:?}");
    }
}
