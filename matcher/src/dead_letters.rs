//! Dead letters: what failed for good is kept for the operator and told to the uploader.

use crate::database::Database;
use crate::error::MatchError;
use crate::failure;
use crate::gaps;
use crate::progress::progress;
use chrono::Utc;
use service_kit::attempts::History;
use service_kit::delivery::{DELIVERY_LIMIT, Death, Delivery};
use service_kit::messages::{self, ChunkAnalysed, ChunkJob, DecodeJob, Message, RecordingDecoded};
use service_kit::topology::ATTEMPTS;
use service_kit::verdict::Verdict;
use sqlx::PgTransaction;
use sqlx::types::Json;
use std::collections::BTreeMap;
use uuid::Uuid;

/// Handles a message of the dead-letter queue.
pub async fn handle(database: &Database, delivery: Delivery) -> Verdict {
    // There is no queue behind this one: what cannot be kept now stays on it.
    bury(database, &delivery).await.map_or_else(MatchError::verdict, |()| Verdict::Done)
}

/// Recording, run and task that a dead message was about.
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

/// Subject of a body of type `kind`; `None` where the type is unknown or the body cannot be read.
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

impl Task {
    fn chunk(&self) -> Option<i32> {
        match self {
            Self::Analyse { chunk } | Self::Match { chunk } => i32::try_from(*chunk).ok(),
            Self::Decode | Self::Complete => None,
        }
    }
}

/// Reason that the recording failed or has a gap, in words for its uploader.
fn reason(task: &Task, attempts: i64) -> String {
    let what = match task {
        Task::Decode => "the audio could not be decoded".to_owned(),
        Task::Analyse { chunk } => format!("chunk {chunk} could not be analysed"),
        Task::Match { chunk } => format!("the analysis of chunk {chunk} could not be used"),
        Task::Complete => "the speakers could not be named".to_owned(),
    };
    if attempts > 1 { format!("{what} after {attempts} attempts") } else { what }
}

/// Attempts at the message, those included that only the broker knows of.
fn history(delivery: &Delivery, death: &Death) -> History {
    let mut history = delivery.past.history.clone();
    if death.reason == DELIVERY_LIMIT {
        history.lost(ATTEMPTS - history.count(), Utc::now());
    }
    history
}

/// Postgres stores no NUL in text.
fn text(from_outside: &str) -> String {
    from_outside.replace('\0', "")
}

/// Consequence of a dead letter for its recording.
enum Consequence {
    /// Nobody waits for what it was about: it is not kept.
    Dropped,
    None,
    Failed(Uuid, String),
    Gap(Uuid, i32),
}

async fn bury(database: &Database, delivery: &Delivery) -> Result<(), MatchError> {
    let unknown = || Death { queue: "unknown".into(), reason: "unknown".into() };
    let death = delivery.death.clone().unwrap_or_else(unknown);
    let death = Death { queue: text(&death.queue), reason: text(&death.reason) };
    let history = history(delivery, &death);
    let subject = subject(&delivery.kind, &delivery.body);
    // Also of a message that this program does not know: it goes with its recording.
    let about = messages::recording_of(&delivery.body);
    let work = async |transaction: &mut PgTransaction<'static>| {
        if let Some(recording) = about
            && !lock(transaction, recording).await?
        {
            // Deleted: nothing of it may be kept, and an analysis holds voice vectors.
            return Ok(Consequence::Dropped);
        }
        if let Some(subject) = &subject
            && !is_missing(transaction, subject).await?
        {
            // Of an older run, or its twin got through: nobody could do anything with it.
            return Ok(Consequence::Dropped);
        }
        keep(transaction, about, subject.as_ref(), &death, &history, delivery).await?;
        let Some(Subject { recording, run, task }) = &subject else { return Ok(Consequence::None) };
        let reason = reason(task, history.count());
        if let Some(chunk) = task.chunk() {
            if gaps::leave(transaction, *recording, *run, chunk, &reason).await? {
                return Ok(Consequence::Gap(*recording, *run));
            }
            gaps::give_up(transaction, *recording, chunk).await?;
        }
        let failed = failure::mark(transaction, *recording, *run, &reason).await?;
        Ok(if failed { Consequence::Failed(*recording, reason) } else { Consequence::None })
    };
    let consequence = database.run("dead_letter", work).await?;
    if matches!(consequence, Consequence::Dropped) {
        tracing::info!(
            queue = death.queue,
            reason = death.reason,
            kind = delivery.kind,
            "a dead letter that nobody misses"
        );
        return Ok(());
    }
    metrics::counter!("throughline_dead_letters_total", "queue" => death.queue.clone()).increment(1);
    tracing::warn!(queue = death.queue, reason = death.reason, kind = delivery.kind, "dead letter");
    match consequence {
        Consequence::None | Consequence::Dropped => {}
        Consequence::Failed(recording, reason) => failure::tell(recording, &reason),
        // What waited behind the missing chunk can go on.
        Consequence::Gap(recording, run) => match progress(database, recording, run).await {
            // It is kept, and whoever completes the recording finds the gap.
            Ok(()) | Err(MatchError::Claimed) => {}
            Err(error) => return Err(error),
        },
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
    about: Option<Uuid>,
    subject: Option<&Subject>,
    death: &Death,
    history: &History,
    delivery: &Delivery,
) -> Result<(), sqlx::Error> {
    // What is about no recording that can be read cannot be erased with it, and may hold a voice all the same.
    let body = if about.is_some() { delivery.body.as_slice() } else { &[] };
    let trace: BTreeMap<String, String> =
        delivery.trace.iter().map(|(key, value)| (text(key), text(value))).collect();
    sqlx::query!(
        "INSERT INTO dead_letters (recording_id, queue, reason, kind, body, trace, run, chunk, attempts)
         SELECT $1::uuid, $2::text, $3::text, $4::text, $5::bytea, $6::jsonb, $7::integer, $8::integer, $9::jsonb
         WHERE NOT EXISTS (
             SELECT 1 FROM dead_letters
             WHERE recording_id IS NOT DISTINCT FROM $1 AND queue = $2 AND reason = $3 AND kind = $4 AND body = $5)",
        about,
        death.queue,
        death.reason,
        text(&delivery.kind),
        body,
        Json(trace) as _,
        subject.map(|s| s.run),
        subject.and_then(|s| s.task.chunk()),
        Json(history) as _
    )
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

/// True where the work that the message asked for is wanted and still not done: a copy of the message may have got through.
async fn is_missing(
    transaction: &mut PgTransaction<'static>,
    subject: &Subject,
) -> Result<bool, sqlx::Error> {
    let (complete, decode) = (subject.task == Task::Complete, subject.task == Task::Decode);
    sqlx::query_scalar!(
        r#"SELECT r.run = $2 AND CASE
                   WHEN $4 THEN r.completed_at IS NULL
                   WHEN $5 THEN r.chunk_count IS NULL
                   ELSE NOT EXISTS (
                       SELECT 1 FROM inbox i
                       WHERE i.recording_id = r.id AND i.chunk = $3
                         AND i.model_version = r.model_version AND i.configuration = r.configuration)
               END AS "missing!"
           FROM recordings r WHERE r.id = $1"#,
        subject.recording,
        subject.run,
        subject.task.chunk().unwrap_or(i32::MAX),
        complete,
        decode
    )
    .fetch_one(&mut **transaction)
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_uploader_reads_what_failed_and_how_often_it_was_tried() {
        let chunk = Task::Analyse { chunk: 3 };
        assert_eq!(reason(&chunk, 5), "chunk 3 could not be analysed after 5 attempts");
        assert_eq!(reason(&chunk, 1), "chunk 3 could not be analysed");
        assert_eq!(reason(&Task::Decode, 0), "the audio could not be decoded");
    }

    #[test]
    fn where_the_broker_gave_up_the_attempts_that_left_no_word_are_written_out() {
        let death = Death { queue: "q".into(), reason: DELIVERY_LIMIT.into() };
        assert_eq!(history(&Delivery::default(), &death).count(), ATTEMPTS);
        let rejected = Death { reason: "rubbish".into(), ..death };
        assert_eq!(history(&Delivery::default(), &rejected).count(), 0);
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
