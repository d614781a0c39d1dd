//! Replay: reads a recording's analyses page by page, twice, and decides who spoke when. What `throughline diarize` does past
//! inference, without ever holding more than a page of analyses.

use crate::analysis::OneDimension;
use crate::chunks::{self, Pinned};
use crate::database::Database;
use crate::error::MatchError;
use crate::gaps;
use diarization::diarize::{Diarization, Settings};
use diarization::survey::Survey;
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
    /// Who spoke when.
    pub found: Diarization,
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
        let found = read_twice(transaction, recording, &matched).await?;
        Ok(found.map(|found| Replay::Done(Box::new(Replayed { matched, gaps, found }))))
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

/// The two readings. The inner error is of what is stored, and stays however often it is tried.
async fn read_twice(
    transaction: &mut PgTransaction<'static>,
    recording: Uuid,
    matched: &Matched,
) -> Result<Result<Diarization, MatchError>, sqlx::Error> {
    let unusable =
        |why: String| MatchError::Unusable(format!("what is stored of the recording cannot be used: {why}"));
    let pinned = Pinned {
        recording,
        model_version: matched.model_version.clone(),
        configuration: matched.configuration.clone(),
        chunk_blocks: matched.chunk_blocks,
    };
    let mut survey = Survey::new(matched.settings.0.clone());
    let mut dimension = OneDimension::default();
    for page in chunks::pages(matched.chunk_count, matched.chunk_blocks) {
        for block in chunks::blocks(transaction, &pinned, page).await? {
            if let Err(flaw) = dimension.check(&block) {
                return Ok(Err(unusable(flaw.to_string())));
            }
            if let Err(error) = survey.push(&block) {
                return Ok(Err(unusable(error.to_string())));
            }
        }
    }
    let mut labelling = match tokio::task::spawn_blocking(move || survey.decide()).await {
        Ok(labelling) => labelling,
        Err(error) => {
            return Ok(Err(MatchError::Unusable(format!("the recording could not be clustered: {error}"))));
        }
    };
    for page in chunks::pages(matched.chunk_count, matched.chunk_blocks) {
        for block in chunks::blocks(transaction, &pinned, page).await? {
            if let Err(error) = labelling.push(&block) {
                return Ok(Err(unusable(error.to_string())));
            }
        }
    }
    Ok(labelling.finish().map_err(|error| unusable(error.to_string())))
}
