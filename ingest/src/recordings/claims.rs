//! Claims: an upload that brings a key holds that key while it comes in, and its recording keeps it.
//!
//! A claim has to be renewed; one whose process died runs out, and another upload may take the key.

use crate::context::Context;
use service_kit::transaction;
use sqlx::PgTransaction;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;
use uuid::Uuid;

/// Time for which a claim holds without being renewed, in seconds.
pub(crate) const HOLDS: f64 = 60.0;
/// Time between two renewals of a claim.
pub(crate) const RENEW: Duration = Duration::from_secs(15);
/// Tries before a key that others claim and give up all the time counts as theirs.
const TRIES: usize = 3;

/// A key as one caller knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// Name of the caller's token; empty where no tokens are set.
    pub caller: String,
    /// Name of the key, as the caller chose it.
    pub key: String,
}

/// Outcome of claiming a key.
#[derive(Debug)]
pub(crate) enum Claim {
    /// It is this upload's.
    Ours(Held),
    /// It belongs to this recording, made from an upload of this fingerprint.
    Taken { recording: Uuid, fingerprint: String },
    /// Another upload holds it.
    InUse,
}

/// A key that is held; renewed until this is dropped.
#[derive(Debug)]
pub(crate) struct Held {
    pub key: Key,
    receiver: Uuid,
    renewing: JoinHandle<()>,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.renewing.abort();
    }
}

/// Claims `key` for the upload that will be the recording `receiver`.
pub(crate) async fn claim(context: &Arc<Context>, key: Key, receiver: Uuid) -> Result<Claim, sqlx::Error> {
    sqlx::query!(
        "DELETE FROM upload_keys WHERE recording_id IS NULL AND held_until < now() - interval '1 day'"
    )
    .execute(&context.pool)
    .await?;
    for _ in 0..TRIES {
        let claimed = sqlx::query!(
            "INSERT INTO upload_keys (caller, key, receiver, held_until) VALUES ($1, $2, $3, now() + make_interval(secs => $4))
             ON CONFLICT (caller, key) DO UPDATE SET receiver = excluded.receiver, held_until = excluded.held_until
             WHERE upload_keys.recording_id IS NULL AND upload_keys.held_until < now()",
            key.caller,
            key.key,
            receiver,
            HOLDS,
        )
        .execute(&context.pool)
        .await?;
        if claimed.rows_affected() == 1 {
            let renewing = tokio::spawn(renew(context.clone(), receiver));
            return Ok(Claim::Ours(Held { key, receiver, renewing }));
        }
        let row = sqlx::query!(
            "SELECT recording_id, fingerprint FROM upload_keys WHERE caller = $1 AND key = $2",
            key.caller,
            key.key
        )
        .fetch_optional(&context.pool)
        .await?;
        match row.map(|row| (row.recording_id, row.fingerprint)) {
            Some((Some(recording), Some(fingerprint))) => return Ok(Claim::Taken { recording, fingerprint }),
            Some(_) => return Ok(Claim::InUse),
            // Given up between the two statements.
            None => {}
        }
    }
    Ok(Claim::InUse)
}

async fn renew(context: Arc<Context>, receiver: Uuid) {
    loop {
        tokio::time::sleep(RENEW).await;
        let renewed = sqlx::query!(
            "UPDATE upload_keys SET held_until = now() + make_interval(secs => $2)
             WHERE receiver = $1 AND recording_id IS NULL",
            receiver,
            HOLDS
        );
        if let Err(error) = renewed.execute(&context.pool).await {
            tracing::warn!(recording = %receiver, error = error.to_string(), "the upload's key could not be renewed");
        }
    }
}

/// Gives the key to the recording, in the transaction that makes it; false where the claim has run out and was taken.
pub(crate) async fn keep(
    transaction: &mut PgTransaction<'static>,
    held: &Key,
    recording: Uuid,
    fingerprint: &str,
) -> Result<bool, sqlx::Error> {
    let kept = sqlx::query!(
        "UPDATE upload_keys SET recording_id = $3, fingerprint = $4
         WHERE caller = $1 AND key = $2 AND receiver = $3 AND (recording_id IS NULL OR recording_id = $3)",
        held.caller,
        held.key,
        recording,
        fingerprint
    )
    .execute(&mut **transaction)
    .await?;
    Ok(kept.rows_affected() == 1)
}

/// Gives the key of a refused upload up.
pub(crate) async fn give_up(context: &Context, held: Held) {
    let given_up =
        sqlx::query!("DELETE FROM upload_keys WHERE receiver = $1 AND recording_id IS NULL", held.receiver);
    if let Err(error) = given_up.execute(&context.pool).await {
        // It runs out by itself.
        let outage = transaction::is_outage(&error);
        tracing::warn!(recording = %held.receiver, outage, error = error.to_string(), "the upload's key could not be given up");
    }
}
