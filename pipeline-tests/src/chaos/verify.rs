//! Verify: every recording against the oracle, every table against what it should hold.

use super::client::Clients;
use super::quota::Quota;
use super::samples::{Made, Sample};
use super::watch::sample_of;
use crate::matches;
use diarization::rttm;
use pgvector::Vector;
use sqlx::{AssertSqlSafe, PgPool};
use std::collections::BTreeSet;
use uuid::Uuid;

/// Findings; all lists should be empty.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    /// Recordings looked at.
    pub recordings: usize,
    /// Of these, such as were accepted without their uploader learning of it.
    pub unannounced: usize,
    /// Accepted, and not there or not completed.
    pub lost: Vec<String>,
    /// Rows that are there twice, or are too many.
    pub doubled: Vec<String>,
    /// Another result than the oracle's.
    pub different: Vec<String>,
    /// Remains of a deleted recording.
    pub undead: Vec<String>,
    /// Uploads that were stored and never accepted.
    pub orphans: Vec<String>,
}

impl Verdict {
    /// Everything that should not be.
    pub fn failures(&self) -> Vec<String> {
        let lists = [
            ("lost", &self.lost),
            ("doubled", &self.doubled),
            ("different", &self.different),
            ("undead", &self.undead),
        ];
        lists.iter().flat_map(|(kind, list)| list.iter().map(move |what| format!("{kind}: {what}"))).collect()
    }
}

#[derive(sqlx::FromRow)]
struct Row {
    id: Uuid,
    title: String,
    model_version: String,
    state: String,
    failure: Option<String>,
    run: i32,
    next_chunk: i32,
    chunk_count: Option<i32>,
}

#[derive(Debug, PartialEq, Eq, sqlx::FromRow)]
struct Counts {
    chunks: i64,
    inbox: i64,
    turns: i64,
    provisional: i64,
    matches: i64,
    voices: i64,
    gaps: i64,
}

/// Looks at everything. The services must still run; nothing may be in work any more.
pub async fn verify(
    pool: &PgPool,
    clients: &Clients,
    samples: &[Sample],
    quota: &Quota,
) -> Result<Verdict, sqlx::Error> {
    let (accepted, deleted) = (clients.accepted(), clients.deleted());
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT id, title, model_version, state, failure, run, next_chunk, chunk_count FROM recordings ORDER BY id",
    )
    .fetch_all(pool)
    .await?;
    let mut verdict = Verdict { recordings: rows.len(), ..Verdict::default() };
    let there: BTreeSet<Uuid> = rows.iter().map(|row| row.id).collect();
    verdict.unannounced = there.difference(&accepted).count();
    for id in accepted.difference(&deleted).filter(|id| !there.contains(id)) {
        verdict.lost.push(format!("{id} was accepted and is not there"));
    }
    for row in &rows {
        one(pool, clients, samples, row, &mut verdict).await?;
    }
    leftovers(pool, &deleted, &there, quota, &mut verdict).await?;
    Ok(verdict)
}

async fn one(
    pool: &PgPool,
    clients: &Clients,
    samples: &[Sample],
    row: &Row,
    verdict: &mut Verdict,
) -> Result<(), sqlx::Error> {
    let Row { id, title, run, .. } = row;
    let name = format!("{title} ({id}, run {run})");
    if row.state != "completed" {
        let (next, count) = (row.next_chunk, row.chunk_count);
        let failure = row.failure.as_deref().unwrap_or("no reason");
        verdict
            .lost
            .push(format!("{name} is {}: {next} of {count:?} chunks are matched, {failure}", row.state));
        return Ok(());
    }
    let sample = sample_of(samples, title);
    let made = sample.and_then(|sample| sample.made_by(&row.model_version));
    let (Some(sample), Some(made)) = (sample, made) else {
        verdict.different.push(format!("{name} is of no sample, or by no release"));
        return Ok(());
    };
    let counts: Counts = sqlx::query_as(
        "SELECT (SELECT count(*) FROM chunks WHERE recording_id = $1) AS chunks,
                (SELECT count(*) FROM inbox WHERE recording_id = $1) AS inbox,
                (SELECT count(*) FROM turns WHERE recording_id = $1) AS turns,
                (SELECT count(*) FROM turns WHERE recording_id = $1 AND provisional) AS provisional,
                (SELECT count(*) FROM matches WHERE recording_id = $1) AS matches,
                (SELECT count(*) FROM speaker_embeddings WHERE recording_id = $1) AS voices,
                (SELECT count(*) FROM gaps WHERE recording_id = $1) AS gaps",
    )
    .bind(id)
    .fetch_one(pool)
    .await?;
    let chunks = made.chunks() as i64;
    let wanted = Counts {
        chunks,
        inbox: chunks,
        turns: made.expected.turns.len() as i64,
        provisional: 0,
        matches: made.expected.matches.len() as i64,
        voices: made.expected.speakers.len() as i64,
        gaps: 0,
    };
    if counts != wanted {
        verdict.doubled.push(format!("{name} has {counts:?} where {wanted:?} is right"));
    }
    if clients.rttm(*id).await != rttm::write(&made.expected.segments(&sample.stem())) {
        verdict.different.push(format!("{name}: its RTTM is not the oracle's"));
    }
    if matches::stored(pool, *id).await? != matches::rows_of(&made.expected.matches) {
        verdict.different.push(format!("{name}: its matches are not the oracle's"));
    }
    if voices(pool, *id).await? != expected_voices(made) {
        verdict.different.push(format!("{name}: its voices are not the oracle's"));
    }
    Ok(())
}

/// Label, vector and seconds of each voice, to the last bit.
type Voices = Vec<(String, Vec<u32>, u64)>;

fn bits(vector: &[f32]) -> Vec<u32> {
    vector.iter().map(|value| value.to_bits()).collect()
}

async fn voices(pool: &PgPool, id: Uuid) -> Result<Voices, sqlx::Error> {
    let rows: Vec<(String, Vector, f64)> = sqlx::query_as(
        "SELECT speaker_label, embedding_vector, speech_seconds FROM speaker_embeddings
         WHERE recording_id = $1 ORDER BY speaker",
    )
    .bind(id)
    .fetch_all(pool)
    .await?;
    Ok(rows.into_iter().map(|(label, vector, s)| (label, bits(vector.as_slice()), s.to_bits())).collect())
}

fn expected_voices(made: &Made) -> Voices {
    let speakers = made.expected.speakers.iter();
    speakers.map(|s| (s.label.clone(), bits(&s.embedding), s.speech_seconds.to_bits())).collect()
}

/// Rows and objects of recordings that are deleted, and objects of recordings that never were.
async fn leftovers(
    pool: &PgPool,
    deleted: &BTreeSet<Uuid>,
    there: &BTreeSet<Uuid>,
    quota: &Quota,
    verdict: &mut Verdict,
) -> Result<(), sqlx::Error> {
    let deleted_ids: Vec<Uuid> = deleted.iter().copied().collect();
    let tables: Vec<(String, String)> = sqlx::query_as(
        "SELECT table_name::text, column_name::text FROM information_schema.columns
         WHERE table_schema = 'public' AND table_name NOT IN ('erasures', 'audit') AND (column_name = 'recording_id' OR (table_name = 'recordings' AND column_name = 'id'))",
    )
    .fetch_all(pool)
    .await?;
    for (table, column) in tables {
        let count = AssertSqlSafe(format!("SELECT count(*) FROM {table} WHERE {column} = ANY($1)"));
        let left: i64 = sqlx::query_scalar(count).bind(&deleted_ids).fetch_one(pool).await?;
        if left > 0 {
            verdict.undead.push(format!("{left} rows in {table} are of deleted recordings"));
        }
    }
    // Who deleted it stays in the audit on purpose. The id alone stays for half an hour, to look once more; by now the store must have said that nothing is there.
    let open: i64 =
        sqlx::query_scalar("SELECT count(*) FROM erasures WHERE emptied_at IS NULL").fetch_one(pool).await?;
    if open > 0 {
        verdict.undead.push(format!("{open} deletions are not worked off"));
    }
    for file in quota.files().into_iter().filter(|file| !file.ends_with("store-id")) {
        let id = file.components().nth(1).and_then(|part| part.as_os_str().to_str()?.parse::<Uuid>().ok());
        match id {
            Some(id) if deleted.contains(&id) => verdict.undead.push(format!("{} is left", file.display())),
            Some(id) if there.contains(&id) => {}
            _ => verdict.orphans.push(file.display().to_string()),
        }
    }
    Ok(())
}
