//! Replay: reads a recording's analyses page by page, twice, decides who spoke when, and applies what people said of it before.

use crate::chunks::{self, Pinned};
use crate::database::Database;
use crate::error::MatchError;
use crate::gaps;
use diarization::analysis::BlockAnalysis;
use diarization::corrections::Corrected;
use diarization::decision::Decision;
use diarization::diarize::{Diarization, Settings};
use results::corrections::{self, Stored};
use results::reading::{self, ReadError, Recording};
use sqlx::PgTransaction;
use sqlx::types::Json;
use std::ops::Range;
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

impl Matched {
    /// Key of its analyses: the recording, its pinned models and configuration, and its blocks per chunk.
    fn pinned(&self, recording: Uuid) -> Pinned {
        Pinned {
            recording,
            model_version: self.model_version.clone(),
            configuration: self.configuration.clone(),
            chunk_blocks: self.chunk_blocks,
        }
    }
}

impl Replayed {
    /// Warnings for the uploader about hints that the number of speakers found does not meet.
    pub fn warnings(&self) -> Vec<String> {
        self.matched.settings.hints.unmet(self.decision.speakers()).into_iter().collect()
    }
}

/// Outcome of a replay.
#[derive(Debug)]
pub enum Replay {
    /// The recording is not one to finalise: unknown, of another run, done, or not all matched.
    Nothing,
    /// It has changed while it was read.
    Changed,
    /// There is no chunk that could be analysed.
    AllGaps,
    /// The recording is read, and its turns have speakers.
    Done(Box<Replayed>),
}

/// A recording and what was found in it.
#[derive(Debug)]
pub struct Replayed {
    /// The recording as it was.
    pub matched: Matched,
    /// Its gaps as they were.
    pub gaps: Vec<i32>,
    /// Turns and their speakers, as corrected.
    pub found: Diarization,
    /// Decision about the speakers, without corrections.
    pub decision: Decision,
    /// Corrections by number, each with true where it could be applied.
    pub applied: Vec<(i32, bool)>,
    /// Key of the analyses that were read.
    pub pinned: Pinned,
}

/// Replays a recording whose last chunk is matched.
///
/// It is read page by page, each in a short transaction of its own: however long the recording, and however long its clustering takes,
/// no transaction is open for longer than a page takes. Both readings see the same all the same: an analysis that is stored never
/// changes within a run, and each page makes sure, in the snapshot in which it is read, that the recording is still in that run, all
/// matched, and has the gaps that it had when the reading began.
pub async fn replay(database: &Database, recording: Uuid, run: i32) -> Result<Replay, MatchError> {
    let begin = async |transaction: &mut PgTransaction<'static>| {
        let Some(matched) = matched(transaction, recording, run).await? else { return Ok(None) };
        let gaps = gaps::of(transaction, recording).await?;
        let said = corrections::stored(transaction, &matched.pinned(recording)).await?;
        Ok(Some((matched, gaps, said)))
    };
    let Some((matched, gaps, said)) = in_a_snapshot(database, begin).await? else {
        return Ok(Replay::Nothing);
    };
    if matched.chunk_count > 0 && gaps.len() as i32 >= matched.chunk_count {
        return Ok(Replay::AllGaps);
    }
    let reading = Pages { database, run, recording, gaps: &gaps };
    match read(&reading, matched, &gaps, said).await {
        Ok(replayed) => Ok(Replay::Done(Box::new(replayed))),
        Err(ReadError::Changed) => Ok(Replay::Changed),
        Err(ReadError::Database(error)) => Err(error.into()),
        Err(error @ ReadError::Unusable(_)) => Err(MatchError::Unusable(error.to_string())),
    }
}

/// One transaction that only reads, in one snapshot.
async fn in_a_snapshot<T>(
    database: &Database,
    work: impl AsyncFn(&mut PgTransaction<'static>) -> Result<T, sqlx::Error>,
) -> Result<T, sqlx::Error> {
    let work = async |transaction: &mut PgTransaction<'static>| {
        sqlx::query!("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            .execute(&mut **transaction)
            .await?;
        work(transaction).await
    };
    database.run("replay", work).await
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

/// Pages of a recording, read while it keeps its run and its gaps.
struct Pages<'a> {
    database: &'a Database,
    recording: Uuid,
    run: i32,
    gaps: &'a [i32],
}

impl Pages<'_> {
    /// The blocks of the chunks `range`, if the recording is still what it was when the reading began.
    async fn page(&self, pinned: &Pinned, range: Range<i32>) -> Result<Vec<BlockAnalysis>, ReadError> {
        let read = async |transaction: &mut PgTransaction<'static>| {
            let is_same = matched(transaction, self.recording, self.run).await?.is_some()
                && gaps::of(transaction, self.recording).await? == self.gaps;
            if !is_same {
                return Ok(None);
            }
            chunks::blocks(transaction, pinned, range.clone()).await.map(Some)
        };
        in_a_snapshot(self.database, read).await?.ok_or(ReadError::Changed)
    }
}

/// The two readings, and what people said of the recording.
async fn read(
    pages: &Pages<'_>,
    matched: Matched,
    gaps: &[i32],
    said: Vec<Stored>,
) -> Result<Replayed, ReadError> {
    let pinned = matched.pinned(pages.recording);
    let (chunk_count, settings) = (matched.chunk_count, matched.settings.0.clone());
    let of = Recording { pinned, chunk_count, settings };
    let mut page = async |range| pages.page(&of.pinned, range).await;
    let survey = reading::survey(&mut page, &of).await?;
    let mut labelling = aside(move || survey.decide()).await?;
    if !said.is_empty() {
        labelling = labelling.to_be_corrected();
    }
    let labelled = reading::label(&mut page, &of, labelling).await?;
    let (gaps, decision) = (gaps.to_vec(), labelled.decision());
    if said.is_empty() {
        let found = labelled.diarization();
        return Ok(Replayed { matched, gaps, found, decision, applied: Vec::new(), pinned: of.pinned });
    }
    let made = corrections::made(&said);
    let (found, applied) = aside(move || {
        let (corrected, applied) = Corrected::of(labelled, &made);
        (corrected.diarization(), applied)
    })
    .await?;
    let applied = said.iter().map(|it| it.number).zip(applied).collect();
    Ok(Replayed { matched, gaps, found, decision, applied, pinned: of.pinned })
}

/// Does what takes long on a thread of its own: signs of life are given meanwhile.
async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, ReadError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| ReadError::Unusable(format!("it could not be worked on: {error}")))
}
