//! One at a time: what changes a recording waits here for what changes it already, in this process, and not with a connection to the
//! database in hand. So a recording that another process, or a person at the database, keeps locked takes one connection, not all.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::OwnedMutexGuard;
use uuid::Uuid;

/// Longest wait of a change for those before it.
pub(crate) const TURN_WITHIN: Duration = Duration::from_secs(10);

/// Locks that hold the turn to change a recording, by recording. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct OneAtATime(Arc<Mutex<HashMap<Uuid, Weak<tokio::sync::Mutex<()>>>>>);

/// A recording is being changed, and did not come free in time.
#[derive(Debug)]
pub(crate) struct InHand;

/// The turn of one change; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Turn {
    _guard: OwnedMutexGuard<()>,
}

impl OneAtATime {
    /// Waits for the turn to change `recording`.
    pub(crate) async fn turn(&self, recording: Uuid) -> Result<Turn, InHand> {
        self.turn_within(recording, TURN_WITHIN).await
    }

    async fn turn_within(&self, recording: Uuid, within: Duration) -> Result<Turn, InHand> {
        let turns = self.of(recording);
        let guard = tokio::time::timeout(within, turns.lock_owned()).await.map_err(|_| InHand)?;
        Ok(Turn { _guard: guard })
    }

    fn of(&self, recording: Uuid) -> Arc<tokio::sync::Mutex<()>> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(turns) = all.get(&recording).and_then(Weak::upgrade) {
            return turns;
        }
        all.retain(|_, turns| turns.strong_count() > 0);
        let turns = Arc::new(tokio::sync::Mutex::new(()));
        all.insert(recording, Arc::downgrade(&turns));
        turns
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_recording_is_changed_by_one_at_a_time_others_meanwhile_and_nobody_waits_for_ever() {
        let turns = OneAtATime::default();
        let (one, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let held = turns.turn(one).await.expect("nobody is at it");
        turns.turn(other).await.expect("is another one");
        assert!(turns.clone().turn_within(one, Duration::from_millis(20)).await.is_err());
        drop(held);
        turns.turn(one).await.expect("is free again");
        turns.turn(other).await.expect("is free again");
        assert_eq!(turns.0.lock().expect("is whole").len(), 1, "what nobody holds is forgotten");
    }
}
