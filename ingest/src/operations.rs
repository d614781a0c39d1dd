//! Operations: what operators see of the whole, and what they do to it.

mod eta;
pub(crate) mod history;
pub(crate) mod overview;
pub(crate) mod problems;
pub(crate) mod queues;
pub(crate) mod read;

use crate::context::Context;
use chrono::{DateTime, Utc};
use eta::{Hand, InHand, Waiting};
use overview::{InWork, Overview, Queue, Worker};
use read::Undone;
use service_kit::topology::{DECODE, MATCH};
use sqlx::{PgPool, PgTransaction};
use std::collections::BTreeMap;
use uuid::Uuid;

/// One look at the database, from which everything is read.
pub(crate) async fn snapshot(pool: &PgPool) -> Result<PgTransaction<'static>, sqlx::Error> {
    pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await
}

/// Everything at a glance.
pub(crate) async fn overview(context: &Context) -> Result<Overview, sqlx::Error> {
    let queues = queues::all(context).await?;
    let mut snapshot = snapshot(&context.pool).await?;
    let (workers, services) = read::processes(&mut snapshot).await?;
    let mut recordings = read::recordings(&mut snapshot).await?;
    let (undone, all) = read::undone(&mut snapshot).await?;
    let now = Utc::now();
    tell_when_done(&mut recordings, &workers, &undone, all, &queues, now);
    let mut waiting: BTreeMap<String, usize> = BTreeMap::new();
    for chunk in &undone {
        *waiting.entry(chunk.queue.clone()).or_default() += 1;
    }
    let mut overview = Overview {
        problems: Vec::new(),
        backlog: read::backlog(&mut snapshot).await?,
        throughput: read::throughput(&mut snapshot).await?,
        queues,
        workers,
        services,
        recordings,
        confidence: read::confidence(&mut snapshot).await?,
        failures: read::failures(&mut snapshot).await?,
        dead_letters: read::dead_letters(&mut snapshot).await?,
    };
    overview.problems = problems::find(&overview, &waiting, now);
    Ok(overview)
}

/// Fills in when the recordings will be done, and where that cannot be told, why. Where not `all` undone chunks are given, it cannot for a recording that
/// has others.
fn tell_when_done(
    recordings: &mut [InWork],
    workers: &[Worker],
    undone: &[Undone],
    all: bool,
    queues: &[Queue],
    now: DateTime<Utc>,
) {
    let is_paused = |name: &str| queues.iter().any(|queue| queue.paused && queue.name == name);
    let mut by_queue: BTreeMap<&str, Vec<&Undone>> = BTreeMap::new();
    for chunk in undone {
        by_queue.entry(&chunk.queue).or_default().push(chunk);
    }
    let mut done_at: BTreeMap<Uuid, f64> = BTreeMap::new();
    for (queue, chunks) in by_queue {
        if !is_paused(queue) && !is_paused(MATCH) {
            let (hands, waiting) = hands(queue, workers, &chunks, now);
            done_at.extend(eta::estimate(&hands, &waiting));
        }
    }
    for recording in recordings {
        let of_it: Vec<&Undone> = undone.iter().filter(|chunk| chunk.recording == recording.id).collect();
        let queue = of_it.first().map(|chunk| chunk.queue.as_str());
        let alive = |queue: &str| workers.iter().any(|worker| worker.alive && worker.queue() == queue);
        let told = match (recording.chunks.total, queue, done_at.get(&recording.id)) {
            (None, ..) if is_paused(DECODE) => Err("decoding is paused".to_owned()),
            (None, ..) => Err("not decoded yet".to_owned()),
            (_, Some(queue), _) if is_paused(queue) => Err("the queue of its chunks is paused".to_owned()),
            _ if is_paused(MATCH) => Err("matching is paused".to_owned()),
            // Others of its chunks may wait behind those that are given.
            (Some(total), ..) if !all && !of_it.iter().any(|chunk| chunk.chunk == total - 1) => {
                Err(format!("more than {} chunks wait before it", read::MOST_CHUNKS))
            }
            // Only its matching is left.
            (_, None, _) => Ok(0.0),
            (.., Some(seconds)) => Ok(*seconds),
            (_, Some(queue), None) if !alive(queue) => Err("no worker is alive for it".to_owned()),
            _ => Err("no worker has finished a chunk yet".to_owned()),
        };
        (recording.eta_seconds, recording.eta_unknown) = match told {
            Ok(seconds) => (Some(seconds), None),
            Err(why) => (None, Some(why)),
        };
    }
}

/// The threads of all workers that are there for `queue`, and what waits for them.
fn hands(
    queue: &str,
    workers: &[Worker],
    chunks: &[&Undone],
    now: DateTime<Utc>,
) -> (Vec<Hand>, Vec<Waiting>) {
    let is_for = |worker: &&Worker| worker.alive && worker.queue() == queue;
    let there: Vec<&Worker> = workers.iter().filter(is_for).collect();
    let known: Vec<f64> = there.iter().filter_map(|worker| worker.speed).collect();
    // One that has done nothing yet is taken to be like the others.
    let usual = known.iter().sum::<f64>() / known.len().max(1) as f64;
    let (mut hands, mut in_hand) = (Vec::new(), Vec::new());
    for worker in there {
        let speed = worker.speed.unwrap_or(usual);
        let mut busy = worker.in_hand.iter().filter_map(|busy| {
            let chunk = chunks.iter().find(|c| c.recording == busy.recording && c.chunk == busy.chunk)?;
            in_hand.push((busy.recording, busy.chunk));
            let for_seconds = (now - busy.since).as_seconds_f64().max(0.0);
            Some(InHand { recording: busy.recording, audio_seconds: chunk.audio_seconds, for_seconds })
        });
        hands.extend((0..worker.threads).map(|_| Hand { speed, busy: busy.next() }));
    }
    let waits = chunks.iter().filter(|chunk| !in_hand.contains(&(chunk.recording, chunk.chunk)));
    let waiting = waits.map(|c| Waiting { recording: c.recording, audio_seconds: c.audio_seconds });
    (hands, waiting.collect())
}
