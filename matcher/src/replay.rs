//! Replay: reads a recording's analyses page by page, twice, decides who spoke when, and applies what people said of it before.

use crate::chunks::Pinned;
use crate::database::Database;
use crate::error::MatchError;
use crate::gaps;
use diarization::corrections::Corrected;
use diarization::decision::Decision;
use diarization::diarize::{Diarization, Settings};
use results::corrections;
use results::reading::{self, ReadError, Recording};
use sqlx::PgTransaction;
use sqlx::types::Json;
use uuid::Uuid;

/// A recording all of whose chunks are matched.
#[derive(Clone, Debug)]
pub struct Matched {
    /// Number of its chunks.
    pub chunk_count: i32,
    /// Its length in samples.
    pub samples: Option<i64>,
    /// Models it is pinned to.
    pub model_version: String,
    /// Configuration it is pinned to.
    pub configuration: String,
    chunk_blocks: i32,
    settings: Json<Settings>,
}

impl Replayed {
    /// What the uploader should know of what was asked for and could not be.
    pub fn warnings(&self) -> Vec<String> {
        self.matched.settings.hints.unmet(self.decision.speakers()).into_iter().collect()
    }
}

/// What a replay gave.
#[derive(Debug)]
pub enum Replay {
    /// The recording is not one to finalise: unknown, of another run, done, or not all matched.
    Nothing,
    /// Another is at it.
    InHand,
    /// There is no chunk that could be analysed.
    AllGaps,
    /// Who spoke when.
    Done(Box<Replayed>),
}

/// A recording and what was found in it.
#[derive(Debug)]
pub struct Replayed {
    /// The recording as it was.
    pub matched: Matched,
    /// Its gaps as they were.
    pub gaps: Vec<i32>,
    /// Who spoke when, as corrected.
    pub found: Diarization,
    /// What that goes by, without corrections.
    pub decision: Decision,
    /// Which of the corrections, by number, could be applied.
    pub applied: Vec<(i32, bool)>,
    /// What was read.
    pub pinned: Pinned,
}

/// Replays a recording whose last chunk is matched, unless another process is at it.
///
/// One transaction that only reads, in one snapshot: both readings see the same. It also carries the claim on the recording, which
/// ends with it however it ends.
pub async fn replay(database: &Database, recording: Uuid, run: i32) -> Result<Replay, MatchError> {
    let work = async |transaction: &mut PgTransaction<'static>| {
        sqlx::query!("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            .execute(&mut **transaction)
            .await?;
        let Some(matched) = matched(transaction, recording, run).await? else {
            return Ok(Ok(Replay::Nothing));
        };
        if !claim(transaction, recording, run).await? {
            return Ok(Ok(Replay::InHand));
        }
        let gaps = gaps::of(transaction, recording).await?;
        if matched.chunk_count > 0 && gaps.len() as i32 >= matched.chunk_count {
            return Ok(Ok(Replay::AllGaps));
        }
        let replayed = read_twice(transaction, recording, matched, gaps).await?;
        Ok(replayed.map(|replayed| Replay::Done(Box::new(replayed))))
    };
    database.run("replay", work).await?
}

async fn matched(
    transaction: &mut PgTransaction<'static>,
    recording: Uuid,
    run: i32,
) -> Result<Option<Matched>, sqlx::Error> {
    sqlx::query_as!(
        Matched,
        r#"SELECT chunk_count AS "chunk_count!", samples, model_version, configuration, chunk_blocks,
                  settings AS "settings: Json<Settings>"
           FROM recordings
           WHERE id = $1 AND run = $2 AND state IN ('queued', 'processing') AND next_chunk = chunk_count"#,
        recording,
        run
    )
    .fetch_optional(&mut **transaction)
    .await
}

/// Claims the finalising of a run until the transaction ends; false where another has it. It only saves work: the commit is safe
/// without it. Of a run, not of the recording: one that is superseded and does not know yet must not keep the next one waiting.
async fn claim(
    transaction: &mut PgTransaction<'static>,
    recording: Uuid,
    run: i32,
) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(
        r#"SELECT pg_try_advisory_xact_lock(hashtextextended('finalise ' || $1::uuid::text || ' ' || $2::integer::text, 0)) AS "claimed!""#,
        recording,
        run
    )
    .fetch_one(&mut **transaction)
    .await
}

/// The two readings, and what people said of the recording. The inner error is of what is stored, and stays however often it is tried.
async fn read_twice(
    transaction: &mut PgTransaction<'static>,
    recording: Uuid,
    matched: Matched,
    gaps: Vec<i32>,
) -> Result<Result<Replayed, MatchError>, sqlx::Error> {
    match read(transaction, recording, matched, gaps).await {
        Ok(replayed) => Ok(Ok(replayed)),
        Err(ReadError::Database(error)) => Err(error),
        Err(error @ ReadError::Unusable(_)) => Ok(Err(MatchError::Unusable(error.to_string()))),
    }
}

async fn read(
    transaction: &mut PgTransaction<'static>,
    recording: Uuid,
    matched: Matched,
    gaps: Vec<i32>,
) -> Result<Replayed, ReadError> {
    let pinned = Pinned {
        recording,
        model_version: matched.model_version.clone(),
        configuration: matched.configuration.clone(),
        chunk_blocks: matched.chunk_blocks,
    };
    let said = corrections::stored(transaction, &pinned).await?;
    let (chunk_count, settings) = (matched.chunk_count, matched.settings.0.clone());
    let of = Recording { pinned, chunk_count, settings };
    let mut labelling = reading::survey(transaction, &of).await?;
    if !said.is_empty() {
        labelling = labelling.to_be_corrected();
    }
    let labelled = reading::label(transaction, &of, labelling).await?;
    let decision = labelled.decision();
    if said.is_empty() {
        let found = labelled.diarization();
        return Ok(Replayed { matched, gaps, found, decision, applied: Vec::new(), pinned: of.pinned });
    }
    let made = corrections::made(&said);
    let work = move || {
        let (corrected, applied) = Corrected::of(labelled, &made);
        (corrected.diarization(), applied)
    };
    let (found, applied) = tokio::task::spawn_blocking(work).await?;
    let applied = said.iter().map(|it| it.number).zip(applied).collect();
    Ok(Replayed { matched, gaps, found, decision, applied, pinned: of.pinned })
}
