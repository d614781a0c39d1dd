//! Title: a recording is called otherwise.

use crate::context::Context;
use service_kit::transaction;
use uuid::Uuid;

/// Gives a recording a title; false where there is no such recording.
pub(crate) async fn change(context: &Context, id: Uuid, title: &str) -> Result<bool, sqlx::Error> {
    transaction::run(&context.pool, "title", &context.shutdown, async |transaction| {
        let changed =
            sqlx::query!("UPDATE recordings SET title = $2, updated_at = now() WHERE id = $1", id, title)
                .execute(&mut **transaction)
                .await?;
        Ok(changed.rows_affected() == 1)
    })
    .await
}
