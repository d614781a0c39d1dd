//! Chunk audio: deletes what was cut from an upload once nobody needs it (an hour of chunks takes 125 MB).
//!
//! A run needs its chunks while it is in work, and as long as a dead letter of it may be replayed. A run that was replaced needs
//! none. Reprocessing cuts the upload anew. First it is committed that nobody may count on them, then they are deleted, then it is
//! committed that they are: a crash in between only makes it begin again.

use super::UpkeepError;
use crate::context::{Context, folder};
use service_kit::transaction;
use uuid::Uuid;

/// Recordings cleared in one pass at most.
const MOST: i64 = 200;
/// Time for which a recording must have rested: messages about it may still be under way, a dead letter among them.
const RESTED_SECONDS: f64 = 600.0;

/// Folder of what is cut in a run.
pub(crate) fn run_folder(recording: Uuid, run: i32) -> String {
    format!("{}/runs/{run}", folder(recording))
}

/// Deletes the chunks of recordings that are done with them.
pub async fn pass(context: &Context) -> Result<(), UpkeepError> {
    let decided = decide(context).await?;
    for Cleared { recording, after, up_to } in decided {
        if context.shutdown.is_asked() {
            break;
        }
        let mut objects = 0;
        for run in after + 1..=up_to {
            objects += context.objects.delete_folder(&run_folder(recording, run)).await?;
        }
        note(context, recording, up_to).await?;
        tracing::info!(%recording, run = up_to, objects, "deleted chunks that are done with");
        metrics::counter!("throughline_chunks_cleared_total").increment(objects as u64);
    }
    Ok(())
}

/// A recording whose runs past `after` up to `up_to` are done with their chunks.
struct Cleared {
    recording: Uuid,
    after: i32,
    up_to: i32,
}

async fn decide(context: &Context) -> Result<Vec<Cleared>, sqlx::Error> {
    transaction::run(&context.pool, "clear chunks", &context.shutdown, async |transaction| {
        let rested = sqlx::query_scalar!(
            "SELECT id FROM recordings r
             WHERE cleared_run < run AND updated_at < now() - make_interval(secs => $1)
               AND (cleared_run < run - 1 OR clearing_run = run OR state NOT IN ('queued', 'processing') AND NOT EXISTS (
                        SELECT 1 FROM dead_letters l WHERE l.recording_id = r.id AND l.run = r.run))
             ORDER BY updated_at LIMIT $2
             FOR UPDATE SKIP LOCKED",
            RESTED_SECONDS,
            MOST
        )
        .fetch_all(&mut **transaction)
        .await?;
        // Under the locks, and with a new look: no dead letter can be kept, and none replayed, from here on.
        let rows = sqlx::query!(
            r#"UPDATE recordings r SET clearing_run = greatest(clearing_run, d.up_to)
               FROM (
                   SELECT c.id, CASE WHEN c.clearing_run < c.run AND (
                              c.state IN ('queued', 'processing') OR EXISTS (
                                  SELECT 1 FROM dead_letters l WHERE l.recording_id = c.id AND l.run = c.run))
                          THEN c.run - 1 ELSE c.run END AS up_to
                   FROM recordings c WHERE c.id = ANY($1)
               ) AS d
               WHERE r.id = d.id AND r.cleared_run < d.up_to
               RETURNING r.id, r.cleared_run, d.up_to AS "up_to!""#,
            &rested
        )
        .fetch_all(&mut **transaction)
        .await?;
        let cleared = |id, after, up_to| Cleared { recording: id, after, up_to };
        Ok(rows.into_iter().map(|row| cleared(row.id, row.cleared_run, row.up_to)).collect())
    })
    .await
}

async fn note(context: &Context, recording: Uuid, up_to: i32) -> Result<(), sqlx::Error> {
    transaction::run(&context.pool, "chunks cleared", &context.shutdown, async |transaction| {
        sqlx::query!(
            "UPDATE recordings SET cleared_run = $2 WHERE id = $1 AND cleared_run < $2",
            recording,
            up_to
        )
        .execute(&mut **transaction)
        .await?;
        Ok(())
    })
    .await
}
