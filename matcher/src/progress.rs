//! Progress: moves a recording as far as what has arrived allows.

use crate::advance::advance;
use crate::database::Database;
use crate::error::MatchError;
use crate::finalise::finalise;
use uuid::Uuid;

/// Matches what is ready of a recording and completes it if that was all. Harmless at any time, from many places at once.
pub async fn progress(database: &Database, recording: Uuid, run: i32) -> Result<(), MatchError> {
    if Box::pin(advance(database, recording, run)).await? {
        Box::pin(finalise(database, recording, run)).await?;
    }
    Ok(())
}
