//! Cancel: a recording that is called off while it is in work.

use crate::context::Context;
use crate::upkeep::chunk_audio::run_folder;
use service_kit::transaction;
use uuid::Uuid;

/// Outcome of a request to cancel a recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cancelling {
    /// It is cancelled, now or since before; in this run.
    Cancelled(i32),
    /// There is no such recording.
    Unknown,
    /// It has ended already, in this state.
    Ended(String),
}

/// Cancels a recording in work. Its run is raised with that, so that all that is still under way of it is of an older run and changes
/// nothing; what waits to be sent is not sent any more. What is known of it stays: provisional turns, and analyses, which a
/// reprocessing uses again if they are whole.
pub async fn cancel(context: &Context, recording: Uuid) -> Result<Cancelling, sqlx::Error> {
    transaction::run(&context.pool, "cancel", &context.shutdown, async |transaction| {
        let row = sqlx::query!("SELECT run, state FROM recordings WHERE id = $1 FOR UPDATE", recording)
            .fetch_optional(&mut **transaction)
            .await?;
        let Some(row) = row else { return Ok(Cancelling::Unknown) };
        match row.state.as_str() {
            "cancelled" => return Ok(Cancelling::Cancelled(row.run)),
            "queued" | "processing" => {}
            _ => return Ok(Cancelling::Ended(row.state)),
        }
        sqlx::query!(
            "UPDATE recordings SET run = run + 1, state = 'cancelled', resend = false, updated_at = now() WHERE id = $1",
            recording
        )
        .execute(&mut **transaction)
        .await?;
        // Nobody waits for them any more.
        sqlx::query!("UPDATE gaps SET awaited = false WHERE recording_id = $1 AND awaited", recording)
            .execute(&mut **transaction)
            .await?;
        // Waits for what an outbox has in hand, as a deletion does.
        sqlx::query!("DELETE FROM outbox WHERE recording_id = $1", recording).execute(&mut **transaction).await?;
        Ok(Cancelling::Cancelled(row.run + 1))
    })
    .await
}

/// Deletes the chunks of a recording that was cancelled, so that workers need not analyse those that are queued. It only saves
/// work: the upkeep deletes what this does not.
pub(crate) async fn clear(context: &Context, recording: Uuid, run: i32) {
    if let Err(error) = context.objects.delete_folder(&run_folder(recording, run - 1)).await {
        tracing::warn!(%recording, %error, "the chunks of a cancelled recording stay until the upkeep deletes them");
    }
}
