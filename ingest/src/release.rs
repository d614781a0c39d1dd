//! Release: gives what waits its turn, a few chunks of each recording at a time, to the outbox.
//!
//! Chunks that are cut wait in `chunks` until they are released. Recordings that are uploaded wait in `recordings` until their decoding is
//! ordered. The broker holds few more jobs than there are workers to do them. So whoever comes later need not wait for all that came
//! before. Any ingest process gives turns, one at a time: it holds the clock meanwhile. A job that is lost is made to wait for its turn
//! again (the matcher's republishing). A job that was never released cannot be lost.

mod turns;

use crate::context::Context;
use crate::outbox;
use crate::recordings::priority::Priority;
use diarization::blocks::BLOCK_SAMPLES;
use service_kit::messages::{ChunkJob, DecodeJob};
use service_kit::{topology, transaction};
use sqlx::types::Json;
use sqlx::{PgExecutor, PgPool, PgTransaction};
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;
use turns::{CallerTurn, Clocks, Flow};
use uuid::Uuid;

/// Silence after which a process is not counted any more.
const ALIVE_WITHIN: Duration = Duration::from_secs(15);
/// Chunk jobs on a queue of which no worker is known.
const QUEUED_WITHOUT_WORKERS: i64 = 4;

/// Counts of the jobs that were released.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Released {
    /// Chunk jobs.
    pub chunks: usize,
    /// Decode jobs.
    pub decodings: usize,
    /// True where something else waits.
    pub waiting: bool,
}

/// A recording in work.
struct InWork {
    id: Uuid,
    caller: String,
    priority: String,
    turn: Option<f64>,
    model_version: String,
    configuration: String,
    undecoded: bool,
    ordered: bool,
    fresh: bool,
    /// Chunks released and not analysed.
    out: i64,
    /// Chunks not released.
    untouched: bool,
    waiting: i64,
    /// Samples of the next of these.
    next_samples: i64,
    /// Samples of all of these.
    waiting_samples: i64,
    /// Time at which the recording came, put off by a second for each megabyte.
    decode_rank: f64,
}

impl InWork {
    fn queue(&self) -> String {
        topology::chunk_queue(&self.model_version, &self.configuration)
    }
}

/// Processes that are there.
#[derive(Default)]
struct There {
    /// Ingest processes, this one at least.
    ingests: i64,
    /// Threads of workers, by queue.
    threads: HashMap<String, i64>,
}

impl There {
    /// Chunk jobs that may be on `queue` or in hand.
    fn slots(&self, queue: &str, queued: Option<u32>) -> i64 {
        let threads = self.threads.get(queue).copied().unwrap_or_default();
        let usual = if threads == 0 { QUEUED_WITHOUT_WORKERS } else { threads / 4 };
        (threads + queued.map_or(usual, i64::from)).max(1)
    }
}

/// Gives turns to all that waits, as far as there is room; nothing where another process is at it.
pub async fn pass(context: &Context) -> Result<Released, sqlx::Error> {
    if !anything_waits(&context.pool).await? {
        return Ok(Released::default());
    }
    transaction::run(&context.pool, "release", &context.shutdown, async |transaction| {
        let clock = sqlx::query_scalar!("SELECT clock FROM release_clock FOR UPDATE SKIP LOCKED")
            .fetch_optional(&mut **transaction)
            .await?;
        let waiting = Released { waiting: true, ..Released::default() };
        let Some(clock) = clock else { return Ok(waiting) };
        let there = there(&mut **transaction).await?;
        let in_work = in_work(transaction).await?;
        let decodings = order_decodings(context, transaction, &there, &in_work).await?;
        let chunks = release_chunks(context, transaction, &there, &in_work, clock).await?;
        Ok(Released { chunks, decodings, ..waiting })
    })
    .await
}

async fn anything_waits(pool: &PgPool) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(
        r#"SELECT EXISTS (
               SELECT 1 FROM recordings r
               WHERE (r.state IN ('queued', 'processing') OR r.id IN (SELECT recording_id FROM gaps WHERE awaited))
                 AND (r.chunk_count IS NULL AND r.decode_ordered_at IS NULL
                      OR EXISTS (SELECT 1 FROM chunks c WHERE c.recording_id = r.id AND c.released_at IS NULL))
           ) AS "waits!""#
    )
    .fetch_one(pool)
    .await
}

async fn there(executor: impl PgExecutor<'_>) -> Result<There, sqlx::Error> {
    let rows = sqlx::query!(
        r#"SELECT service, model_version, configuration, count(*) AS "processes!", coalesce(sum(threads), 0) AS "threads!"
           FROM workers WHERE last_seen > now() - make_interval(secs => $1)
           GROUP BY service, model_version, configuration"#,
        ALIVE_WITHIN.as_secs_f64()
    )
    .fetch_all(executor)
    .await?;
    let mut there = There { ingests: 1, ..There::default() };
    for row in rows {
        match (row.model_version, row.configuration) {
            (Some(model), Some(configuration)) => {
                there.threads.insert(topology::chunk_queue(&model, &configuration), row.threads);
            }
            _ if row.service == "ingest" => there.ingests = row.processes.max(1),
            _ => {}
        }
    }
    Ok(there)
}

/// The recordings in work, in the order in which they came. What is before the cursor is analysed.
async fn in_work(transaction: &mut PgTransaction<'static>) -> Result<Vec<InWork>, sqlx::Error> {
    sqlx::query_as!(
        InWork,
        r#"SELECT r.id, r.caller AS "caller!", r.priority, r.turn, r.model_version, r.configuration,
                  r.chunk_count IS NULL AND r.state <> 'completed_with_gaps' AS "undecoded!", r.decode_ordered_at IS NOT NULL AS "ordered!",
                  NOT EXISTS (SELECT 1 FROM chunks c WHERE c.recording_id = r.id) AS "fresh!",
                  (SELECT count(*) FROM chunks c
                   WHERE c.recording_id = r.id AND c.chunk >= r.next_chunk AND c.released_at IS NOT NULL
                     AND NOT EXISTS (
                         SELECT 1 FROM inbox i WHERE i.recording_id = r.id AND i.chunk = c.chunk
                            AND i.model_version = r.model_version AND i.configuration = r.configuration)
                     AND NOT EXISTS (
                         SELECT 1 FROM gaps g WHERE g.recording_id = r.id AND g.chunk = c.chunk AND NOT g.awaited)) AS "out!",
                  (SELECT count(*) FROM chunks c
                   WHERE c.recording_id = r.id AND c.released_at IS NULL
                     AND NOT EXISTS (
                         SELECT 1 FROM inbox i WHERE i.recording_id = r.id AND i.chunk = c.chunk
                            AND i.model_version = r.model_version AND i.configuration = r.configuration)) AS "waiting!",
                  coalesce((SELECT c.samples FROM chunks c WHERE c.recording_id = r.id AND c.released_at IS NULL
                            ORDER BY c.chunk LIMIT 1), 0) AS "next_samples!",
                  (SELECT coalesce(sum(c.samples), 0)::bigint FROM chunks c
                   WHERE c.recording_id = r.id AND c.released_at IS NULL) AS "waiting_samples!",
                  NOT EXISTS (SELECT 1 FROM chunks c WHERE c.recording_id = r.id AND c.released_at IS NOT NULL) AS "untouched!",
                  extract(epoch FROM r.created_at)::double precision + r.upload_bytes / 1e6 AS "decode_rank!"
           FROM recordings r
           WHERE r.state IN ('queued', 'processing') OR r.id IN (SELECT recording_id FROM gaps WHERE awaited)
           ORDER BY r.created_at, r.id"#
    )
    .fetch_all(&mut **transaction)
    .await
}

/// Orders the decoding of recordings that were never begun, callers taking turns, and of those whose chunks are nearly used up.
async fn order_decodings(
    context: &Context,
    transaction: &mut PgTransaction<'static>,
    there: &There,
    in_work: &[InWork],
) -> Result<usize, sqlx::Error> {
    let work = &context.work;
    let (decoders, held) =
        (i64::from(work.decoders) * there.ingests, i64::from(work.held_decodings) * there.ingests);
    let ordered =
        |fresh: bool| in_work.iter().filter(|r| r.undecoded && r.ordered && r.fresh == fresh).count() as i64;
    let (begun, all) = (ordered(false), ordered(false) + ordered(true));
    let room = (decoders + held - all).max(0) as usize;
    let mut fresh: Vec<&InWork> = in_work.iter().filter(|r| r.undecoded && !r.ordered && r.fresh).collect();
    take_turns(&mut fresh, in_work);
    // Each is decoded anew from its beginning, so none is begun that could not be kept.
    let mut resumed: Vec<&InWork> = in_work
        .iter()
        .filter(|r| r.undecoded && !r.ordered && !r.fresh)
        .filter(|r| r.out + r.waiting <= ahead(context, there, &r.queue()) / 2)
        .collect();
    resumed.sort_by_key(|r| r.out + r.waiting);
    resumed.truncate((held.max(decoders) - begun).max(0) as usize);
    // However many are new, those whose workers run dry go on: half of the room is theirs.
    fresh.truncate(room - resumed.len().min(room.div_ceil(2)));
    resumed.truncate(room - fresh.len());
    let chosen: Vec<Uuid> = fresh.iter().chain(&resumed).map(|recording| recording.id).collect();
    if chosen.is_empty() {
        return Ok(0);
    }
    let rows = sqlx::query!(
        r#"WITH free AS (
               SELECT id FROM recordings
               WHERE id = ANY($1) AND state IN ('queued', 'processing') AND chunk_count IS NULL AND decode_ordered_at IS NULL
               FOR NO KEY UPDATE SKIP LOCKED)
           UPDATE recordings r SET decode_ordered_at = now() FROM free WHERE r.id = free.id
           RETURNING r.id, r.run, r.trace AS "trace: Json<BTreeMap<String, String>>""#,
        &chosen
    )
    .fetch_all(&mut **transaction)
    .await?;
    let mut by_id: HashMap<Uuid, _> = rows.into_iter().map(|row| (row.id, row)).collect();
    let mut sent = 0;
    for row in chosen.iter().filter_map(|id| by_id.remove(id)) {
        let job = DecodeJob { recording: row.id, run: row.run };
        outbox::add_with(transaction, row.id, topology::DECODE, &job, &row.trace).await?;
        sent += 1;
    }
    Ok(sent)
}

/// Sorts `fresh` so that callers take turns, of each the interactive recordings first, and small files before large ones that came a little
/// earlier; a caller's decodings under way count as turns.
fn take_turns(fresh: &mut Vec<&InWork>, in_work: &[InWork]) {
    let mut turns: HashMap<&str, usize> = HashMap::new();
    for recording in in_work.iter().filter(|r| r.undecoded && r.ordered) {
        *turns.entry(&recording.caller).or_default() += 1;
    }
    fresh.sort_by(|a, b| {
        let bulk = |recording: &InWork| recording.priority == Priority::BULK;
        bulk(a).cmp(&bulk(b)).then(a.decode_rank.total_cmp(&b.decode_rank))
    });
    let mut placed: Vec<(usize, &InWork)> = Vec::with_capacity(fresh.len());
    for recording in fresh.drain(..) {
        let turn = turns.entry(&recording.caller).or_default();
        placed.push((*turn, recording));
        *turn += 1;
    }
    placed.sort_by_key(|(turn, _)| *turn);
    fresh.extend(placed.into_iter().map(|(_, recording)| recording));
}

/// Chunks of a recording for `queue` that may be cut and not yet analysed: enough for all workers, were it the only one.
fn ahead(context: &Context, there: &There, queue: &str) -> i64 {
    i64::from(context.work.chunks_ahead).max(2 * there.slots(queue, context.work.chunks_queued))
}

/// Number of chunks of `recording` that may be cut and not yet analysed, and number of those that are; `None` where there is no such
/// recording.
pub(crate) async fn room(context: &Context, recording: Uuid) -> Result<Option<(i64, i64)>, sqlx::Error> {
    let there = there(&context.pool).await?;
    let row = sqlx::query!(
            r#"SELECT r.model_version, r.configuration,
                      (SELECT count(*) FROM chunks c
                       WHERE c.recording_id = r.id AND c.chunk >= r.next_chunk
                         AND NOT EXISTS (
                             SELECT 1 FROM inbox i WHERE i.recording_id = r.id AND i.chunk = c.chunk
                                AND i.model_version = r.model_version AND i.configuration = r.configuration)
                         AND NOT EXISTS (
                             SELECT 1 FROM gaps g WHERE g.recording_id = r.id AND g.chunk = c.chunk)) AS "undone!"
               FROM recordings r WHERE r.id = $1"#,
            recording
        )
        .fetch_optional(&context.pool)
        .await?;
    Ok(row.map(|row| {
        let queue = topology::chunk_queue(&row.model_version, &row.configuration);
        (ahead(context, &there, &queue), row.undone)
    }))
}

/// Releases chunks as far as each queue has room.
async fn release_chunks(
    context: &Context,
    transaction: &mut PgTransaction<'static>,
    there: &There,
    in_work: &[InWork],
    clock: f64,
) -> Result<usize, sqlx::Error> {
    let mut by_queue: BTreeMap<String, Vec<&InWork>> = BTreeMap::new();
    for recording in in_work.iter().filter(|r| r.out + r.waiting > 0) {
        by_queue.entry(recording.queue()).or_default().push(recording);
    }
    let mut sent = 0;
    let mut clocks = Clocks { clock, ..Clocks::default() };
    for (queue, recordings) in by_queue {
        let out: i64 = recordings.iter().map(|r| r.out).sum();
        let free = there.slots(&queue, context.work.chunks_queued) - out;
        let waiting: Vec<&InWork> = recordings.into_iter().filter(|r| r.waiting > 0).collect();
        // Whoever is new is noted at once: its time counts from then on.
        if waiting.is_empty() || free <= 0 && waiting.iter().all(|recording| recording.turn.is_some()) {
            continue;
        }
        let waiting = lock(transaction, waiting).await?;
        if clocks.callers.is_empty() {
            clocks.callers = callers(transaction).await?;
        }
        let mut flows: Vec<Flow> = waiting.iter().map(|recording| flow(recording)).collect();
        let given = turns::give(&mut flows, &mut clocks, free.max(0) as usize);
        for ((recording, flow), chunks) in waiting.iter().zip(&flows).zip(given) {
            if chunks > 0 {
                sent += send(transaction, recording, flow.turn, chunks as i64).await?;
            } else if recording.turn.is_none() {
                sqlx::query!("UPDATE recordings SET turn = $2 WHERE id = $1", recording.id, flow.turn)
                    .execute(&mut **transaction)
                    .await?;
            }
        }
    }
    if sent > 0 {
        keep_clocks(transaction, &clocks).await?;
        metrics::counter!("throughline_chunks_released_total").increment(sent as u64);
    }
    Ok(sent)
}

fn flow(recording: &InWork) -> Flow {
    let blocks = |samples: i64| samples as f64 / BLOCK_SAMPLES as f64;
    // How much is left of what is not cut to its end nobody knows yet; and one of bulk has time.
    let counts = !recording.undecoded && recording.priority != Priority::BULK;
    Flow {
        caller: recording.caller.clone(),
        waiting: recording.waiting as usize,
        cost: blocks(recording.next_samples),
        left: if counts { blocks(recording.waiting_samples) } else { f64::INFINITY },
        weight: Priority::weight(&recording.priority),
        turn: recording.turn,
        untouched: recording.untouched,
    }
}

/// Those of `recordings` that nobody else has locked: whoever is at one now may cancel it, or begin a new run. The others have their turn
/// at the next pass.
async fn lock<'a>(
    transaction: &mut PgTransaction<'static>,
    recordings: Vec<&'a InWork>,
) -> Result<Vec<&'a InWork>, sqlx::Error> {
    let ids: Vec<Uuid> = recordings.iter().map(|recording| recording.id).collect();
    let free = sqlx::query_scalar!(
        "SELECT id FROM recordings
         WHERE id = ANY($1) AND (state IN ('queued', 'processing') OR id IN (SELECT recording_id FROM gaps WHERE awaited))
         FOR NO KEY UPDATE SKIP LOCKED",
        &ids
    )
    .fetch_all(&mut **transaction)
    .await?;
    Ok(recordings.into_iter().filter(|recording| free.contains(&recording.id)).collect())
}

async fn callers(
    transaction: &mut PgTransaction<'static>,
) -> Result<BTreeMap<String, CallerTurn>, sqlx::Error> {
    let rows = sqlx::query!("SELECT caller, turn, clock, ahead FROM release_callers")
        .fetch_all(&mut **transaction)
        .await?;
    let turn = |turn, clock, ahead| CallerTurn { turn, clock, ahead };
    Ok(rows.into_iter().map(|row| (row.caller, turn(row.turn, row.clock, row.ahead))).collect())
}

async fn keep_clocks(transaction: &mut PgTransaction<'static>, clocks: &Clocks) -> Result<(), sqlx::Error> {
    sqlx::query!("UPDATE release_clock SET clock = $1", clocks.clock).execute(&mut **transaction).await?;
    let (names, times): (Vec<String>, Vec<&CallerTurn>) =
        clocks.callers.iter().map(|(name, times)| (name.clone(), times)).unzip();
    let turns: Vec<f64> = times.iter().map(|times| times.turn).collect();
    let own: Vec<f64> = times.iter().map(|times| times.clock).collect();
    let ahead: Vec<f64> = times.iter().map(|times| times.ahead).collect();
    sqlx::query!(
        "INSERT INTO release_callers (caller, turn, clock, ahead)
         SELECT * FROM UNNEST($1::text[], $2::float8[], $3::float8[], $4::float8[])
         ON CONFLICT (caller) DO UPDATE SET turn = excluded.turn, clock = excluded.clock, ahead = excluded.ahead",
        &names,
        &turns,
        &own,
        &ahead
    )
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

/// Puts the jobs of the next `most` chunks of `recording` into the outbox, and its next turn down.
async fn send(
    transaction: &mut PgTransaction<'static>,
    recording: &InWork,
    turn: Option<f64>,
    most: i64,
) -> Result<usize, sqlx::Error> {
    let of = sqlx::query!(
        r#"UPDATE recordings SET turn = $2 WHERE id = $1
           RETURNING run, chunk_blocks, model_version, configuration, trace AS "trace: Json<BTreeMap<String, String>>""#,
        recording.id,
        turn
    )
    .fetch_one(&mut **transaction)
    .await?;
    let mut chunks = sqlx::query!(
        "UPDATE chunks SET released_at = now()
         WHERE recording_id = $1 AND chunk IN (
             SELECT c.chunk FROM chunks c
             WHERE c.recording_id = $1 AND c.released_at IS NULL
               AND NOT EXISTS (
                   SELECT 1 FROM inbox i WHERE i.recording_id = $1 AND i.chunk = c.chunk
                      AND i.model_version = $3 AND i.configuration = $4)
             ORDER BY c.chunk LIMIT $2)
         RETURNING chunk, object, samples, channels",
        recording.id,
        most,
        of.model_version,
        of.configuration
    )
    .fetch_all(&mut **transaction)
    .await?;
    chunks.sort_by_key(|chunk| chunk.chunk);
    let (queue, blocks) =
        (topology::chunk_queue(&of.model_version, &of.configuration), of.chunk_blocks as u32);
    let sent = chunks.len();
    for chunk in chunks {
        let job = ChunkJob {
            recording: recording.id,
            run: of.run,
            chunk: chunk.chunk as u32,
            first_block: chunk.chunk as u32 * blocks,
            blocks,
            object: chunk.object,
            samples: chunk.samples as u64,
            channels: chunk.channels as u32,
            model_version: of.model_version.clone(),
            configuration: of.configuration.clone(),
        };
        outbox::add_with(transaction, recording.id, &queue, &job, &of.trace).await?;
    }
    Ok(sent)
}
