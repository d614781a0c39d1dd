//! Republish: sends jobs again that seem to be lost, through the outbox, at most once per interval and recording.
//!
//! Republishing is harmless: whatever comes twice counts once. It is bounded so that a long backlog does not breed copies of
//! itself: as long as messages wait on a queue that the recording depends on, silence means that the queue is long, not that
//! a job was lost.

use crate::backlog;
use crate::database::Database;
use crate::error::MatchError;
use service_kit::broker::Broker;
use service_kit::messages::{self, ChunkJob, DecodeJob, Message};
use service_kit::topology;
use sqlx::PgTransaction;
use sqlx::types::Json;
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;
use uuid::Uuid;

/// Recordings looked at in one pass at most.
const MOST_RECORDINGS: i64 = 1000;
/// Chunk jobs sent again for one recording in one pass at most.
const MOST_CHUNKS: i64 = 500;

/// A recording in which nothing has happened for an interval.
#[derive(Clone, Debug)]
struct Quiet {
    id: Uuid,
    model_version: String,
    configuration: String,
    decoded: bool,
}

/// Sends the jobs of silent recordings again; returns how many jobs.
pub async fn pass(database: &Database, broker: &Broker, after: Duration) -> Result<usize, MatchError> {
    let mut drained = HashMap::new();
    let mut sent = 0;
    for recording in quiet(database, after).await? {
        let mut waiting = false;
        for queue in waits_on(&recording) {
            if !drained.contains_key(&queue) {
                // A broker that is away loses nothing by waiting: the outbox could not be emptied either.
                let empty = backlog::is_drained(broker, &queue).await.unwrap_or(false);
                drained.insert(queue.clone(), empty);
            }
            waiting |= !drained.get(&queue).copied().unwrap_or(false);
        }
        if !waiting {
            let jobs = send_again(database, recording.id, after).await?;
            tracing::warn!(recording = %recording.id, jobs, "nothing happened for long: jobs sent again");
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

async fn quiet(database: &Database, after: Duration) -> Result<Vec<Quiet>, sqlx::Error> {
    let work = async |transaction: &mut PgTransaction<'static>| {
        sqlx::query_as!(
            Quiet,
            r#"SELECT q.id AS "id!", q.model_version AS "model_version!", q.configuration AS "configuration!", q.decoded AS "decoded!"
               FROM (
                   SELECT r.id, r.model_version, r.configuration, r.chunk_count IS NOT NULL AS decoded,
                          extract(epoch FROM now() - greatest(
                              r.updated_at,
                              (SELECT max(c.created_at) FROM chunks c WHERE c.recording_id = r.id),
                              (SELECT max(i.received_at) FROM inbox i WHERE i.recording_id = r.id)
                          ))::double precision AS seconds
                   FROM recordings r
                   WHERE r.state IN ('queued', 'processing') AND r.updated_at < now() - make_interval(secs => $1)
                     AND NOT EXISTS (SELECT 1 FROM outbox o WHERE o.recording_id = r.id)
               ) q
               WHERE q.seconds >= $1
               ORDER BY q.seconds DESC LIMIT $2"#,
            after.as_secs_f64(),
            MOST_RECORDINGS
        )
        .fetch_all(&mut **transaction)
        .await
    };
    database.run("find_quiet", work).await
}

/// Puts the jobs of a recording that are not done into the outbox. Marks the recording as touched, so that neither this nor
/// another matcher does it again before the interval has passed.
async fn send_again(database: &Database, recording: Uuid, after: Duration) -> Result<usize, sqlx::Error> {
    let work = async |transaction: &mut PgTransaction<'static>| {
        let touched = sqlx::query!(
            r#"UPDATE recordings SET updated_at = now()
               WHERE id = $1 AND state IN ('queued', 'processing') AND updated_at < now() - make_interval(secs => $2)
               RETURNING run, model_version, configuration, chunk_blocks, chunk_count,
                         trace AS "trace: Json<BTreeMap<String, String>>""#,
            recording,
            after.as_secs_f64()
        )
        .fetch_optional(&mut **transaction)
        .await?;
        let Some(row) = touched else { return Ok(0) };
        let missing = sqlx::query!(
            "SELECT c.chunk, c.object, c.samples FROM chunks c
             WHERE c.recording_id = $1 AND NOT EXISTS (
                 SELECT 1 FROM inbox i
                 WHERE i.recording_id = c.recording_id AND i.chunk = c.chunk
                   AND i.model_version = $2 AND i.configuration = $3)
             ORDER BY c.chunk LIMIT $4",
            recording,
            row.model_version,
            row.configuration,
            MOST_CHUNKS
        )
        .fetch_all(&mut **transaction)
        .await?;
        let blocks = row.chunk_blocks as u32;
        let jobs = missing.into_iter().map(|chunk| ChunkJob {
            recording,
            run: row.run,
            chunk: chunk.chunk as u32,
            first_block: chunk.chunk as u32 * blocks,
            blocks,
            object: chunk.object,
            samples: chunk.samples as u64,
            model_version: row.model_version.clone(),
            configuration: row.configuration.clone(),
        });
        let jobs: Vec<ChunkJob> = jobs.collect();
        let decode = row.chunk_count.is_none().then_some(DecodeJob { recording, run: row.run });
        let decode: Vec<DecodeJob> = decode.into_iter().collect();
        post(transaction, recording, topology::DECODE, &decode, &row.trace).await?;
        post(
            transaction,
            recording,
            &topology::chunk_queue(&row.model_version, &row.configuration),
            &jobs,
            &row.trace,
        )
        .await?;
        Ok(decode.len() + jobs.len())
    };
    database.run("republish", work).await
}

async fn post<M: Message>(
    transaction: &mut PgTransaction<'static>,
    recording: Uuid,
    queue: &str,
    jobs: &[M],
    trace: &Json<BTreeMap<String, String>>,
) -> Result<(), sqlx::Error> {
    let mut bodies = Vec::with_capacity(jobs.len());
    for job in jobs {
        bodies.push(messages::encode(job).map_err(|error| sqlx::Error::Encode(error.into()))?);
    }
    sqlx::query!(
        "INSERT INTO outbox (recording_id, queue, kind, body, trace)
         SELECT $1, $2, $3, body, $5 FROM UNNEST($4::bytea[]) AS body",
        recording,
        queue,
        M::TYPE,
        &bodies,
        trace as _
    )
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recording_waits_for_its_decoder_first_and_then_for_the_workers_of_its_model() {
        let mut recording =
            Quiet { id: Uuid::nil(), model_version: "m1".into(), configuration: "c1".into(), decoded: false };
        assert_eq!(waits_on(&recording), ["throughline.decode", "throughline.match"]);
        recording.decoded = true;
        assert_eq!(waits_on(&recording), ["throughline.chunks.m1.c1", "throughline.match"]);
    }
}
