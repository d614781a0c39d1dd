//! Check: what must hold after every step, whatever has happened.

use super::recording::{self, MODELS, Provisional};
use super::services::Services;
use crate::matches;
use diarization::evidence::Match;
use diarization::timeline::Turn;
use matcher::reference_set;
use pgvector::Vector;
use sqlx::PgPool;
use sqlx::types::Json;
use std::collections::HashMap;
use uuid::Uuid;

/// A row of `turns`: first frame, end frame, speaker, label, whether it is provisional.
type TurnRow = (i32, i32, i32, String, bool);

/// State of one recording in the database.
#[derive(Clone, Debug, PartialEq, sqlx::FromRow)]
pub struct Row {
    /// Its id.
    pub id: Uuid,
    /// Its run.
    pub run: i32,
    /// Its state.
    pub state: String,
    /// Reason for its failure.
    pub failure: Option<String>,
    /// Model version that the run is pinned to.
    pub model_version: String,
    /// Cursor.
    pub next_chunk: i32,
    /// Number of chunks, once decoded.
    pub chunk_count: Option<i32>,
    /// Chunks stored.
    chunks: Vec<i32>,
    /// Chunks in the inbox, of whatever model.
    inbox: Vec<i32>,
    /// Those of the model that the run is pinned to.
    analysed: Vec<i32>,
    /// Gaps.
    pub gaps: Vec<i32>,
    turns: Json<Vec<TurnRow>>,
    references: Option<Vec<u8>>,
}

impl Row {
    /// True while it is in work.
    pub fn in_work(&self) -> bool {
        matches!(self.state.as_str(), "queued" | "processing")
    }
}

const SNAPSHOT: &str = "
    SELECT r.id, r.run, r.state, r.failure, r.model_version, r.next_chunk, r.chunk_count,
           ARRAY(SELECT chunk FROM chunks WHERE recording_id = r.id ORDER BY chunk) AS chunks,
           ARRAY(SELECT chunk FROM inbox WHERE recording_id = r.id ORDER BY chunk) AS inbox,
           ARRAY(SELECT chunk FROM inbox WHERE recording_id = r.id AND model_version = r.model_version
                 AND configuration = r.configuration ORDER BY chunk) AS analysed,
           ARRAY(SELECT chunk FROM gaps WHERE recording_id = r.id ORDER BY chunk) AS gaps,
           (SELECT coalesce(jsonb_agg(jsonb_build_array(first_frame, end_frame, speaker, speaker_label, provisional)
                                      ORDER BY first_frame, end_frame, speaker), '[]')
            FROM turns WHERE recording_id = r.id) AS turns,
           r.reference_set AS references
    FROM recordings r ORDER BY r.id";

/// All recordings as they are.
pub async fn snapshot(pool: &PgPool) -> Result<Vec<Row>, String> {
    sqlx::query_as(SNAPSHOT).fetch_all(pool).await.map_err(|error| format!("the snapshot failed: {error}"))
}

/// Earlier observations of a run.
#[derive(Clone, Debug, Default)]
struct Before {
    run: i32,
    row: Option<Row>,
    /// For each matched chunk, whether it was matched as a gap.
    gaps: Vec<i32>,
    matched: i32,
    was_complete: bool,
}

/// Watches recordings from step to step.
#[derive(Default)]
pub struct Checker {
    before: HashMap<Uuid, Before>,
}

macro_rules! hold {
    ($condition:expr, $($words:tt)+) => {
        if !$condition {
            return Err(format!($($words)+));
        }
    };
}

impl Checker {
    /// Makes sure that all of `rows` may follow on what was seen before.
    pub async fn check(&mut self, services: &Services, rows: &[Row]) -> Result<(), String> {
        for row in rows {
            let index = services.index(row.id).ok_or_else(|| format!("{} is nobody's recording", row.id))?;
            let before = self.before.entry(row.id).or_default();
            if before.run != row.run {
                *before = Before { run: row.run, ..Before::default() };
            }
            if before.row.as_ref() == Some(row) {
                continue;
            }
            step(services, index, before, row).await?;
            if row.state.starts_with("completed") {
                voices(services, index, row).await?;
                before.was_complete = true;
            }
            before.row = Some(row.clone());
        }
        Ok(())
    }
}

async fn step(services: &Services, index: usize, before: &mut Before, row: &Row) -> Result<(), String> {
    let spec = &services.recordings[index];
    let name = format!("recording {index} in run {}", row.run);
    let model = model_of(row)?;
    let stored = row.chunks.len() as i32;
    hold!(
        row.chunks.iter().copied().eq(0..stored),
        "{name}: the chunks {:?} were ordered, out of order",
        row.chunks
    );
    hold!(
        row.chunk_count.is_none_or(|count| count as usize == spec.chunks() && count == stored),
        "{name}: {:?} chunks were counted and {stored} stored, of {}",
        row.chunk_count,
        spec.chunks()
    );
    hold!(row.inbox == row.analysed, "{name}: the inbox holds analyses of another model");
    hold!(
        row.inbox.windows(2).all(|pair| pair[0] < pair[1]),
        "{name}: the inbox holds chunks twice: {:?}",
        row.inbox
    );
    hold!(
        row.next_chunk >= before.matched,
        "{name}: the cursor went back from {} to {}",
        before.matched,
        row.next_chunk
    );
    for chunk in before.matched..row.next_chunk {
        if row.analysed.contains(&chunk) {
            continue;
        }
        hold!(row.gaps.contains(&chunk), "{name}: the cursor passed chunk {chunk}, which has not arrived");
        before.gaps.push(chunk);
    }
    before.matched = row.next_chunk;
    match row.state.as_str() {
        "completed" => hold!(row.gaps.is_empty(), "{name} is completed with the gaps {:?}", row.gaps),
        "completed_with_gaps" => {
            hold!(
                !row.gaps.is_empty() && spec.allow_gaps,
                "{name} is completed with gaps {:?}, which nobody allowed",
                row.gaps
            );
        }
        _ => return shown(services, index, model, before, row).await,
    }
    hold!(
        row.chunk_count == Some(row.next_chunk),
        "{name} is completed at chunk {} of {:?}",
        row.next_chunk,
        row.chunk_count
    );
    let oracle = whole(services, index, model, row);
    let label = |speaker: usize| oracle.speakers[speaker].label.clone();
    let turns = rows_of(&oracle.turns, label, false);
    hold!(
        row.turns.0 == turns,
        "{name} is completed with other turns than in one process:\n{:?}\n{turns:?}",
        row.turns.0
    );
    hold!(
        matched(services, row, &oracle.matches).await?,
        "{name} is completed with other matches than in one process"
    );
    Ok(())
}

/// True if the matches stored are `wanted`.
async fn matched(services: &Services, row: &Row, wanted: &[Match]) -> Result<bool, String> {
    let stored = matches::stored(&services.pool, row.id).await.map_err(|error| error.to_string())?;
    Ok(stored == matches::rows_of(wanted))
}

fn model_of(row: &Row) -> Result<usize, String> {
    let model = MODELS.iter().position(|(version, _)| *version == row.model_version);
    model.ok_or_else(|| format!("nobody knows the model {}", row.model_version))
}

fn whole(services: &Services, index: usize, model: usize, row: &Row) -> diarization::diarize::Diarization {
    let spec = &services.recordings[index];
    let blocks = spec.without(services.analysis(index, model, row.run).to_vec(), &row.gaps);
    recording::whole(&blocks, &spec.settings())
}

/// Turns shown while a recording is not completed: those of the matched chunks, as one process would show them.
async fn shown(
    services: &Services,
    index: usize,
    model: usize,
    before: &Before,
    row: &Row,
) -> Result<(), String> {
    let spec = &services.recordings[index];
    // Those of an earlier run stay until this one has something to show; and those of a result that is to be made anew.
    if row.next_chunk == 0 || before.was_complete {
        return Ok(());
    }
    let end = usize::from(spec.blocks).min(row.next_chunk as usize * usize::from(spec.chunk_blocks));
    let blocks = services.analysis(index, model, row.run)[..end].to_vec();
    let settings = spec.settings();
    let Provisional { turns, references, matches } =
        recording::provisional(&spec.without(blocks, &before.gaps), &settings);
    let turns = rows_of(&turns, |speaker| settings.labels.label(speaker), true);
    hold!(
        row.turns.0 == turns,
        "recording {index} in run {} shows other turns after {} chunks than one process:\n{:?}\n{turns:?}",
        row.run,
        row.next_chunk,
        row.turns.0
    );
    hold!(
        matched(services, row, &matches).await?,
        "recording {index} in run {} shows other matches after {} chunks than one process",
        row.run,
        row.next_chunk
    );
    hold!(
        row.references.as_deref().and_then(reference_set::read) == Some(references),
        "recording {index} in run {} knows other speakers after {} chunks than one process",
        row.run,
        row.next_chunk
    );
    Ok(())
}

fn rows_of(turns: &[Turn], label: impl Fn(usize) -> String, provisional: bool) -> Vec<TurnRow> {
    let row = |turn: &Turn| {
        let (first, end, speaker) = (turn.first_frame as i32, turn.end_frame as i32, turn.speaker as i32);
        (first, end, speaker, label(turn.speaker), provisional)
    };
    turns.iter().map(row).collect()
}

/// The voices of a completed recording: those of one process, of the model that the run is pinned to.
async fn voices(services: &Services, index: usize, row: &Row) -> Result<(), String> {
    let found: Vec<(String, String, Vector)> = sqlx::query_as(
        "SELECT speaker_label, model_version, embedding_vector FROM speaker_embeddings WHERE recording_id = $1 ORDER BY speaker",
    )
    .bind(row.id)
    .fetch_all(&services.pool)
    .await
    .map_err(|error| error.to_string())?;
    let found: Vec<_> =
        found.into_iter().map(|(label, model, vector)| (label, model, vector.to_vec())).collect();
    let oracle = whole(services, index, model_of(row)?, row);
    let wanted: Vec<_> =
        oracle.speakers.into_iter().map(|s| (s.label, row.model_version.clone(), s.embedding)).collect();
    hold!(found == wanted, "recording {index} in run {} has other voices than in one process", row.run);
    Ok(())
}
