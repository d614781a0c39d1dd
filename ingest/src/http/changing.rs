//! Changing: what a request changes of a recording is done in its turn, on one of the threads for that.

use super::problem::ApiError;
use crate::context::Context;
use uuid::Uuid;

/// Has `work` change `recording`, after what changes it already. It runs to its end even when nobody waits for it any more.
pub(crate) async fn change<T, F>(
    context: &Context,
    recording: Uuid,
    work: impl FnOnce() -> F + Send + 'static,
) -> Result<T, ApiError>
where
    T: Send + 'static,
    F: Future<Output = Result<T, sqlx::Error>>,
{
    let turn = context.one_at_a_time.turn(recording).await?;
    let work = async move || {
        // Held by the work, which goes on when its caller is gone.
        let _turn = turn;
        work().await
    };
    Ok(context.changes.run_in_turn(work).await??)
}
