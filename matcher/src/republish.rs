//! Republish: lets jobs that are lost wait for their turn again; ingest then sends them anew.
//!
//! Republishing is harmless: whatever comes twice counts once. It is bounded so that a long backlog does not breed copies of
//! itself. What waits for its turn was never sent, and so cannot be lost. A job is taken for lost in three cases. The broker has
//! lost everything ([`crate::epoch`]): then all jobs of all recordings are sent again, once. Or nothing has happened to a recording for an interval, and in all that time every look at the
//! queues that it depends on has found them empty: then its job can neither be queued nor, since no attempt may take so
//! long, be in somebody's hands. Or, on a queue that is never empty, nothing has happened for an interval although a job that was
//! ordered after it has been done for as long: queues are served in order. What waits on a queue that an operator has paused
//! is not lost, and while the queue was paused was no time in which anything should have happened.

use crate::backlog::Backlog;
use crate::database::Database;
use crate::error::MatchError;
use service_kit::topology;
use sqlx::PgTransaction;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::time::{Duration, Instant};
use uuid::Uuid;

/// Recordings looked at in one pass at most.
const MOST_RECORDINGS: i64 = 1000;

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
    /// True where chunks of it were released that are not analysed; otherwise its decoding was ordered.
    chunks: bool,
    /// True where its workers have long done a job that was ordered after all of its own.
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
        let jobs = send_again(database, recording, None, true).await?;
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
            let jobs = send_again(database, recording.id, Some(after), !recording.chunks).await?;
            let overtaken = recording.overtaken;
            tracing::warn!(recording = %recording.id, jobs, overtaken, "nothing happened for long: jobs sent again");
            sent += jobs;
        }
    }
    Ok(sent)
}

/// The queues on which a recording's next step may wait: its job, or the analysis that came of it.
fn waits_on(recording: &Quiet) -> [String; 2] {
    if recording.chunks {
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
                   SELECT i.model_version, i.configuration, max(c.released_at) AS released_at
                   FROM inbox i JOIN chunks c ON c.recording_id = i.recording_id AND c.chunk = i.chunk
                   WHERE i.received_at < now() - make_interval(secs => $1)
                     AND i.received_at > now() - make_interval(secs => $1, hours => 1)
                   GROUP BY i.model_version, i.configuration
               )
               SELECT q.id AS "id!", q.model_version AS "model_version!", q.configuration AS "configuration!", q.chunks AS "chunks!",
                      q.chunks AND coalesce(q.released_at < (
                          SELECT a.released_at FROM reached a
                          WHERE a.model_version = q.model_version AND a.configuration = q.configuration), false) AS "overtaken!"
               FROM (
                   SELECT r.id, r.model_version, r.configuration, o.sent > 0 AS chunks,
                          greatest(r.updated_at, o.released_at) AS released_at,
                          extract(epoch FROM now() - greatest(
                              r.updated_at,
                              r.decode_ordered_at,
                              o.released_at,
                              (SELECT max(created_at) FROM chunks WHERE recording_id = r.id),
                              (SELECT max(i.received_at) FROM inbox i WHERE i.recording_id = r.id),
                              -- While it is paused, no time has passed at all.
                              (SELECT max(coalesce(p.resumed_at, now())) FROM paused_queues p
                               WHERE p.queue IN ($3, CASE WHEN o.sent = 0 THEN $4
                                                          ELSE format($5, r.model_version, r.configuration) END))
                          ))::double precision AS seconds
                   FROM recordings r
                   CROSS JOIN LATERAL (
                       SELECT count(*) FILTER (WHERE c.released_at IS NOT NULL) AS sent,
                              count(*) FILTER (WHERE c.released_at IS NULL) AS waiting, max(c.released_at) AS released_at
                       FROM chunks c
                       WHERE c.recording_id = r.id
                         AND NOT EXISTS (
                             SELECT 1 FROM inbox i WHERE i.recording_id = r.id AND i.chunk = c.chunk
                                AND i.model_version = r.model_version AND i.configuration = r.configuration)
                         AND NOT EXISTS (
                             SELECT 1 FROM gaps g WHERE g.recording_id = r.id AND g.chunk = c.chunk AND NOT g.awaited)) o
                   WHERE (r.state IN ('queued', 'processing') OR r.id IN (SELECT recording_id FROM gaps WHERE awaited))
                     AND r.updated_at < now() - make_interval(secs => $1)
                     AND NOT EXISTS (SELECT 1 FROM outbox b WHERE b.recording_id = r.id)
                     -- Decoding waits while chunks do.
                     AND (o.sent > 0 OR o.waiting = 0 AND r.chunk_count IS NULL AND r.decode_ordered_at IS NOT NULL)
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

/// Lets the jobs of a recording that were sent and are not done wait for their turn again, if it is marked for that or was not touched for
/// `after`; returns how many. Its decoding among them only where that is meant too (`decoding`). Leaves it unmarked and touched, so that neither this nor another matcher does it again.
async fn send_again(
    database: &Database,
    recording: Uuid,
    after: Option<Duration>,
    decoding: bool,
) -> Result<usize, sqlx::Error> {
    let work = async |transaction: &mut PgTransaction<'static>| {
        let touched = sqlx::query!(
            r#"UPDATE recordings r SET updated_at = now(), resend = false,
                      decode_ordered_at = CASE WHEN r.chunk_count IS NOT NULL OR NOT $3 THEN r.decode_ordered_at END
               FROM recordings before
               WHERE r.id = $1 AND before.id = r.id
                 AND (r.state IN ('queued', 'processing') OR r.id IN (SELECT recording_id FROM gaps WHERE awaited))
                 AND (r.resend OR r.updated_at < now() - make_interval(secs => $2))
               RETURNING r.model_version, r.configuration,
                         $3 AND r.chunk_count IS NULL AND before.decode_ordered_at IS NOT NULL AS "decode!""#,
            recording,
            // A mark that another matcher was faster with is gone, and then nothing is to be done.
            after.map_or(f64::from(i32::MAX), |after| after.as_secs_f64()),
            decoding
        )
        .fetch_optional(&mut **transaction)
        .await?;
        let Some(row) = touched else { return Ok(0) };
        let waiting = sqlx::query!(
            "UPDATE chunks c SET released_at = NULL
             WHERE c.recording_id = $1 AND c.released_at IS NOT NULL AND NOT EXISTS (
                     SELECT 1 FROM inbox i
                     WHERE i.recording_id = c.recording_id AND i.chunk = c.chunk
                       AND i.model_version = $2 AND i.configuration = $3)
               AND NOT EXISTS (SELECT 1 FROM gaps g WHERE g.recording_id = c.recording_id AND g.chunk = c.chunk AND NOT g.awaited)",
            recording,
            row.model_version,
            row.configuration
        )
        .execute(&mut **transaction)
        .await?;
        Ok(usize::from(row.decode) + waiting.rows_affected() as usize)
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
            chunks: false,
            overtaken: false,
        };
        assert_eq!(waits_on(&recording), ["throughline.decode", "throughline.match"]);
        recording.chunks = true;
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
