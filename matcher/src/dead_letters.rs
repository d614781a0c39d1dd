//! Dead letters: what failed for good is kept for the operator and told to the uploader.

use crate::database::Database;
use crate::error::MatchError;
use crate::failure;
use service_kit::consumer::{Death, Delivery};
use service_kit::messages::{self, ChunkAnalysed, ChunkJob, DecodeJob, Message, RecordingDecoded};
use service_kit::topology::ATTEMPTS;
use service_kit::verdict::Verdict;
use sqlx::PgTransaction;
use sqlx::types::Json;
use std::collections::BTreeMap;
use uuid::Uuid;

/// Handles a message of the dead-letter queue.
pub async fn handle(database: &Database, delivery: Delivery) -> Verdict {
    match database.outlast(async || bury(database, &delivery).await).await {
        Ok(()) => Verdict::Done,
        // There is no queue behind this one: it stays here until the database takes it.
        Err(error) => Verdict::Retry(error.to_string()),
    }
}

/// What a dead message was about.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Subject {
    recording: Uuid,
    run: i32,
    task: Task,
}

/// The work that was not done.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Task {
    Decode,
    Analyse { chunk: u32 },
    Match { chunk: u32 },
    Complete,
}

/// What a body says it was about; `None` where it cannot be read.
fn subject(kind: &str, body: &[u8]) -> Option<Subject> {
    match kind {
        DecodeJob::TYPE => messages::decode::<DecodeJob>(kind, body).ok().map(|m| Subject {
            recording: m.recording,
            run: m.run,
            task: Task::Decode,
        }),
        ChunkJob::TYPE => messages::decode::<ChunkJob>(kind, body).ok().map(|m| Subject {
            recording: m.recording,
            run: m.run,
            task: Task::Analyse { chunk: m.chunk },
        }),
        ChunkAnalysed::TYPE => messages::decode::<ChunkAnalysed>(kind, body).ok().map(|m| Subject {
            recording: m.recording,
            run: m.run,
            task: Task::Match { chunk: m.chunk },
        }),
        RecordingDecoded::TYPE => messages::decode::<RecordingDecoded>(kind, body).ok().map(|m| Subject {
            recording: m.recording,
            run: m.run,
            task: Task::Complete,
        }),
        _ => None,
    }
}

/// Why the recording failed, in words for its uploader.
fn reason(task: &Task, death: &Death) -> String {
    let what = match task {
        Task::Decode => "the audio could not be decoded".to_owned(),
        Task::Analyse { chunk } => format!("chunk {chunk} could not be analysed"),
        Task::Match { chunk } => format!("the analysis of chunk {chunk} could not be used"),
        Task::Complete => "the speakers could not be named".to_owned(),
    };
    match death.reason.as_str() {
        "delivery_limit" => format!("{what} after {ATTEMPTS} attempts"),
        _ => what,
    }
}

/// Postgres stores no NUL in text.
fn text(from_outside: &str) -> String {
    from_outside.replace('\0', "")
}

async fn bury(database: &Database, delivery: &Delivery) -> Result<(), MatchError> {
    let unknown = || Death { queue: "unknown".into(), reason: "unknown".into() };
    let death = delivery.death.clone().unwrap_or_else(unknown);
    let death = Death { queue: text(&death.queue), reason: text(&death.reason) };
    let subject = subject(&delivery.kind, &delivery.body);
    let work = async |transaction: &mut PgTransaction<'static>| {
        if let Some(subject) = &subject
            && !lock(transaction, subject.recording).await?
        {
            // Deleted: nothing of it may be kept, and an analysis holds voice vectors.
            return Ok(None);
        }
        keep(transaction, subject.as_ref(), &death, delivery).await?;
        let Some(subject) = &subject else { return Ok(None) };
        if !is_missing(transaction, subject).await? {
            return Ok(None);
        }
        let reason = reason(&subject.task, &death);
        let failed = failure::mark(transaction, subject.recording, subject.run, &reason).await?;
        Ok(failed.then_some((subject.recording, reason)))
    };
    let failed = database.run("dead_letter", work).await?;
    metrics::counter!("throughline_dead_letters_total", "queue" => death.queue.clone()).increment(1);
    tracing::warn!(queue = death.queue, reason = death.reason, kind = delivery.kind, "dead letter");
    if let Some((recording, reason)) = failed {
        failure::tell(recording, &reason);
    }
    Ok(())
}

/// Locks the recording; false when there is none.
async fn lock(transaction: &mut PgTransaction<'static>, recording: Uuid) -> Result<bool, sqlx::Error> {
    let row = sqlx::query_scalar!("SELECT id FROM recordings WHERE id = $1 FOR UPDATE", recording);
    Ok(row.fetch_optional(&mut **transaction).await?.is_some())
}

/// Inserts the letter, unless the same one is there: dead letters too may be delivered twice.
async fn keep(
    transaction: &mut PgTransaction<'static>,
    subject: Option<&Subject>,
    death: &Death,
    delivery: &Delivery,
) -> Result<(), sqlx::Error> {
    let trace: BTreeMap<String, String> =
        delivery.trace.iter().map(|(key, value)| (text(key), text(value))).collect();
    sqlx::query!(
        "INSERT INTO dead_letters (recording_id, queue, reason, kind, body, trace)
         SELECT $1::uuid, $2::text, $3::text, $4::text, $5::bytea, $6::jsonb
         WHERE NOT EXISTS (
             SELECT 1 FROM dead_letters
             WHERE recording_id IS NOT DISTINCT FROM $1 AND queue = $2 AND reason = $3 AND kind = $4 AND body = $5)",
        subject.map(|s| s.recording),
        death.queue,
        death.reason,
        text(&delivery.kind),
        delivery.body,
        Json(trace) as _
    )
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

/// Whether the work that the message asked for is still not done: its twin may have got through.
async fn is_missing(
    transaction: &mut PgTransaction<'static>,
    subject: &Subject,
) -> Result<bool, sqlx::Error> {
    match subject.task {
        Task::Complete => Ok(true),
        Task::Decode => {
            let row = sqlx::query_scalar!(
                r#"SELECT chunk_count IS NULL AS "missing!" FROM recordings WHERE id = $1"#,
                subject.recording
            );
            row.fetch_one(&mut **transaction).await
        }
        Task::Analyse { chunk } | Task::Match { chunk } => {
            let row = sqlx::query_scalar!(
                r#"SELECT NOT EXISTS (
                       SELECT 1 FROM inbox i
                       WHERE i.recording_id = r.id AND i.chunk = $2
                         AND i.model_version = r.model_version AND i.configuration = r.configuration) AS "missing!"
                   FROM recordings r WHERE r.id = $1"#,
                subject.recording,
                i32::try_from(chunk).unwrap_or(i32::MAX)
            );
            row.fetch_one(&mut **transaction).await
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn death(reason: &str) -> Death {
        Death { queue: "throughline.chunks.m1".into(), reason: reason.into() }
    }

    #[test]
    fn the_uploader_reads_what_failed_and_how_often_it_was_tried() {
        let chunk = Task::Analyse { chunk: 3 };
        assert_eq!(
            reason(&chunk, &death("delivery_limit")),
            "chunk 3 could not be analysed after 5 attempts"
        );
        assert_eq!(reason(&chunk, &death("rejected")), "chunk 3 could not be analysed");
        assert_eq!(reason(&Task::Decode, &death("rejected")), "the audio could not be decoded");
    }

    #[test]
    fn the_subject_of_every_known_message_is_read() {
        let job = DecodeJob { recording: Uuid::from_u128(5), run: 2 };
        let body = messages::encode(&job).expect("encodes");
        let found = subject(DecodeJob::TYPE, &body).expect("is known");
        assert_eq!(found, Subject { recording: job.recording, run: 2, task: Task::Decode });
        assert_eq!(subject(RecordingDecoded::TYPE, &body).map(|s| s.task), Some(Task::Complete));
    }

    #[test]
    fn a_message_of_an_unknown_kind_or_rubbish_has_no_subject() {
        assert_eq!(subject("letter.v9", b"x"), None);
        assert_eq!(subject(DecodeJob::TYPE, b"rubbish"), None);
    }

    #[test]
    fn text_that_postgres_cannot_store_does_not_block_the_queue() {
        assert_eq!(text("a\0b"), "ab");
    }
}
