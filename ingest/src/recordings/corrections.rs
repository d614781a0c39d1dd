//! Corrections: what a person says of a recording is stored with all that follows from it, in one transaction.

use super::view::{is_completed, snapshot};
use crate::context::Context;
use diarization::blocks::frame_count;
use diarization::corrections::{Corrected, Correction, Made, Refusal, Request};
use diarization::diarize::{Diarization, Settings};
use diarization::labelling::Labelling;
use results::chunks::{self, Pinned};
use results::corrections::{self, Stored};
use results::reading::{self, ReadError, Recording};
use results::{decision, outcome};
use service_kit::transaction;
use sqlx::types::Json;
use sqlx::{PgPool, PgTransaction};
use std::sync::{Mutex, PoisonError};
use uuid::Uuid;

/// Most corrections of a recording: all are applied whenever one is made.
const MOST: usize = 1000;

/// Outcome of a correction.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// It holds; all that there are.
    Done(Vec<Stored>),
    /// There is no such recording.
    Unknown,
    /// The recording is in this state, in which nothing can be corrected.
    NotCompleted(String),
    /// It cannot be done.
    Refused(Refusal),
    /// Later ones, up to this, must be taken back before.
    NotLast(i32),
    /// There are as many as are kept.
    TooMany(usize),
    /// The recording's analyses cannot be used.
    Unusable(String),
}

/// Change of a recording's corrections.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    /// One more correction.
    Add(Request),
    /// Take the last one, which has this number, back. Nothing is done where it is gone already, so that this can be said twice.
    Undo(i32),
}

/// A recording that can be corrected, under its lock.
struct Locked {
    recording: Recording,
    said: Vec<Stored>,
    /// Its length, frames.
    frames: Option<usize>,
    /// Number of the last correction that was ever made: none has a number that another had.
    last_number: i32,
}

/// The corrections of the recording `id`, if there is one.
pub(crate) async fn list(pool: &PgPool, id: Uuid) -> Result<Option<Vec<Stored>>, sqlx::Error> {
    let mut snapshot = snapshot(pool).await?;
    let row =
        sqlx::query!("SELECT model_version, configuration, chunk_blocks FROM recordings WHERE id = $1", id)
            .fetch_optional(&mut *snapshot)
            .await?;
    let Some(row) = row else { return Ok(None) };
    let pinned = Pinned {
        recording: id,
        model_version: row.model_version,
        configuration: row.configuration,
        chunk_blocks: row.chunk_blocks,
    };
    corrections::stored(&mut snapshot, &pinned).await.map(Some)
}

/// Makes `change`, relabels the recording and commits both.
#[tracing::instrument(name = "correct", skip_all, fields(recording = %id))]
pub(crate) async fn change(context: &Context, id: Uuid, change: &Change) -> Result<Outcome, sqlx::Error> {
    // A commit whose answer was lost is tried again, and then the correction is there already.
    let tried = Mutex::new(None);
    transaction::run(&context.pool, "correct", &context.shutdown, async |transaction| {
        let locked = match lock(transaction, id).await? {
            Ok(locked) => locked,
            Err(outcome) => return Ok(outcome),
        };
        if let Some((number, correction)) = &*tried.lock().unwrap_or_else(PoisonError::into_inner)
            && locked.said.iter().any(|it| it.number == *number && it.made.correction == *correction)
        {
            return Ok(Outcome::Done(locked.said));
        }
        match make(transaction, locked, change, &tried).await {
            Ok(outcome) => Ok(outcome),
            Err(ReadError::Database(error @ (sqlx::Error::Decode(_) | sqlx::Error::ColumnDecode { .. }))) => {
                Ok(Outcome::Unusable(error.to_string()))
            }
            Err(ReadError::Database(error)) => Err(error),
            Err(ReadError::Unusable(why)) => Ok(Outcome::Unusable(why)),
            Err(error @ ReadError::Changed) => Ok(Outcome::Unusable(error.to_string())),
        }
    })
    .await
}

/// Locks the recording, so that its corrections are made one after the other; or says why it cannot be corrected.
async fn lock(
    transaction: &mut PgTransaction<'static>,
    id: Uuid,
) -> Result<Result<Locked, Outcome>, sqlx::Error> {
    let row = sqlx::query!(
        r#"SELECT state, model_version, configuration, chunk_blocks, chunk_count, corrections_made, samples, settings AS "settings: Json<Settings>"
           FROM recordings WHERE id = $1 FOR UPDATE"#,
        id
    )
    .fetch_optional(&mut **transaction)
    .await?;
    let Some(row) = row else { return Ok(Err(Outcome::Unknown)) };
    let Some(chunk_count) = row.chunk_count.filter(|_| is_completed(&row.state)) else {
        return Ok(Err(Outcome::NotCompleted(row.state)));
    };
    let pinned = Pinned {
        recording: id,
        model_version: row.model_version,
        configuration: row.configuration,
        chunk_blocks: row.chunk_blocks,
    };
    let said = corrections::stored(transaction, &pinned).await?;
    let recording = Recording { pinned, chunk_count, settings: row.settings.0 };
    let frames = row.samples.and_then(|samples| usize::try_from(samples).ok()).map(frame_count);
    Ok(Ok(Locked { recording, said, frames, last_number: row.corrections_made }))
}

async fn make(
    transaction: &mut PgTransaction<'static>,
    locked: Locked,
    change: &Change,
    tried: &Mutex<Option<(i32, Correction)>>,
) -> Result<Outcome, ReadError> {
    let Locked { recording, mut said, frames, last_number } = locked;
    let id = recording.pinned.recording;
    let request = match change {
        Change::Add(_) if said.len() >= MOST => return Ok(Outcome::TooMany(MOST)),
        Change::Add(request) => Some(request.clone()),
        Change::Undo(number) => {
            match said.last().map_or(0, |last| last.number) {
                last if last < *number => return Ok(Outcome::Done(said)),
                last if last > *number => return Ok(Outcome::NotLast(last)),
                _ => said.pop(),
            };
            corrections::remove(transaction, id, *number).await?;
            None
        }
    };
    let stored = decision::stored(transaction, id).await?;
    let is_new = stored.is_none();
    let labelling = match stored {
        Some(decision) => Labelling::again(&recording.settings, decision),
        // Completed before decisions were kept.
        None => {
            let pages = async |page| chunks::blocks(transaction, &recording.pinned, page).await;
            reading::survey(pages, &recording).await?.decide()
        }
    };
    let pages = async |page| chunks::blocks(transaction, &recording.pinned, page).await;
    let labelled = reading::label(pages, &recording, labelling.to_be_corrected()).await?;
    if is_new {
        decision::store(transaction, id, &labelled.decision()).await?;
    }
    let made = corrections::made(&said);
    // On this thread, which is for corrections alone.
    let (mut corrected, applied) = Corrected::of(labelled, &made);
    frames.into_iter().for_each(|frames| corrected.end_at(frames));
    let correction = match request.map(|request| corrected.correction(&request)).transpose() {
        Ok(correction) => correction,
        Err(refusal) => return Ok(Outcome::Refused(refusal)),
    };
    if let Some(correction) = &correction {
        corrected.apply(&Made { correction: correction.clone(), same_analyses: true });
    }
    let found = corrected.diarization();
    // Whoever is gone by now has it stop here.
    tokio::task::yield_now().await;
    let applied: Vec<(i32, bool)> = said.iter().map(|it| it.number).zip(applied).collect();
    corrections::note_applied(transaction, id, &applied).await?;
    if let Some(correction) = correction {
        let number = last_number + 1;
        corrections::add(transaction, &recording.pinned, number, &correction).await?;
        *tried.lock().unwrap_or_else(PoisonError::into_inner) = Some((number, correction));
    }
    commit(transaction, &recording.pinned, &found).await?;
    Ok(Outcome::Done(corrections::stored(transaction, &recording.pinned).await?))
}

async fn commit(
    transaction: &mut PgTransaction<'static>,
    pinned: &Pinned,
    found: &Diarization,
) -> Result<(), sqlx::Error> {
    outcome::replace(transaction, pinned, found).await?;
    sqlx::query!("UPDATE recordings SET updated_at = now() WHERE id = $1", pinned.recording)
        .execute(&mut **transaction)
        .await?;
    Ok(())
}
