//! Budget: the time-outs of a job, which must nest: each step inside the job, the job and the longest hold inside the time
//! that the broker leaves a message unacknowledged. Checked when a service starts, so that no time-out can cut off what another allows.

use std::time::Duration;

/// Longest time that a consumer may hold a message without acknowledging it: RabbitMQ's default `consumer_timeout`.
pub const ACKNOWLEDGE_WITHIN: Duration = Duration::from_secs(30 * 60);
/// Time for which a message is held while what its work needs is away. Then it is sent back to wait its turn again.
pub const HOLD: Duration = Duration::from_secs(5 * 60);
/// Longest wait for the broker to confirm a message. A broker that takes nothing (memory or disk alarm, no quorum) does not say so.
pub const CONFIRM_WITHIN: Duration = Duration::from_secs(30);
/// Time that a job has beside its steps.
const MARGIN: Duration = Duration::from_secs(10);

/// The time-outs do not nest.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "the time-outs do not nest: {steps} take {job} s together; with {hold} s of waiting for an outage and {answer} s for the broker's \
     answer that is not less than the {limit} s after which the broker takes a message back (its `consumer_timeout`). Set shorter ones"
)]
pub struct BudgetError {
    steps: String,
    job: u64,
    hold: u64,
    answer: u64,
    limit: u64,
}

/// Longest time for one attempt at a job, made of the time-outs of its steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    job: Duration,
}

impl Budget {
    /// The budget of a job of these steps, one after the other; an error when it does not fit the broker's.
    pub fn of(steps: &[(&str, Duration)]) -> Result<Self, BudgetError> {
        let job = steps.iter().map(|(_, step)| *step).sum::<Duration>() + MARGIN;
        // The copy that is sent on, or the dead letter, must be confirmed too.
        if HOLD + job + CONFIRM_WITHIN >= ACKNOWLEDGE_WITHIN {
            let steps: Vec<String> =
                steps.iter().map(|(name, step)| format!("{name} ({} s)", step.as_secs())).collect();
            return Err(BudgetError {
                steps: steps.join(" and "),
                job: job.as_secs(),
                hold: HOLD.as_secs(),
                answer: CONFIRM_WITHIN.as_secs(),
                limit: ACKNOWLEDGE_WITHIN.as_secs(),
            });
        }
        Ok(Self { job })
    }

    /// Longest that one attempt may take.
    pub fn job(&self) -> Duration {
        self.job
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_outlasts_its_steps_and_the_broker_outlasts_the_job() {
        let steps = [("fetching", Duration::from_secs(60)), ("inference", Duration::from_secs(300))];
        let budget = Budget::of(&steps).expect("fits");
        assert!(budget.job() > Duration::from_secs(360));
        assert!(budget.job() + HOLD + CONFIRM_WITHIN < ACKNOWLEDGE_WITHIN);
    }

    #[test]
    fn a_step_that_the_broker_would_cut_off_is_refused_by_name() {
        let error =
            Budget::of(&[("inference", Duration::from_secs(1500))]).expect_err("is refused").to_string();
        assert!(error.contains("inference (1500 s)") && error.contains("1800 s"), "{error}");
    }
}
