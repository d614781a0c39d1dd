//! Upkeep: what must go from the object store goes, whatever was in the way when it should have gone.
//!
//! Four kinds of things: all of a recording that was deleted ([`erasure`]), the chunks' audio of one that is done with it
//! ([`chunk_audio`]), what resumable uploads leave behind ([`uploads`]), and what no recording knows of ([`orphans`]). Nothing is taken for gone, or for nobody's, in a store that is
//! not the one this database tells of ([`identity`]). Every ingest process does all of it; what one has in hand, others leave.

pub mod chunk_audio;
pub mod erasure;
pub(crate) mod identity;
pub(crate) mod orphans;
pub(crate) mod uploads;

use crate::context::Context;
use crate::{audit, session};
use service_kit::object_store::StoreError;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Longest wait until an erasure that could not be finished, or that another process left, is seen.
const ERASE_EVERY: Duration = Duration::from_secs(5);
/// Time between two looks for recordings that are done with their chunks.
const CLEAR_EVERY: Duration = Duration::from_secs(60);
/// Time between two looks for resumable uploads that nobody goes on with.
const SETTLE_EVERY: Duration = Duration::from_secs(30);

/// Something is still there that should be gone.
#[derive(Debug, thiserror::Error)]
pub enum UpkeepError {
    /// The database failed.
    #[error("the database cannot be reached: {0}")]
    Database(#[from] sqlx::Error),
    /// The object store failed.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// It is another store.
    #[error(
        "the object store is not the one that this database tells of ({0}): mount the right one; or, if this is the right one, \
         delete its object '{object}' and the row in the table object_store", object = service_kit::object_store::STORE_ID
    )]
    OtherStore(&'static str),
}

/// Keeps up until shutdown.
pub(crate) async fn run(context: Arc<Context>) -> anyhow::Result<()> {
    let started = Instant::now();
    let (mut cleared, mut settled, mut swept) = (started, started, started);
    let mut orphans = orphans::Sweep::default();
    let mut introduced = false;
    while !context.shutdown.is_asked() {
        // Soon, so that a worker that misses a chunk can tell whether it looks into the right store.
        if !introduced {
            let outcome = identity::check(&context).await;
            introduced = outcome.is_ok();
            tell("the object store is not known yet", outcome);
        }
        tell("recordings that were deleted are not yet erased", erasure::pass(&context).await);
        if cleared.elapsed() >= CLEAR_EVERY.min(context.sweep_every) {
            cleared = Instant::now();
            tell("chunks that are done with are not yet deleted", chunk_audio::pass(&context).await);
        }
        if settled.elapsed() >= SETTLE_EVERY.min(context.sweep_every) {
            settled = Instant::now();
            tell("resumable uploads are not yet settled", uploads::pass(&context).await);
            tell("what is no longer kept of who did what is not yet deleted", forget(&context).await);
        }
        if swept.elapsed() >= context.sweep_every {
            swept = Instant::now();
            tell("what belongs to no recording could not be looked for", orphans.pass(&context).await);
        }
        tokio::select! {
            () = tokio::time::sleep(ERASE_EVERY.min(context.sweep_every)) => {}
            () = context.shutdown.asked() => {}
        }
    }
    Ok(())
}

/// Deletes what was noted of callers and is too old.
async fn forget(context: &Context) -> Result<(), UpkeepError> {
    session::forget(&context.pool).await?;
    audit::clean(&context.pool, context.audit_days).await?;
    Ok(())
}

fn tell(what: &str, outcome: Result<(), UpkeepError>) {
    if let Err(error) = outcome {
        tracing::warn!(%error, "{what}; will be tried again");
    }
}
