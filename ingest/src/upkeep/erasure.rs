//! Erasure: what is stored of a deleted recording goes, whatever happens in between.
//!
//! The transaction that deletes the rows leaves a line with the id alone. It stays until the object store has said that nothing is
//! left, and has said so again once nobody can be at work any more who had not noticed: a decoder may store a chunk after that, and
//! die before it looks.

use super::{UpkeepError, identity};
use crate::context::{Context, folder};
use crate::recordings::resumable;
use service_kit::budget::ACKNOWLEDGE_WITHIN;
use service_kit::transaction;
use sqlx::PgTransaction;
use std::sync::atomic::{AtomicBool, Ordering};
use uuid::Uuid;

/// Seconds between two tries: the first wait, doubled from one to the next, and the longest.
const FIRST_WAIT: f64 = 5.0;
const LONGEST_WAIT: f64 = 600.0;

/// Outcome of a request to delete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Erased {
    /// Nothing is left.
    Gone,
    /// The rows are gone, and the audio goes once the object store allows it.
    Pending,
    /// There is no such recording.
    Unknown,
}

/// Deletes the rows of a recording, and notes that its objects must go; false where there were none.
async fn delete_rows(context: &Context, recording: Uuid) -> Result<bool, sqlx::Error> {
    // A commit whose answer was lost is tried again, and finds nothing to delete.
    let any = AtomicBool::new(false);
    transaction::run(&context.pool, "delete recording", &context.shutdown, async |transaction| {
        let deleted = sqlx::query!("DELETE FROM recordings WHERE id = $1", recording)
            .execute(&mut **transaction)
            .await?;
        if deleted.rows_affected() == 1 {
            sqlx::query!("INSERT INTO erasures (recording_id) VALUES ($1) ON CONFLICT DO NOTHING", recording)
                .execute(&mut **transaction)
                .await?;
            any.store(true, Ordering::Relaxed);
        }
        Ok(())
    })
    .await?;
    Ok(any.into_inner())
}

/// Erases a recording: rows first, so that nothing new is made of it, then what is stored.
pub async fn erase(context: &Context, recording: Uuid) -> Result<Erased, sqlx::Error> {
    let deleted = delete_rows(context, recording).await?;
    erase_stored(context, recording, deleted).await
}

/// Erases an upload of `caller` that is no recording yet, in the same way.
pub(crate) async fn erase_upload(
    context: &Context,
    upload: Uuid,
    caller: &str,
) -> Result<Erased, sqlx::Error> {
    let deleted = resumable::delete(context, upload, Some(caller)).await?;
    erase_stored(context, upload, deleted).await
}

/// Erases what is stored of what was `deleted`, or of what was deleted before.
async fn erase_stored(context: &Context, recording: Uuid, deleted: bool) -> Result<Erased, sqlx::Error> {
    // Also of a request that came before and could not be finished.
    let Some(erasure) = claim(context, recording).await? else {
        // Whoever looks for what is due may have finished it since.
        return Ok(if deleted { Erased::Gone } else { Erased::Unknown });
    };
    match work_off(context, &erasure).await {
        Ok(()) => Ok(Erased::Gone),
        Err(error) => {
            tracing::warn!(%recording, %error, "its rows are deleted, what is stored of it not yet; will be tried again");
            Ok(Erased::Pending)
        }
    }
}

/// Works off all that is due.
pub async fn pass(context: &Context) -> Result<(), UpkeepError> {
    count(context).await?;
    while !context.shutdown.is_asked() {
        let Some(erasure) = claim_due(context).await? else { break };
        if let Err(error) = work_off(context, &erasure).await {
            tracing::warn!(recording = %erasure.recording, %error, "not yet erased; will be tried again");
        }
    }
    Ok(())
}

/// An erasure that is in hand.
struct Erasure {
    recording: Uuid,
    /// True where its folder was found empty before.
    emptied: bool,
}

/// Takes the erasure of `recording` in hand; none where it is finished, or was never asked for.
async fn claim(context: &Context, recording: Uuid) -> Result<Option<Erasure>, sqlx::Error> {
    transaction::run(&context.pool, "claim erasure", &context.shutdown, async |transaction| {
        let claimed = sqlx::query_scalar!(
            "UPDATE erasures SET tries = tries + 1,
                    due_at = now() + make_interval(secs => least($2 * 2 ^ least(tries, 20), $3))
             WHERE recording_id = $1 AND emptied_at IS NULL
             RETURNING recording_id",
            recording,
            FIRST_WAIT,
            LONGEST_WAIT
        )
        .fetch_optional(&mut **transaction)
        .await?;
        Ok(claimed.map(|recording| Erasure { recording, emptied: false }))
    })
    .await
}

/// Takes any erasure in hand that is due. Others leave it for a while.
async fn claim_due(context: &Context) -> Result<Option<Erasure>, sqlx::Error> {
    transaction::run(&context.pool, "claim due erasure", &context.shutdown, async |transaction| {
        let row = sqlx::query!(
            r#"UPDATE erasures SET tries = tries + 1,
                      due_at = now() + make_interval(secs => least($1 * 2 ^ least(tries, 20), $2))
               WHERE recording_id = (
                   SELECT recording_id FROM erasures WHERE due_at <= now()
                   ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED)
               RETURNING recording_id, emptied_at IS NOT NULL AS "emptied!""#,
            FIRST_WAIT,
            LONGEST_WAIT
        )
        .fetch_optional(&mut **transaction)
        .await?;
        Ok(row.map(|row| Erasure { recording: row.recording_id, emptied: row.emptied }))
    })
    .await
}

/// Deletes what is stored, and notes that it is gone.
async fn work_off(context: &Context, erasure: &Erasure) -> Result<(), UpkeepError> {
    let recording = erasure.recording;
    identity::check(context).await?;
    let objects = context.objects.delete_folder(&folder(recording)).await?;
    let stragglers = erasure.emptied && objects > 0;
    transaction::run(&context.pool, "erased", &context.shutdown, async |transaction| {
        if erasure.emptied && !stragglers {
            sqlx::query!("DELETE FROM erasures WHERE recording_id = $1", recording)
                .execute(&mut **transaction)
                .await?;
            return Ok(());
        }
        look_again(transaction, recording).await
    })
    .await?;
    if stragglers {
        tracing::warn!(%recording, objects, "stored after the recording was deleted, and deleted now");
        metrics::counter!("throughline_erasure_stragglers_total").increment(objects as u64);
    } else if !erasure.emptied {
        tracing::info!(%recording, objects, "erased");
        metrics::counter!("throughline_erasures_total").increment(1);
    }
    Ok(())
}

/// Has the folder looked at once more when no attempt at its decoding can be under way any longer.
async fn look_again(transaction: &mut PgTransaction<'static>, recording: Uuid) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE erasures SET emptied_at = now(), tries = 0, due_at = now() + make_interval(secs => $2)
         WHERE recording_id = $1",
        recording,
        ACKNOWLEDGE_WITHIN.as_secs_f64()
    )
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

/// Counts the recordings that are deleted and not yet erased, and the age of the oldest.
async fn count(context: &Context) -> Result<(), sqlx::Error> {
    let open = sqlx::query!(
        r#"SELECT count(*) AS "recordings!", coalesce(extract(epoch FROM now() - min(asked_at)), 0)::float8 AS "oldest!"
           FROM erasures WHERE emptied_at IS NULL"#
    )
    .fetch_one(&context.pool)
    .await?;
    metrics::gauge!("throughline_erasures_pending").set(open.recordings as f64);
    metrics::gauge!("throughline_erasures_oldest_seconds").set(open.oldest);
    Ok(())
}
