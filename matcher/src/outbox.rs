//! Outbox: messages that a matcher orders, in the transaction that makes them necessary. Ingest sends them.

use service_kit::messages::{self, Message};
use sqlx::PgTransaction;
use sqlx::types::Json;
use std::collections::BTreeMap;
use uuid::Uuid;

/// Adds `messages` about `recording` for `queue`, with the trace that they belong to.
pub async fn add<M: Message>(
    transaction: &mut PgTransaction<'static>,
    recording: Uuid,
    queue: &str,
    messages: &[M],
    trace: &Json<BTreeMap<String, String>>,
) -> Result<(), sqlx::Error> {
    let mut bodies = Vec::with_capacity(messages.len());
    for message in messages {
        bodies.push(messages::encode(message).map_err(|error| sqlx::Error::Encode(error.into()))?);
    }
    sqlx::query!(
        "INSERT INTO outbox (recording_id, queue, kind, body, trace)
         SELECT $1, $2, $3, body, $5 FROM UNNEST($4::bytea[]) AS body",
        recording,
        queue,
        M::TYPE,
        &bodies,
        trace as _
    )
    .execute(&mut **transaction)
    .await?;
    Ok(())
}
