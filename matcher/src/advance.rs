//! Advance: matches the chunks that are ready in order, and commits their provisional turns together with the cursor.

use crate::chunks::{self, Pinned};
use crate::database::Database;
use crate::error::MatchError;
use crate::matches;
use crate::reference_set;
use crate::state::{self, Next};
use crate::turns;
use diarization::analysis::BlockAnalysis;
use diarization::blocks::BLOCK_FRAMES;
use diarization::diarize::Settings;
use diarization::evidence::{self, Choice, Match};
use diarization::matching::{self, ReferenceSet};
use diarization::timeline::{self, Turn};
use service_kit::telemetry;
use sqlx::PgTransaction;
use sqlx::types::Json;
use std::collections::BTreeMap;
use std::ops::Range;
use tracing::Span;
use uuid::Uuid;

/// A recording whose row is locked.
struct Locked {
    next_chunk: i32,
    chunk_count: Option<i32>,
    chunk_blocks: i32,
    model_version: String,
    configuration: String,
    settings: Json<Settings>,
    reference_set: Option<Vec<u8>>,
}

/// Matches all chunks that are ready. True when the recording can be finalised. Concerns only recordings that are in work,
/// in run `run`; of any other, nothing changes.
#[tracing::instrument(name = "advance", skip_all, fields(%recording))]
pub async fn advance(database: &Database, recording: Uuid, run: i32) -> Result<bool, MatchError> {
    loop {
        let next = database
            .run("advance", async |transaction: &mut PgTransaction<'static>| {
                step(transaction, recording, run).await
            })
            .await?;
        match next {
            Next::Match { chunks } => {
                metrics::counter!("throughline_chunks_matched_total").increment(chunks as u64);
            }
            Next::Finalise => return Ok(true),
            Next::Wait => return Ok(false),
        }
    }
}

/// Does one bounded step in one transaction and says what it was.
async fn step(
    transaction: &mut PgTransaction<'static>,
    recording: Uuid,
    run: i32,
) -> Result<Next, sqlx::Error> {
    let locked = sqlx::query_as!(
        Locked,
        r#"SELECT next_chunk, chunk_count, chunk_blocks, model_version, configuration,
                  settings AS "settings: Json<Settings>", reference_set
           FROM recordings WHERE id = $1 AND run = $2 AND state IN ('queued', 'processing')
           FOR UPDATE"#,
        recording,
        run
    )
    .fetch_optional(&mut **transaction)
    .await?;
    let Some(mut locked) = locked else { return Ok(Next::Wait) };
    let mut references = ReferenceSet::default();
    if let Some(bytes) = &locked.reference_set {
        match reference_set::read(bytes) {
            Some(stored) => references = stored,
            // All that was matched is in the inbox still.
            None => {
                tracing::info!(%recording, "another release of the matcher has begun the recording: matched anew from its first chunk");
                locked.next_chunk = 0;
            }
        }
    }
    let arrived = sqlx::query_scalar!(
        r#"SELECT chunk AS "chunk!" FROM inbox
           WHERE recording_id = $1 AND model_version = $2 AND configuration = $3 AND chunk >= $4 AND chunk < $4 + $5::integer
           UNION
           SELECT chunk FROM gaps WHERE recording_id = $1 AND chunk >= $4 AND chunk < $4 + $5::integer
           ORDER BY 1"#,
        recording,
        locked.model_version,
        locked.configuration,
        locked.next_chunk,
        chunks::page_chunks(locked.chunk_blocks)
    )
    .fetch_all(&mut **transaction)
    .await?;
    let next = state::next(locked.next_chunk, locked.chunk_count, &arrived);
    if let Next::Match { chunks } = next {
        let end = locked.next_chunk + chunks as i32;
        match_chunks(transaction, recording, locked, references, end).await?;
    }
    Ok(next)
}

async fn match_chunks(
    transaction: &mut PgTransaction<'static>,
    recording: Uuid,
    locked: Locked,
    mut references: ReferenceSet,
    end: i32,
) -> Result<(), sqlx::Error> {
    let pinned = Pinned {
        recording,
        model_version: locked.model_version,
        configuration: locked.configuration,
        chunk_blocks: locked.chunk_blocks,
    };
    link_arrivals(transaction, &pinned, locked.next_chunk..end).await?;
    let blocks = chunks::blocks(transaction, &pinned, locked.next_chunk..end).await?;
    let (mut shown, matched) = fold(&mut references, &blocks, &locked.settings);
    if locked.next_chunk == 0 {
        // What an earlier run has shown ends where this one has something to show.
        turns::clear(transaction, recording).await?;
        matches::clear(transaction, recording).await?;
    }
    let border = locked.next_chunk as usize * locked.chunk_blocks as usize * BLOCK_FRAMES;
    continue_across(transaction, recording, &mut shown, border).await?;
    turns::insert(transaction, recording, &shown, true, |speaker| locked.settings.labels.label(speaker))
        .await?;
    matches::insert(transaction, recording, &matched).await?;
    let stored = reference_set::write(&references).map_err(|error| sqlx::Error::Encode(error.into()))?;
    sqlx::query!(
        "UPDATE recordings SET next_chunk = $2, reference_set = $3, state = 'processing', updated_at = now() WHERE id = $1",
        recording,
        end,
        stored
    )
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

/// Links this step with the arrivals of all chunks that it matches: each came with a message of its own.
async fn link_arrivals(
    transaction: &mut PgTransaction<'static>,
    pinned: &Pinned,
    range: Range<i32>,
) -> Result<(), sqlx::Error> {
    let arrivals = sqlx::query_scalar!(
        r#"SELECT trace AS "trace: Json<BTreeMap<String, String>>" FROM inbox
           WHERE recording_id = $1 AND model_version = $2 AND configuration = $3 AND chunk >= $4 AND chunk < $5 AND trace <> '{}'"#,
        pinned.recording,
        pinned.model_version,
        pinned.configuration,
        range.start,
        range.end
    )
    .fetch_all(&mut **transaction)
    .await?;
    let span = Span::current();
    arrivals.iter().for_each(|arrival| telemetry::link(&span, arrival));
    Ok(())
}

/// Matches blocks in order: what [`diarization::diarize::Diarizer::push`] does, with the turns joined across the borders
/// between these blocks; and the matches behind them.
fn fold(
    references: &mut ReferenceSet,
    blocks: &[BlockAnalysis],
    settings: &Settings,
) -> (Vec<Turn>, Vec<Match>) {
    let choices: Vec<Option<Choice>> =
        blocks.iter().flat_map(|block| references.match_block(&block.pieces, &settings.hints)).collect();
    let turns = timeline::turns(blocks, &matching::speakers_of(&choices));
    (turns, evidence::matches(blocks.iter().flat_map(|block| &block.pieces), &choices))
}

/// Joins turns that begin at `border` with those of the same speaker that ended there: what is shown must not depend on
/// which chunks happened to be matched together.
async fn continue_across(
    transaction: &mut PgTransaction<'static>,
    recording: Uuid,
    turns: &mut [Turn],
    border: usize,
) -> Result<(), sqlx::Error> {
    let at_border: Vec<&mut Turn> = turns.iter_mut().filter(|turn| turn.first_frame == border).collect();
    if at_border.is_empty() {
        return Ok(());
    }
    let speakers: Vec<i32> = at_border.iter().map(|turn| turn.speaker as i32).collect();
    let ended = sqlx::query!(
        "DELETE FROM turns WHERE recording_id = $1 AND end_frame = $2 AND speaker = ANY($3) AND provisional
         RETURNING first_frame, speaker",
        recording,
        border as i32,
        &speakers
    )
    .fetch_all(&mut **transaction)
    .await?;
    for turn in at_border {
        if let Some(before) = ended.iter().find(|before| before.speaker as usize == turn.speaker) {
            turn.first_frame = before.first_frame as usize;
        }
    }
    Ok(())
}
