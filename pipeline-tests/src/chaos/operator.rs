//! Operator: looks through the dead letters, and replays those that were buried because of what was done to them.

use super::client::Clients;
use serde_json::Value;
use service_kit::topology::ATTEMPTS;
use sqlx::PgPool;
use sqlx::types::Json;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use uuid::Uuid;

/// Time between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Words in the reason of an attempt that ended with its process or connection.
const NO_WORD: &str = "without a word";

/// Dead letters that the operator has seen.
#[derive(Default)]
pub struct Letters {
    /// Letters that should not be.
    unjustified: Mutex<Vec<String>>,
    /// Letters of messages whose every attempt was struck: replayed.
    replayed: Mutex<BTreeSet<i64>>,
}

impl Letters {
    /// Letters that should not be.
    pub fn unjustified(&self) -> Vec<String> {
        self.unjustified.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Number of letters that were replayed.
    pub fn replayed(&self) -> usize {
        self.replayed.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

/// A row of `dead_letters`: id, recording, queue, reason, attempts.
type Row = (i64, Option<Uuid>, String, String, Json<Value>);

/// Looks until it is dropped with its task.
pub async fn operate(pool: PgPool, clients: Arc<Clients>, letters: Arc<Letters>) {
    let mut known = BTreeSet::new();
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let found: Result<Vec<Row>, _> =
            sqlx::query_as("SELECT id, recording_id, queue, reason, attempts FROM dead_letters ORDER BY id")
                .fetch_all(&pool)
                .await;
        for (id, recording, queue, reason, Json(attempts)) in found.unwrap_or_default() {
            if !known.insert(id) {
                continue;
            }
            if is_justified(&attempts) {
                println!("  replaying the dead letter {id} of {queue}: every attempt at it was struck");
                clients.replay(id).await;
                letters.replayed.lock().unwrap_or_else(PoisonError::into_inner).insert(id);
            } else {
                let what = format!(
                    "dead letter {id} of {queue}, recording {recording:?}: {reason}; attempts: {attempts}"
                );
                println!("!! {what}");
                letters.unjustified.lock().unwrap_or_else(PoisonError::into_inner).push(what);
            }
        }
    }
}

/// True if all allowed attempts were made and each ended with its process or connection, which is what the faults do.
fn is_justified(attempts: &Value) -> bool {
    let attempts = attempts.as_array().map(Vec::as_slice).unwrap_or_default();
    let struck = |attempt: &Value| attempt["reason"].as_str().is_some_and(|reason| reason.contains(NO_WORD));
    attempts.len() as i64 >= ATTEMPTS && attempts.iter().all(struck)
}

#[cfg(test)]
mod tests {
    use super::*;
    use service_kit::attempts::History;

    #[test]
    fn a_letter_is_justified_where_all_its_attempts_were_struck_and_only_there() {
        let mut history = History::default();
        history.lost(ATTEMPTS, Default::default());
        let attempts = |history: &History| serde_json::to_value(history).expect("JSON");
        assert!(is_justified(&attempts(&history)));
        history.failed("the recording has no chunk 3", "matcher", Default::default());
        assert!(!is_justified(&attempts(&history)));
        assert!(!is_justified(&attempts(&History::default())));
    }
}
