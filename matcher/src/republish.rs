//! Republish: sends jobs again that are lost, through the outbox.
//!
//! Republishing is harmless: whatever comes twice counts once. It is bounded so that a long backlog does not breed copies of
//! itself. A job is taken for lost in three cases. The broker has lost everything ([`crate::epoch`]): then all jobs of all
//! recordings are sent again, once. Or nothing has happened to a recording for an interval, and in all that time every look at the
//! queues that it depends on has found them empty: then its job can neither be queued nor, since no attempt may take so
//! long, be in somebody's hands. Or, on a queue that is never empty, nothing has happened for an interval although a job that was
//! ordered after it has been done for as long: queues are served in order. What waits on a queue that an operator has paused
//! is not lost, and while the queue was paused was no time in which anything should have happened.

use crate::backlog::Backlog;
use crate::database::Database;
use crate::error::MatchError;
use crate::outbox;
use service_kit::messages::{ChunkJob, DecodeJob};
use service_kit::topology;
use sqlx::PgTransaction;
use sqlx::types::Json;
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};
use uuid::Uuid;

/// Recordings looked at in one pass at most.
const MOST_RECORDINGS: i64 = 1000;
/// Chunk jobs put into the outbox by one statement.
const PAGE: i64 = 500;

/// Since when each queue was found empty at every look.
#[derive(Debug, Default)]
pub struct Watch(HashMap<String, Instant>);

impl Watch {
    /// Notes a look at `queue` at `now`, and returns for how long all looks have found it empty.
    fn note(&mut self, queue: &str, empty: bool, now: Instant) -> Option<Duration> {
        if !empty {
            self.0.remove(queue);
            return None;
        }
        let since = *self.0.entry(queue.to_owned()).or_insert(now);
        Some(now.saturating_duration_since(since))
    }
}

/// A recording in which nothing has happened for an interval.
#[derive(Clone, Debug)]
struct Quiet {
    id: Uuid,
    model_version: String,
    configuration: String,
    decoded: bool,
    /// Whether its workers have long done a job that was ordered after all of its own.
    overtaken: bool,
}

/// Sends lost jobs again; returns how many. `now` is the time of this look, on the clock that `watch` knows.
pub async fn pass(
    database: &Database,
    backlog: &impl Backlog,
    watch: &mut Watch,
    after: Duration,
    now: Instant,
) -> Result<usize, MatchError> {
    let mut sent = 0;
    for recording in to_resend(database).await? {
        let jobs = send_again(database, recording, None).await?;
        tracing::warn!(%recording, jobs, "the broker has lost its jobs: sent again");
        sent += jobs;
    }
    let quiet = quiet(database, after).await?;
    let mut empty_for: HashMap<String, Option<Duration>> = HashMap::new();
    for queue in quiet.iter().flat_map(waits_on) {
        if let Entry::Vacant(entry) = empty_for.entry(queue) {
            // A broker that is away loses nothing by waiting: the outbox could not be emptied either.
            let empty = backlog.is_drained(entry.key()).await.unwrap_or(false);
            let since = watch.note(entry.key(), empty, now);
            entry.insert(since);
        }
    }
    for recording in quiet {
        let drained =
            |queue: &String| empty_for.get(queue).copied().flatten().is_some_and(|time| time >= after);
        if recording.overtaken || waits_on(&recording).iter().all(drained) {
            let jobs = send_again(database, recording.id, Some(after)).await?;
            let overtaken = recording.overtaken;
            tracing::warn!(recording = %recording.id, jobs, overtaken, "nothing happened for long: jobs sent again");
            sent += jobs;
        }
    }
    Ok(sent)
}

/// The queues on which a recording's next step may wait: its job, or the analysis that came of it.
fn waits_on(recording: &Quiet) -> [String; 2] {
    if recording.decoded {
        [
            topology::chunk_queue(&recording.model_version, &recording.configuration),
            topology::MATCH.to_owned(),
        ]
    } else {
        [topology::DECODE.to_owned(), topology::MATCH.to_owned()]
    }
}

async fn to_resend(database: &Database) -> Result<Vec<Uuid>, sqlx::Error> {
    let work = async |transaction: &mut PgTransaction<'static>| {
        sqlx::query_scalar!(
            "SELECT id FROM recordings WHERE resend AND (state IN ('queued', 'processing') OR id IN (SELECT recording_id FROM gaps WHERE awaited))
             ORDER BY id LIMIT $1",
            MOST_RECORDINGS
        )
        .fetch_all(&mut **transaction)
        .await
    };
    database.run("find lost", work).await
}

async fn quiet(database: &Database, after: Duration) -> Result<Vec<Quiet>, sqlx::Error> {
    let work = async |transaction: &mut PgTransaction<'static>| {
        sqlx::query_as!(
            Quiet,
            r#"WITH reached AS (
                   SELECT i.model_version, i.configuration, max(c.created_at) AS ordered_at
                   FROM inbox i JOIN chunks c ON c.recording_id = i.recording_id AND c.chunk = i.chunk
                   WHERE i.received_at < now() - make_interval(secs => $1)
                     AND i.received_at > now() - make_interval(secs => $1, hours => 1)
                   GROUP BY i.model_version, i.configuration
               )
               SELECT q.id AS "id!", q.model_version AS "model_version!", q.configuration AS "configuration!", q.decoded AS "decoded!",
                      q.decoded AND coalesce(q.ordered_at < (
                          SELECT a.ordered_at FROM reached a
                          WHERE a.model_version = q.model_version AND a.configuration = q.configuration), false) AS "overtaken!"
               FROM (
                   SELECT r.id, r.model_version, r.configuration, r.chunk_count IS NOT NULL AS decoded,
                          greatest(r.updated_at, c.ordered_at) AS ordered_at,
                          extract(epoch FROM now() - greatest(
                              r.updated_at,
                              c.ordered_at,
                              (SELECT max(i.received_at) FROM inbox i WHERE i.recording_id = r.id),
                              -- While it is paused, no time has passed at all.
                              (SELECT max(coalesce(p.resumed_at, now())) FROM paused_queues p
                               WHERE p.queue IN ($3, CASE WHEN r.chunk_count IS NULL THEN $4
                                                          ELSE format($5, r.model_version, r.configuration) END))
                          ))::double precision AS seconds
                   FROM recordings r
                   CROSS JOIN LATERAL (SELECT max(created_at) AS ordered_at FROM chunks WHERE recording_id = r.id) c
                   WHERE (r.state IN ('queued', 'processing') OR r.id IN (SELECT recording_id FROM gaps WHERE awaited))
                     AND r.updated_at < now() - make_interval(secs => $1)
                     AND NOT EXISTS (SELECT 1 FROM outbox o WHERE o.recording_id = r.id)
               ) q
               WHERE q.seconds >= $1
               ORDER BY q.seconds DESC LIMIT $2"#,
            after.as_secs_f64(),
            MOST_RECORDINGS,
            topology::MATCH,
            topology::DECODE,
            topology::chunk_queue("%s", "%s")
        )
        .fetch_all(&mut **transaction)
        .await
    };
    database.run("find_quiet", work).await
}

/// Puts the jobs of a recording that are not done into the outbox, if it is marked for that or was not touched for `after`. Leaves it
/// unmarked and touched, so that neither this nor another matcher does it again.
async fn send_again(
    database: &Database,
    recording: Uuid,
    after: Option<Duration>,
) -> Result<usize, sqlx::Error> {
    let work = async |transaction: &mut PgTransaction<'static>| {
        let touched = sqlx::query!(
            r#"UPDATE recordings SET updated_at = now(), resend = false
               WHERE id = $1 AND (state IN ('queued', 'processing') OR id IN (SELECT recording_id FROM gaps WHERE awaited))
                 AND (resend OR updated_at < now() - make_interval(secs => $2))
               RETURNING run, model_version, configuration, chunk_blocks, chunk_count,
                         trace AS "trace: Json<BTreeMap<String, String>>""#,
            recording,
            // A mark that another matcher was faster with is gone, and then nothing is to be done.
            after.map_or(f64::from(i32::MAX), |after| after.as_secs_f64())
        )
        .fetch_optional(&mut **transaction)
        .await?;
        let Some(row) = touched else { return Ok(0) };
        let decode = row.chunk_count.is_none().then_some(DecodeJob { recording, run: row.run });
        let decode: Vec<DecodeJob> = decode.into_iter().collect();
        outbox::add(transaction, recording, topology::DECODE, &decode, &row.trace).await?;
        let queue = topology::chunk_queue(&row.model_version, &row.configuration);
        let blocks = row.chunk_blocks as u32;
        let (mut sent, mut next) = (decode.len(), 0);
        loop {
            let missing = sqlx::query!(
                "SELECT c.chunk, c.object, c.samples, c.channels FROM chunks c
                 WHERE c.recording_id = $1 AND c.chunk >= $4 AND NOT EXISTS (
                     SELECT 1 FROM inbox i
                     WHERE i.recording_id = c.recording_id AND i.chunk = c.chunk
                       AND i.model_version = $2 AND i.configuration = $3)
                   AND NOT EXISTS (SELECT 1 FROM gaps g WHERE g.recording_id = c.recording_id AND g.chunk = c.chunk AND NOT g.awaited)
                 ORDER BY c.chunk LIMIT $5",
                recording,
                row.model_version,
                row.configuration,
                next,
                PAGE
            )
            .fetch_all(&mut **transaction)
            .await?;
            let Some(last) = missing.last().map(|chunk| chunk.chunk) else { return Ok(sent) };
            let jobs = missing.into_iter().map(|chunk| ChunkJob {
                recording,
                run: row.run,
                chunk: chunk.chunk as u32,
                first_block: chunk.chunk as u32 * blocks,
                blocks,
                object: chunk.object,
                samples: chunk.samples as u64,
                channels: chunk.channels as u32,
                model_version: row.model_version.clone(),
                configuration: row.configuration.clone(),
            });
            let jobs: Vec<ChunkJob> = jobs.collect();
            outbox::add(transaction, recording, &queue, &jobs, &row.trace).await?;
            sent += jobs.len();
            next = last + 1;
        }
    };
    database.run("republish", work).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recording_waits_for_its_decoder_first_and_then_for_the_workers_of_its_model() {
        let mut recording = Quiet {
            id: Uuid::nil(),
            model_version: "m1".into(),
            configuration: "c1".into(),
            decoded: false,
            overtaken: false,
        };
        assert_eq!(waits_on(&recording), ["throughline.decode", "throughline.match"]);
        recording.decoded = true;
        assert_eq!(waits_on(&recording), ["throughline.chunks.m1.c1", "throughline.match"]);
    }

    #[test]
    fn a_queue_counts_as_empty_from_the_first_of_the_looks_that_found_it_so() {
        let (mut watch, start) = (Watch::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(watch.note("q", true, at(0)), Some(Duration::ZERO));
        assert_eq!(watch.note("q", true, at(9)), Some(Duration::from_secs(9)));
        assert_eq!(watch.note("q", false, at(10)), None);
        assert_eq!(watch.note("q", true, at(19)), Some(Duration::ZERO));
    }
}
