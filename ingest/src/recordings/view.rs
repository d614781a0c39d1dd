//! View: what readers see of recordings, each answer from one snapshot of the database.

use super::filter::Filter;
use super::labels::Labels;
use super::priority::Priority;
use super::{checks, matches, state};
use crate::http::ChannelsWanted;
use chrono::{DateTime, Utc};
use diarization::blocks::{BLOCK_SAMPLES, FRAME_SECONDS, SAMPLE_RATE};
use diarization::channels::Channels;
use diarization::diarize::Settings;
use diarization::evidence;
use diarization::explanation::Explanation;
use diarization::timeline::Turn;
use serde::Serialize;
use sha2::{Digest, Sha256};
use sqlx::types::Json;
use sqlx::{PgPool, PgTransaction};
use std::collections::BTreeSet;
use utoipa::ToSchema;
use uuid::Uuid;

/// A recording, as the API shows it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Recording {
    pub id: Uuid,
    pub title: String,
    /// Name of the token of whoever sent it; empty where the service has no tokens.
    pub caller: String,
    /// Stem of the uploaded file's name; the file field of the recording's RTTM.
    pub file_name: String,
    #[schema(value_type = state::State)]
    pub state: String,
    /// Why it failed.
    pub failure: Option<String>,
    /// What was damaged in the file, and what was asked for and could not be.
    pub warnings: Vec<String>,
    /// Raised by every reprocessing.
    pub run: i32,
    pub chunks: Chunks,
    /// Known once decoding has ended.
    pub duration_seconds: Option<f64>,
    /// In the order in which they first speak.
    pub speakers: Vec<Speaker>,
    pub gaps: Vec<Gap>,
    pub settings: ShownSettings,
    /// What was done with the channels of the file: `mix`, or `separate` where each is heard by itself; known from the first chunk on.
    #[schema(value_type = Option<ChannelsDone>)]
    pub channels: Option<&'static str>,
    /// Models that it is analysed with.
    pub model_version: String,
    /// What an analysis with them contains.
    pub configuration: String,
    /// Digest of the upload, hexadecimal.
    pub sha256: String,
    /// Bytes of the upload.
    pub bytes: i64,
    pub created_at: DateTime<Utc>,
    pub completed_at: Option<DateTime<Utc>>,
    /// Another text whenever anything of this, or of what is shown beside it, has changed.
    pub revision: String,
}

/// Progress: chunks matched, of how many; the total is known once decoding has ended.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Chunks {
    pub done: i32,
    pub total: Option<i32>,
}

/// A part of the recording that could not be analysed.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Gap {
    pub start_seconds: f64,
    pub end_seconds: f64,
    pub reason: String,
}

/// One speaker.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Speaker {
    pub label: String,
    pub speech_seconds: f64,
}

/// What the uploader asked for, under the names that the upload takes.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Settings)]
pub(crate) struct ShownSettings {
    /// `numbered`, `interview` or names.
    pub labels: String,
    pub min_speakers: Option<usize>,
    pub max_speakers: Option<usize>,
    /// Probability from which two voices count as the same.
    pub threshold: f64,
    /// What is to be done with the channels of the file.
    #[schema(value_type = ChannelsWanted)]
    pub channels: &'static str,
    /// Which audio tracks of the file are heard: `default`, `all`, or the number of one.
    pub tracks: String,
    /// Whether chunks may be missing.
    pub allow_gaps: bool,
    /// Blocks of 59.94 s per chunk.
    pub chunk_blocks: i32,
    /// How soon it is analysed, beside others.
    #[schema(value_type = Priority)]
    pub priority: String,
}

/// What was done with the channels of a file.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[expect(dead_code, reason = "only the document needs it")]
pub(crate) enum ChannelsDone {
    /// All became one.
    Mix,
    /// Each is heard by itself.
    Separate,
}

/// A recording in a list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Summary {
    pub id: Uuid,
    pub title: String,
    /// Name of the token of whoever sent it.
    pub caller: String,
    #[schema(value_type = state::State)]
    pub state: String,
    pub failure: Option<String>,
    pub duration_seconds: Option<f64>,
    pub created_at: DateTime<Utc>,
    pub completed_at: Option<DateTime<Utc>>,
}

/// The turns of a recording.
pub(crate) struct Turns {
    pub state: String,
    pub file_stem: String,
    pub duration_seconds: Option<f64>,
    /// Time at which the turns were found; that of the last of them, while the recording is in work.
    pub found_at: DateTime<Utc>,
    pub turns: Vec<ShownTurn>,
}

/// One turn with the name of its speaker.
pub(crate) struct ShownTurn {
    pub turn: Turn,
    pub label: String,
    pub provisional: bool,
    /// True where a person has checked the turn.
    pub checked: bool,
    /// Unknown of what was matched before matches were stored, or where nobody asked.
    pub why: Option<Explanation>,
}

/// Seconds with three decimals, rounded as RTTM writes them.
pub(crate) fn milliseconds_of(seconds: f64) -> f64 {
    format!("{seconds:.3}").parse().unwrap_or(seconds)
}

/// Second at which a chunk begins, of a recording with `samples` samples where that is known.
pub(crate) fn seconds_of_chunk(chunk: i32, chunk_blocks: i32, samples: Option<i64>) -> f64 {
    let sample = i64::from(chunk) * i64::from(chunk_blocks) * BLOCK_SAMPLES as i64;
    milliseconds_of(samples.map_or(sample, |end| sample.min(end)) as f64 / f64::from(SAMPLE_RATE))
}

/// Seconds of so many samples.
pub(crate) fn duration(samples: Option<i64>) -> Option<f64> {
    samples.map(|samples| milliseconds_of(samples as f64 / f64::from(SAMPLE_RATE)))
}

/// The recording `id`, if there is one.
pub(crate) async fn recording(pool: &PgPool, id: Uuid) -> Result<Option<Recording>, sqlx::Error> {
    let mut snapshot = snapshot(pool).await?;
    let row = sqlx::query!(
        r#"SELECT title, caller, file_stem, state, failure, warnings || result_warnings AS "warnings!", run, next_chunk, chunk_count, samples, settings AS "settings: Json<Settings>",
                  allow_gaps, chunk_blocks, priority, model_version, configuration, upload_sha256, upload_bytes, created_at, completed_at, updated_at,
                  (SELECT max(channels) FROM chunks WHERE recording_id = $1) AS channels
           FROM recordings WHERE id = $1"#,
        id
    )
    .fetch_optional(&mut *snapshot)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let Json(Settings { hints, labels, channels, tracks }) = row.settings;
    let done = |channels: i16| if channels > 1 { Channels::Separate } else { Channels::Mix };
    let mut recording = Recording {
        id,
        gaps: gaps(&mut snapshot, id, row.chunk_blocks, row.samples).await?,
        speakers: if is_completed(&row.state) {
            speakers_found(&mut snapshot, id).await?
        } else {
            speakers_so_far(&mut snapshot, id).await?
        },
        title: row.title,
        caller: row.caller,
        file_name: row.file_stem,
        state: row.state,
        failure: row.failure,
        warnings: row.warnings,
        run: row.run,
        chunks: Chunks { done: row.next_chunk, total: row.chunk_count },
        duration_seconds: duration(row.samples),
        settings: ShownSettings {
            labels: labels.into(),
            min_speakers: hints.min_speakers,
            max_speakers: hints.max_speakers,
            threshold: hints.threshold.probability(),
            channels: channels.word(),
            tracks: tracks.to_string(),
            allow_gaps: row.allow_gaps,
            chunk_blocks: row.chunk_blocks,
            priority: row.priority,
        },
        channels: row.channels.map(|channels| done(channels).word()),
        model_version: row.model_version,
        configuration: row.configuration,
        sha256: row.upload_sha256,
        bytes: row.upload_bytes,
        created_at: row.created_at,
        completed_at: row.completed_at,
        revision: String::new(),
    };
    recording.revision = revision(&recording, row.updated_at);
    Ok(Some(recording))
}

/// A text for what is shown of a recording that was last changed at `updated_at`.
fn revision(recording: &Recording, updated_at: DateTime<Utc>) -> String {
    let mut hash = Sha256::new();
    hash.update(serde_json::to_vec(recording).unwrap_or_default());
    hash.update(updated_at.timestamp_micros().to_be_bytes());
    hex::encode(&hash.finalize()[..12])
}

/// The version of the recording's row, which changes with every change of it; `None` without such a recording. Much cheaper than to
/// read it all.
pub(crate) async fn version(pool: &PgPool, id: Uuid) -> Result<Option<String>, sqlx::Error> {
    sqlx::query_scalar!(r#"SELECT xmin::text AS "version!" FROM recordings WHERE id = $1"#, id)
        .fetch_optional(pool)
        .await
}

/// Up to `limit` recordings that pass `filter`, newest first. Ids rise with time, so the place in the list holds even
/// when the recording that it goes on from is deleted meanwhile.
pub(crate) async fn list(pool: &PgPool, limit: i64, filter: &Filter) -> Result<Vec<Summary>, sqlx::Error> {
    let rows = sqlx::query!(
        "SELECT id, title, caller, state, failure, samples, created_at, completed_at FROM recordings
         WHERE ($2::uuid IS NULL OR id < $2) AND ($3::text[] IS NULL OR state = ANY($3)) AND ($4::text IS NULL OR title ILIKE $4)
           AND ($5::timestamptz IS NULL OR created_at > $5) AND ($6::timestamptz IS NULL OR created_at < $6)
         ORDER BY id DESC LIMIT $1",
        limit,
        filter.before,
        filter.states.as_deref() as _,
        filter.title_pattern(),
        filter.created_after,
        filter.created_before
    )
    .fetch_all(pool)
    .await?;
    let summary = rows.into_iter().map(|row| Summary {
        id: row.id,
        title: row.title,
        caller: row.caller,
        state: row.state,
        failure: row.failure,
        duration_seconds: duration(row.samples),
        created_at: row.created_at,
        completed_at: row.completed_at,
    });
    Ok(summary.collect())
}

/// The turns of the recording `id`, in the order in which a diarization has them.
/// With why each is its speaker's only where that is asked for: there are many matches.
pub(crate) async fn turns(pool: &PgPool, id: Uuid, explained: bool) -> Result<Option<Turns>, sqlx::Error> {
    let mut snapshot = snapshot(pool).await?;
    let recording = sqlx::query!(
        r#"SELECT state, file_stem, samples, coalesce(completed_at, updated_at) AS "found_at!", settings AS "settings: Json<Settings>" FROM recordings WHERE id = $1"#,
        id
    )
    .fetch_optional(&mut *snapshot)
    .await?;
    let Some(recording) = recording else { return Ok(None) };
    let rows = sqlx::query!(
        "SELECT first_frame, end_frame, speaker, speaker_label, provisional FROM turns
         WHERE recording_id = $1 ORDER BY first_frame, end_frame, speaker",
        id
    )
    .fetch_all(&mut *snapshot)
    .await?;
    let frame = |value: i32| usize::try_from(value).unwrap_or_default();
    let turns: Vec<Turn> = rows
        .iter()
        .map(|row| Turn {
            first_frame: frame(row.first_frame),
            end_frame: frame(row.end_frame),
            speaker: frame(row.speaker),
        })
        .collect();
    let matches = if explained { matches::stored(&mut snapshot, id).await? } else { Vec::new() };
    let choices = evidence::of_turns(&turns, &matches);
    let shown = rows.iter().map(|row| (row.speaker, row.speaker_label.clone()));
    let labels = Labels::new(shown, recording.settings.0.labels);
    let label = |speaker: usize| labels.label(speaker);
    let checks = if explained { checks::stored(&mut snapshot, id).await? } else { Vec::new() };
    let now: BTreeSet<String> = rows.iter().map(|row| row.speaker_label.clone()).collect();
    let checks = checks::Checks::new(checks, &now);
    let shown = rows.into_iter().zip(turns).zip(choices).map(|((row, turn), choice)| ShownTurn {
        turn,
        checked: checks.cover(&turn, &row.speaker_label),
        label: row.speaker_label,
        provisional: row.provisional,
        why: choice.map(|choice| Explanation::of(&choice, label)),
    });
    Ok(Some(Turns {
        turns: shown.collect(),
        state: recording.state,
        file_stem: recording.file_stem,
        duration_seconds: duration(recording.samples),
        found_at: recording.found_at,
    }))
}

pub(super) async fn snapshot(pool: &PgPool) -> Result<PgTransaction<'static>, sqlx::Error> {
    pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await
}

/// True where turns and speakers are those decided over the whole recording.
pub(crate) fn is_completed(state: &str) -> bool {
    matches!(state, "completed" | "completed_with_gaps")
}

async fn gaps(
    snapshot: &mut PgTransaction<'static>,
    id: Uuid,
    chunk_blocks: i32,
    samples: Option<i64>,
) -> Result<Vec<Gap>, sqlx::Error> {
    let rows = sqlx::query!("SELECT chunk, reason FROM gaps WHERE recording_id = $1 ORDER BY chunk", id)
        .fetch_all(&mut **snapshot)
        .await?;
    let seconds = |chunk: i32| seconds_of_chunk(chunk, chunk_blocks, samples);
    let gap =
        |chunk: i32, reason| Gap { start_seconds: seconds(chunk), end_seconds: seconds(chunk + 1), reason };
    Ok(rows.into_iter().map(|row| gap(row.chunk, row.reason)).collect())
}

async fn speakers_found(
    snapshot: &mut PgTransaction<'static>,
    id: Uuid,
) -> Result<Vec<Speaker>, sqlx::Error> {
    let rows = sqlx::query!(
        "SELECT speaker_label, speech_seconds FROM speaker_embeddings WHERE recording_id = $1 ORDER BY speaker",
        id
    )
    .fetch_all(&mut **snapshot)
    .await?;
    let speaker = |label, seconds| Speaker { label, speech_seconds: milliseconds_of(seconds) };
    Ok(rows.into_iter().map(|row| speaker(row.speaker_label, row.speech_seconds)).collect())
}

async fn speakers_so_far(
    snapshot: &mut PgTransaction<'static>,
    id: Uuid,
) -> Result<Vec<Speaker>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"SELECT speaker_label, sum(end_frame - first_frame) AS "frames!" FROM turns
           WHERE recording_id = $1 GROUP BY speaker, speaker_label ORDER BY speaker"#,
        id
    )
    .fetch_all(&mut **snapshot)
    .await?;
    let speaker = |label, frames: i64| Speaker {
        label,
        speech_seconds: milliseconds_of(frames as f64 * FRAME_SECONDS),
    };
    Ok(rows.into_iter().map(|row| speaker(row.speaker_label, row.frames)).collect())
}
