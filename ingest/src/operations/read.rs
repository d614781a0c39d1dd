//! Read: what the database knows for the overview, each by an index and with a bound.

use super::overview::{Backlog, Busy, Chunks, Failure, InWork, Process, Step, Throughput, Worker};
use chrono::{DateTime, Utc};
use diarization::blocks::SAMPLE_RATE;
use service_kit::topology;
use sqlx::PgTransaction;
use sqlx::types::Json;
use std::collections::BTreeMap;
use std::time::Duration;
use uuid::Uuid;

/// Recordings in work that are shown.
const MOST_RECORDINGS: i64 = 100;
/// Chunks by which it is worked out when recordings are done; beyond them it is not told.
pub(super) const MOST_CHUNKS: i64 = 5000;
/// Time over which throughput is told.
const LATELY: Duration = Duration::from_secs(120);
/// Silence after which a process counts as gone: two heartbeats that did not come.
pub(crate) const ALIVE_WITHIN: Duration = Duration::from_secs(15);
/// Recordings, and matches of each, by which confidence is told.
const RECENT_RECORDINGS: i64 = 20;
const MOST_MATCHES: i64 = 1000;
/// Steps of confidence.
const STEPS: i32 = 10;
const MOST_FAILURES: i64 = 20;
/// Recordings by which the length of one that is not decoded yet is guessed.
const DECODED_LATELY: i64 = 50;

fn seconds(samples: f64) -> f64 {
    samples / f64::from(SAMPLE_RATE)
}

/// A chunk that is ordered and not analysed.
pub(super) struct Undone {
    pub recording: Uuid,
    pub chunk: i32,
    pub audio_seconds: f64,
    pub queue: String,
}

/// Workers, and the processes that are none.
pub(crate) async fn processes(
    snapshot: &mut PgTransaction<'static>,
) -> Result<(Vec<Worker>, Vec<Process>), sqlx::Error> {
    let rows = sqlx::query!(
        r#"SELECT w.id, w.service, w.host, w.process, w.version, w.started_at, w.last_seen, w.model_version, w.configuration, w.device, w.threads,
                  w.audio_seconds, w.audio_seconds_per_second, w.speed, w.stages AS "stages: Json<BTreeMap<String, f64>>",
                  w.last_seen > now() - make_interval(secs => $1) AS "alive!",
                  (SELECT coalesce(jsonb_agg(jsonb_build_object('recording', c.recording_id, 'chunk', c.chunk, 'since', c.since)
                                             ORDER BY c.since), '[]')
                   FROM worker_chunks c WHERE c.worker_id = w.id) AS "in_hand!: Json<Vec<Busy>>"
           FROM workers w ORDER BY w.service, w.host, w.started_at"#,
        ALIVE_WITHIN.as_secs_f64()
    )
    .fetch_all(&mut **snapshot)
    .await?;
    let (mut workers, mut others) = (Vec::new(), Vec::new());
    for row in rows {
        let (id, service, host, process, version) = (row.id, row.service, row.host, row.process, row.version);
        let (started_at, last_seen, alive) = (row.started_at, row.last_seen, row.alive);
        match (row.model_version, row.configuration) {
            (Some(model_version), Some(configuration)) => workers.push(Worker {
                id,
                host,
                process,
                model_version,
                configuration,
                device: row.device.unwrap_or_default(),
                threads: row.threads.unwrap_or(1),
                version,
                started_at,
                last_seen,
                alive,
                busy: row.in_hand.first().cloned(),
                audio_seconds: row.audio_seconds,
                audio_seconds_per_second: row.audio_seconds_per_second,
                stages: row.stages.0,
                in_hand: row.in_hand.0,
                speed: row.speed,
            }),
            _ => others.push(Process { id, service, host, process, version, started_at, last_seen, alive }),
        }
    }
    Ok((workers, others))
}

/// The oldest recordings in work.
pub(super) async fn recordings(snapshot: &mut PgTransaction<'static>) -> Result<Vec<InWork>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"SELECT r.id, r.title, r.state, r.next_chunk, r.chunk_count,
                  (SELECT count(*) FROM inbox i
                   WHERE i.recording_id = r.id AND i.chunk > r.next_chunk
                     AND i.model_version = r.model_version AND i.configuration = r.configuration) AS "waiting_for_order!"
           FROM (SELECT * FROM recordings WHERE state IN ('queued', 'processing') ORDER BY created_at LIMIT $1) r
           ORDER BY r.created_at"#,
        MOST_RECORDINGS
    )
    .fetch_all(&mut **snapshot)
    .await?;
    let recording = rows.into_iter().map(|row| InWork {
        id: row.id,
        title: row.title,
        state: row.state,
        chunks: Chunks { done: row.next_chunk, total: row.chunk_count },
        waiting_for_order: row.waiting_for_order,
        eta_seconds: None,
        eta_unknown: None,
    });
    Ok(recording.collect())
}

/// Chunks that are cut and not analysed, about in the order in which they will be: those that were released, then those that wait, recordings
/// taking turns; and whether those are all.
pub(super) async fn undone(
    snapshot: &mut PgTransaction<'static>,
) -> Result<(Vec<Undone>, bool), sqlx::Error> {
    let rows = sqlx::query!(
        r#"SELECT c.recording_id, c.chunk, c.samples, r.model_version, r.configuration
           FROM recordings r JOIN chunks c ON c.recording_id = r.id AND c.chunk >= r.next_chunk
           WHERE r.state IN ('queued', 'processing')
             AND NOT EXISTS (
                 SELECT 1 FROM inbox i
                 WHERE i.recording_id = r.id AND i.chunk = c.chunk
                   AND i.model_version = r.model_version AND i.configuration = r.configuration)
             AND NOT EXISTS (SELECT 1 FROM gaps g WHERE g.recording_id = r.id AND g.chunk = c.chunk)
           ORDER BY c.released_at NULLS LAST, row_number() OVER (PARTITION BY c.recording_id ORDER BY c.chunk),
                    c.created_at, c.recording_id LIMIT $1"#,
        MOST_CHUNKS
    )
    .fetch_all(&mut **snapshot)
    .await?;
    let all = (rows.len() as i64) < MOST_CHUNKS;
    let undone = rows.into_iter().map(|row| Undone {
        recording: row.recording_id,
        chunk: row.chunk,
        audio_seconds: seconds(row.samples as f64),
        queue: topology::chunk_queue(&row.model_version, &row.configuration),
    });
    Ok((undone.collect(), all))
}

/// Audio that waits or is in hand, and the age of the oldest.
pub(crate) async fn backlog(snapshot: &mut PgTransaction<'static>) -> Result<Backlog, sqlx::Error> {
    let row = sqlx::query!(
        r#"WITH waiting AS (
               SELECT c.samples::double precision AS samples, c.created_at AS since
               FROM recordings r JOIN chunks c ON c.recording_id = r.id AND c.chunk >= r.next_chunk
               WHERE r.state IN ('queued', 'processing')
                 AND NOT EXISTS (
                     SELECT 1 FROM inbox i
                     WHERE i.recording_id = r.id AND i.chunk = c.chunk
                       AND i.model_version = r.model_version AND i.configuration = r.configuration)
                 AND NOT EXISTS (SELECT 1 FROM gaps g WHERE g.recording_id = r.id AND g.chunk = c.chunk)
               UNION ALL
               -- What is not cut yet.
               SELECT greatest(0, r.upload_bytes * coalesce((
                          SELECT sum(d.samples)::double precision / nullif(sum(d.upload_bytes), 0)::double precision
                          FROM (SELECT samples, upload_bytes FROM recordings WHERE samples IS NOT NULL
                                ORDER BY created_at DESC LIMIT $1) d), 0)
                          - coalesce((SELECT sum(c.samples) FROM chunks c WHERE c.recording_id = r.id), 0)),
                      CASE WHEN r.run = 1 THEN r.created_at ELSE r.updated_at END
               FROM recordings r
               WHERE r.state IN ('queued', 'processing') AND r.chunk_count IS NULL
           )
           SELECT coalesce(sum(samples), 0)::double precision AS "samples!", min(since) AS "since: DateTime<Utc>", now() AS "now!"
           FROM waiting"#,
        DECODED_LATELY
    )
    .fetch_one(&mut **snapshot)
    .await?;
    let oldest = row.since.map_or(0.0, |since| (row.now - since).as_seconds_f64().max(0.0));
    Ok(Backlog { audio_seconds: seconds(row.samples), oldest_seconds: oldest })
}

/// Rate at which analysed chunks have come back lately.
pub(super) async fn throughput(snapshot: &mut PgTransaction<'static>) -> Result<Throughput, sqlx::Error> {
    let samples = sqlx::query_scalar!(
        r#"SELECT coalesce(sum(c.samples), 0)::double precision AS "samples!"
           FROM inbox i JOIN chunks c ON c.recording_id = i.recording_id AND c.chunk = i.chunk
           WHERE i.received_at > now() - make_interval(secs => $1)"#,
        LATELY.as_secs_f64()
    )
    .fetch_one(&mut **snapshot)
    .await?;
    Ok(Throughput { audio_seconds_per_second: seconds(samples) / LATELY.as_secs_f64() })
}

/// Distribution of the confidence of the speakers in the newest completed recordings.
pub(super) async fn confidence(snapshot: &mut PgTransaction<'static>) -> Result<Vec<Step>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"SELECT least(width_bucket(m.confidence, 0, 1, $3), $3) AS "step!", count(*) AS "matches!"
           FROM (
               SELECT of_one.confidence
               FROM (SELECT id FROM recordings WHERE state IN ('completed', 'completed_with_gaps')
                     ORDER BY created_at DESC LIMIT $1) r
               CROSS JOIN LATERAL (SELECT confidence FROM matches WHERE recording_id = r.id LIMIT $2) of_one
           ) m GROUP BY 1"#,
        RECENT_RECORDINGS,
        MOST_MATCHES,
        STEPS
    )
    .fetch_all(&mut **snapshot)
    .await?;
    let border = |step: i32| f64::from(step) / f64::from(STEPS);
    let step = |step: i32| Step {
        from: border(step - 1),
        to: border(step),
        matches: rows.iter().find(|row| row.step == step).map_or(0, |row| row.matches),
    };
    Ok((1..=STEPS).map(step).collect())
}

/// The latest failures.
pub(super) async fn failures(snapshot: &mut PgTransaction<'static>) -> Result<Vec<Failure>, sqlx::Error> {
    sqlx::query_as!(
        Failure,
        r#"SELECT id, title, coalesce(failure, '') AS "failure!", updated_at AS failed_at
           FROM recordings WHERE state = 'failed' ORDER BY updated_at DESC LIMIT $1"#,
        MOST_FAILURES
    )
    .fetch_all(&mut **snapshot)
    .await
}

/// Number of recordings in work in each such state.
pub(crate) async fn in_work(
    snapshot: &mut PgTransaction<'static>,
) -> Result<[(&'static str, i64); 2], sqlx::Error> {
    let row = sqlx::query!(
        r#"SELECT count(*) FILTER (WHERE state = 'queued') AS "queued!", count(*) FILTER (WHERE state = 'processing') AS "processing!"
           FROM recordings WHERE state IN ('queued', 'processing')"#
    )
    .fetch_one(&mut **snapshot)
    .await?;
    Ok([("queued", row.queued), ("processing", row.processing)])
}

/// Messages that failed for good.
pub(crate) async fn dead_letters(snapshot: &mut PgTransaction<'static>) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(r#"SELECT count(*) AS "letters!" FROM dead_letters"#).fetch_one(&mut **snapshot).await
}
