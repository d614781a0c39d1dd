//! Handler: one message of the matcher's queue in, one verdict out.

use crate::database::Database;
use crate::error::MatchError;
use crate::inbox::{self, Receipt};
use crate::progress::progress;
use service_kit::delivery::Delivery;
use service_kit::messages::{ChunkAnalysed, Message, RecordingDecoded};
use service_kit::verdict::Verdict;

/// Handles a message of the matcher's queue.
pub async fn handle(database: &Database, delivery: Delivery) -> Verdict {
    attempt(database, &delivery).await.unwrap_or_else(MatchError::verdict)
}

async fn attempt(database: &Database, delivery: &Delivery) -> Result<Verdict, MatchError> {
    match delivery.kind.as_str() {
        ChunkAnalysed::TYPE => match delivery.message() {
            Ok(message) => analysed(database, message).await,
            Err(verdict) => Ok(verdict),
        },
        RecordingDecoded::TYPE => match delivery.message::<RecordingDecoded>() {
            Ok(message) => {
                progress(database, message.recording, message.run).await?;
                Ok(Verdict::Done)
            }
            Err(verdict) => Ok(verdict),
        },
        other => Ok(Verdict::Reject(format!(
            "the matcher does not know messages of type '{other}', only {} and {}",
            ChunkAnalysed::TYPE,
            RecordingDecoded::TYPE
        ))),
    }
}

async fn analysed(database: &Database, message: ChunkAnalysed) -> Result<Verdict, MatchError> {
    match inbox::keep(database, &message).await? {
        Receipt::Kept => {
            progress(database, message.recording, message.run).await?;
            Ok(Verdict::Done)
        }
        Receipt::Stale => {
            tracing::info!(recording = %message.recording, run = message.run, chunk = message.chunk, "stale analysis ignored");
            Ok(Verdict::Done)
        }
        Receipt::Unusable(why) => Ok(Verdict::Reject(why)),
    }
}
