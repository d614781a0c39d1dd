//! Error: why a recording could not be moved, and what that means for the message that asked for it.

use service_kit::transaction;
use service_kit::verdict::Verdict;

/// A recording could not be moved.
#[derive(Debug, thiserror::Error)]
pub enum MatchError {
    /// The database failed; it may not fail next time.
    #[error("the database failed: {0}")]
    Database(sqlx::Error),
    /// Another matcher is completing the recording, or was until a moment ago: the claim of one that died lasts until Postgres has noticed.
    #[error("another matcher is completing the recording")]
    Claimed,
    /// Stored data cannot be used, however often it is tried.
    #[error("{0}")]
    Unusable(String),
}

impl From<sqlx::Error> for MatchError {
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::Decode(_) | sqlx::Error::ColumnDecode { .. } => {
                Self::Unusable(format!("what is stored of the recording cannot be read: {error}"))
            }
            other => Self::Database(other),
        }
    }
}

impl MatchError {
    /// True where the database is away, which is nobody's fault and must use up nobody's attempts.
    pub fn is_outage(&self) -> bool {
        matches!(self, Self::Database(error) if transaction::is_outage(error))
    }

    /// Verdict on the message that asked for it.
    pub fn verdict(self) -> Verdict {
        match self {
            Self::Database(error) if transaction::is_locked(&error) => {
                Verdict::Later(format!("the recording is locked elsewhere: {error}"))
            }
            Self::Claimed => Verdict::Later(self.to_string()),
            Self::Database(_) if self.is_outage() => Verdict::Wait(self.to_string()),
            Self::Database(_) => Verdict::Retry(self.to_string()),
            Self::Unusable(why) => Verdict::Reject(why),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_read_is_rejected_and_what_may_pass_is_tried_again() {
        let unreadable = sqlx::Error::Decode("rubbish".into());
        assert!(matches!(MatchError::from(unreadable).verdict(), Verdict::Reject(_)));
        assert!(matches!(MatchError::from(sqlx::Error::RowNotFound).verdict(), Verdict::Retry(_)));
    }

    #[test]
    fn a_database_that_is_away_is_an_outage_and_rubbish_is_none() {
        assert!(matches!(MatchError::from(sqlx::Error::PoolTimedOut).verdict(), Verdict::Wait(_)));
        assert!(!MatchError::from(sqlx::Error::Decode("rubbish".into())).is_outage());
    }
}
