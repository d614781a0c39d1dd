//! Gauges: what Prometheus is told of the whole. Every ingest process tells the same.

use crate::context::Context;
use crate::operations::{self, queues, read};
use metrics::gauge;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// Time between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// Longest wait for an answer of the object store.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// Looks until shutdown.
pub(crate) async fn run(context: Arc<Context>) -> anyhow::Result<()> {
    let mut told = BTreeSet::new();
    while !context.shutdown.is_asked() {
        let looking = async {
            if let Err(error) = look(&context, &mut told).await {
                tracing::debug!(%error, "the whole could not be looked at");
            }
            let answer = tokio::time::timeout(ANSWER_WITHIN, context.objects.answers()).await;
            gauge!("throughline_object_store_up").set(f64::from(matches!(answer, Ok(Ok(())))));
            tokio::time::sleep(LOOK_EVERY).await;
        };
        tokio::select! {
            () = looking => {}
            () = context.shutdown.asked() => {}
        }
    }
    Ok(())
}

/// Tells what there is now. `told` are the queues that were told of before: one that is gone is told of as empty.
async fn look(context: &Context, told: &mut BTreeSet<String>) -> Result<(), sqlx::Error> {
    let mut snapshot = operations::snapshot(&context.reads).await?;
    let backlog = read::backlog(&mut snapshot).await?;
    gauge!("throughline_backlog_audio_seconds").set(backlog.audio_seconds);
    gauge!("throughline_backlog_oldest_seconds").set(backlog.oldest_seconds);
    gauge!("throughline_dead_letters").set(read::dead_letters(&mut snapshot).await? as f64);
    for (state, recordings) in read::in_work(&mut snapshot).await? {
        gauge!("throughline_recordings_in_work", "state" => state).set(recordings as f64);
    }
    let (workers, _) = read::processes(&mut snapshot).await?;
    drop(snapshot);
    let mut alive: BTreeMap<String, u32> = BTreeMap::new();
    for worker in workers.iter().filter(|worker| worker.alive) {
        *alive.entry(worker.queue()).or_default() += 1;
    }
    let queues = queues::all(context).await?;
    told.extend(queues.iter().map(|queue| queue.name.clone()));
    for name in told.iter() {
        let now = queues.iter().find(|queue| queue.name == *name);
        let set = |metric: &'static str, value: u32| gauge!(metric, "queue" => name.clone()).set(value);
        set("throughline_queue_messages", now.and_then(|queue| queue.messages).unwrap_or_default());
        set("throughline_queue_consumers", now.and_then(|queue| queue.consumers).unwrap_or_default());
        set("throughline_queue_paused", now.is_some_and(|queue| queue.paused).into());
        if queues::is_of_chunks(name) {
            set("throughline_workers_alive", alive.get(name).copied().unwrap_or_default());
        }
    }
    Ok(())
}
