//! Watch: looks all the while at what is committed. Whatever is killed wherever, committed chunks are a prefix of the recording,
//! and what is shown of it is what one process shows after the same chunks.

use super::samples::Sample;
use diarization::timeline::Turn;
use sqlx::{PgPool, Row};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use uuid::Uuid;

/// Time between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Findings kept: the first tell most.
const MOST: usize = 20;

/// Observations of the watch.
#[derive(Default)]
pub struct Seen {
    findings: Mutex<Vec<String>>,
    looks: Mutex<usize>,
}

impl Seen {
    /// Findings that should not be.
    pub fn findings(&self) -> Vec<String> {
        self.findings.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Number of looks at a recording in mid-work.
    pub fn looks(&self) -> usize {
        *self.looks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, finding: String) {
        let mut findings = self.findings.lock().unwrap_or_else(PoisonError::into_inner);
        if findings.len() < MOST {
            println!("!! {finding}");
            findings.push(finding);
        }
    }
}

/// Turns, each with its label.
type Labelled = Vec<(Turn, String)>;

/// A recording in mid-work.
struct InWork {
    id: Uuid,
    title: String,
    model_version: String,
    run: i32,
    next_chunk: i32,
    turns: Labelled,
}

/// Looks until it is dropped with its task.
pub async fn watch(pool: PgPool, samples: Arc<Vec<Sample>>, seen: Arc<Seen>) {
    let mut cursors: BTreeMap<(Uuid, i32), i32> = BTreeMap::new();
    let mut shown: BTreeMap<(&str, &str, i32), Labelled> = BTreeMap::new();
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        // A database that is away shows nothing.
        let Ok(all) = in_work(&pool).await else { continue };
        for it in all {
            *seen.looks.lock().unwrap_or_else(PoisonError::into_inner) += 1;
            let cursor = cursors.entry((it.id, it.run)).or_insert(it.next_chunk);
            if it.next_chunk < *cursor {
                seen.add(format!("{}: the cursor went from {cursor} back to {}", it.title, it.next_chunk));
            }
            *cursor = it.next_chunk;
            let Some(sample) = sample_of(&samples, &it.title) else { continue };
            let Some(made) = sample.made_by(&it.model_version) else { continue };
            let expected = shown
                .entry((sample.name, &made.model_version, it.next_chunk))
                .or_insert_with(|| made.provisional(it.next_chunk as usize));
            if *expected != it.turns {
                let missing = expected.iter().filter(|turn| !it.turns.contains(turn)).count();
                let surplus = it.turns.iter().filter(|turn| !expected.contains(turn)).count();
                seen.add(format!(
                    "{} ({}, run {}): with the cursor at {} the turns are not those of {} chunks: {missing} are missing, {surplus} are too many",
                    it.title, it.id, it.run, it.next_chunk, it.next_chunk
                ));
            }
        }
    }
}

/// The sample that a recording with this title was made from.
pub fn sample_of<'a>(samples: &'a [Sample], title: &str) -> Option<&'a Sample> {
    let name = title.split(' ').next()?;
    samples.iter().find(|sample| sample.name == name)
}

/// Snapshot of all recordings in mid-work.
async fn in_work(pool: &PgPool) -> Result<Vec<InWork>, sqlx::Error> {
    let mut transaction = pool.begin().await?;
    sqlx::query("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ").execute(&mut *transaction).await?;
    let rows = sqlx::query(
        "SELECT r.id, r.title, r.model_version, r.run, r.next_chunk, t.first_frame, t.end_frame, t.speaker, t.speaker_label
         FROM recordings r LEFT JOIN turns t ON t.recording_id = r.id
         WHERE r.state = 'processing' AND r.next_chunk > 0
         ORDER BY r.id, t.first_frame, t.end_frame, t.speaker",
    )
    .fetch_all(&mut *transaction)
    .await?;
    transaction.commit().await?;
    let mut all: Vec<InWork> = Vec::new();
    for row in rows {
        let id: Uuid = row.try_get("id")?;
        if all.last().is_none_or(|last| last.id != id) {
            let (title, model_version) = (row.try_get("title")?, row.try_get("model_version")?);
            let (run, next_chunk) = (row.try_get("run")?, row.try_get("next_chunk")?);
            all.push(InWork { id, title, model_version, run, next_chunk, turns: Vec::new() });
        }
        let Some(first) = row.try_get::<Option<i32>, _>("first_frame")? else { continue };
        let turn = Turn {
            first_frame: first as usize,
            end_frame: row.try_get::<i32, _>("end_frame")? as usize,
            speaker: row.try_get::<i32, _>("speaker")? as usize,
        };
        if let Some(last) = all.last_mut() {
            last.turns.push((turn, row.try_get("speaker_label")?));
        }
    }
    Ok(all)
}
