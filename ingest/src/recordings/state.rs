//! State: where a recording stands, as the API names it.

use serde::Serialize;
use std::str::FromStr;
use utoipa::ToSchema;

/// Where a recording stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum State {
    /// Accepted; nothing is matched yet.
    Queued,
    /// Chunks are being analysed and matched.
    Processing,
    /// Turns and speakers are final.
    Completed,
    /// As `completed`, but for chunks that could not be analysed.
    CompletedWithGaps,
    /// Given up; `failure` says why.
    Failed,
    /// Called off; reprocessing takes it up again.
    Cancelled,
}

impl State {
    const ALL: [Self; 6] = [
        Self::Queued,
        Self::Processing,
        Self::Completed,
        Self::CompletedWithGaps,
        Self::Failed,
        Self::Cancelled,
    ];

    /// As the database and the API write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Processing => "processing",
            Self::Completed => "completed",
            Self::CompletedWithGaps => "completed_with_gaps",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

impl FromStr for State {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|state| state.name() == text).ok_or(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_read_as_it_is_written() {
        for state in State::ALL {
            assert_eq!(serde_json::to_value(state).expect("is JSON"), state.name());
            assert_eq!(state.name().parse(), Ok(state));
        }
        assert_eq!("done".parse::<State>(), Err(()));
    }
}
