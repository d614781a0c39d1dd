//! Uploads: resumable ones that nobody goes on with. One that is whole becomes a recording, though its client and its process be
//! gone; one that is not goes when its time is over; the parts of one that is a recording go.

use super::{UpkeepError, identity};
use crate::composing;
use crate::context::Context;
use crate::recordings::resumable::{self, parts_folder};
use service_kit::transaction;
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// Uploads of each kind in one pass at most.
const MOST: i64 = 200;

/// Settles what is due.
pub(crate) async fn pass(context: &Arc<Context>) -> Result<(), UpkeepError> {
    count(context).await?;
    for upload in whole(context).await? {
        if context.shutdown.is_asked() {
            return Ok(());
        }
        finish(context, upload).await?;
    }
    let expired = expire(context).await?;
    if expired > 0 {
        tracing::info!(uploads = expired, "nothing more came of these; they go");
        metrics::counter!("throughline_resumable_uploads_expired_total").increment(expired);
    }
    for Done { upload, over } in done(context).await? {
        clear(context, upload).await?;
        if over {
            forget(context, upload).await?;
        }
    }
    Ok(())
}

async fn finish(context: &Arc<Context>, upload: Uuid) -> Result<(), UpkeepError> {
    match composing::finish(context, upload, Duration::ZERO).await {
        Ok(_) => Ok(()),
        Err(error) if error.is_missing() => {
            // Not in a store that is not ours, in which everything is missing.
            identity::check(context).await?;
            tracing::error!(%upload, %error, "a part of the upload is no longer stored; it goes, and has to be sent again");
            resumable::delete(context, upload, None).await?;
            Ok(())
        }
        Err(error) => {
            tracing::warn!(%upload, %error, "an upload that is whole is no recording yet; will be tried again");
            Ok(())
        }
    }
}

/// Deletes the parts of an upload that is a recording.
pub(crate) async fn clear(context: &Context, upload: Uuid) -> Result<(), UpkeepError> {
    identity::check(context).await?;
    context.objects.delete_folder(&parts_folder(upload)).await?;
    transaction::run(&context.pool, "clear parts", &context.shutdown, async |transaction| {
        sqlx::query!("DELETE FROM upload_parts WHERE upload_id = $1", upload)
            .execute(&mut **transaction)
            .await?;
        Ok(())
    })
    .await?;
    Ok(())
}

async fn forget(context: &Context, upload: Uuid) -> Result<(), sqlx::Error> {
    transaction::run(&context.pool, "forget upload", &context.shutdown, async |transaction| {
        sqlx::query!("DELETE FROM resumable_uploads WHERE id = $1 AND recording_id IS NOT NULL", upload)
            .execute(&mut **transaction)
            .await?;
        Ok(())
    })
    .await
}

/// Uploads that are whole, and that nobody is at.
async fn whole(context: &Context) -> Result<Vec<Uuid>, sqlx::Error> {
    sqlx::query_scalar!(
        "SELECT id FROM resumable_uploads
         WHERE received = length AND recording_id IS NULL AND (composing_until IS NULL OR composing_until < now())
         ORDER BY expires_at LIMIT $1",
        MOST
    )
    .fetch_all(&context.pool)
    .await
}

/// Deletes uploads that are not whole and whose time is over, as a client does; returns how many.
async fn expire(context: &Context) -> Result<u64, sqlx::Error> {
    transaction::run(&context.pool, "expire uploads", &context.shutdown, async |transaction| {
        let gone = sqlx::query_scalar!(
            r#"WITH gone AS (
                   DELETE FROM resumable_uploads WHERE id IN (
                       SELECT id FROM resumable_uploads
                       WHERE expires_at < now() AND recording_id IS NULL AND received IS DISTINCT FROM length
                       ORDER BY expires_at LIMIT $1 FOR UPDATE SKIP LOCKED)
                   RETURNING id),
               noted AS (INSERT INTO erasures (recording_id) SELECT id FROM gone ON CONFLICT DO NOTHING)
               SELECT count(*) AS "gone!" FROM gone"#,
            MOST
        )
        .fetch_one(&mut **transaction)
        .await?;
        Ok(gone as u64)
    })
    .await
}

/// An upload that is a recording.
struct Done {
    upload: Uuid,
    /// True once nobody can send it any more.
    over: bool,
}

/// Uploads that are recordings and have parts; and, once more, when their time is over: a part may have been stored by somebody
/// who was too late, and died.
async fn done(context: &Context) -> Result<Vec<Done>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"SELECT id, expires_at < now() AS "over!" FROM resumable_uploads u
           WHERE recording_id IS NOT NULL
             AND (expires_at < now() OR EXISTS (SELECT 1 FROM upload_parts p WHERE p.upload_id = u.id))
           ORDER BY expires_at LIMIT $1"#,
        MOST
    )
    .fetch_all(&context.pool)
    .await?;
    Ok(rows.into_iter().map(|row| Done { upload: row.id, over: row.over }).collect())
}

/// Counts the uploads that are not recordings yet, and their bytes.
async fn count(context: &Context) -> Result<(), sqlx::Error> {
    let open = sqlx::query!(
        r#"SELECT count(*) AS "uploads!", coalesce(sum(received), 0)::float8 AS "bytes!"
           FROM resumable_uploads WHERE recording_id IS NULL"#
    )
    .fetch_one(&context.pool)
    .await?;
    metrics::gauge!("throughline_resumable_uploads_open").set(open.uploads as f64);
    metrics::gauge!("throughline_resumable_uploads_open_bytes").set(open.bytes);
    Ok(())
}
