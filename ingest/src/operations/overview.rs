//! Overview: what an operator sees at a glance, as the API shows it.

use super::problems::Trouble;
use crate::recordings::state::State;
use chrono::{DateTime, Utc};
use serde::Serialize;
use service_kit::topology;
use std::collections::BTreeMap;
use utoipa::ToSchema;
use uuid::Uuid;

/// Everything at a glance.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Overview {
    /// What is wrong, what is serious first; empty when all is well.
    pub problems: Vec<Trouble>,
    /// What waits to be analysed or is in hand.
    pub backlog: Backlog,
    /// How fast the workers are.
    pub throughput: Throughput,
    /// The queues on the broker.
    pub queues: Vec<Queue>,
    /// Workers that have given a sign of life within minutes, by host and start.
    pub workers: Vec<Worker>,
    /// The other processes, by service, host and start.
    pub services: Vec<Process>,
    /// Recordings in work, oldest first; a hundred at most.
    pub recordings: Vec<InWork>,
    /// How sure the speakers of the newest completed recordings are: ten steps from 0 to 1.
    pub confidence: Vec<Step>,
    /// The latest failures, newest first; twenty at most.
    pub failures: Vec<Failure>,
    /// Messages that failed for good and wait for an operator.
    pub dead_letters: i64,
}

/// What waits to be analysed or is in hand.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub(crate) struct Backlog {
    /// Seconds of audio. Recordings whose decoding has not begun count by their size, as the latest ones turned out.
    pub audio_seconds: f64,
    /// Seconds for which the oldest of it has been waiting; 0 when nothing waits.
    pub oldest_seconds: f64,
}

/// How fast the workers are.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub(crate) struct Throughput {
    /// Seconds of audio analysed per second, over the last two minutes.
    pub audio_seconds_per_second: f64,
}

/// A queue on the broker.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Queue {
    /// Name.
    pub name: String,
    /// Messages that wait; null when the broker does not answer.
    pub messages: Option<u32>,
    /// Consumers; null when the broker does not answer.
    pub consumers: Option<u32>,
    /// Whether nothing is taken from it.
    pub paused: bool,
    /// When it was paused; null where it is not.
    pub paused_since: Option<DateTime<Utc>>,
    /// Name of the token by which it was paused; empty where calls need none, null where it is not paused.
    pub paused_by: Option<String>,
    /// Whether it can be paused.
    pub pausable: bool,
}

/// A worker.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Worker {
    /// Which process, from its start to its end.
    pub id: Uuid,
    /// Name of its machine.
    pub host: String,
    /// Number of the process on it; null where its release does not tell.
    pub process: Option<i64>,
    /// Models loaded.
    pub model_version: String,
    /// Configuration of the analysis.
    pub configuration: String,
    /// Where it infers: cpu or cuda.
    pub device: String,
    /// Chunks that it does at a time.
    pub threads: i32,
    /// Release of the program.
    pub version: String,
    /// When it started.
    pub started_at: DateTime<Utc>,
    /// Its last sign of life; it gives one every five seconds.
    pub last_seen: DateTime<Utc>,
    /// Whether that was within the last fifteen seconds.
    pub alive: bool,
    /// The chunk that it has had in hand for the longest; null when it has none.
    pub busy: Option<Busy>,
    /// Seconds of audio analysed since it started.
    pub audio_seconds: f64,
    /// Seconds of audio analysed per second, over the last two minutes.
    pub audio_seconds_per_second: f64,
    /// Seconds per second of audio, by stage, over its last chunks; empty before the first.
    pub stages: BTreeMap<String, f64>,
    /// All that it has in hand.
    #[serde(skip)]
    pub in_hand: Vec<Busy>,
    /// Seconds of audio that one of its threads analyses per second while it is at work.
    #[serde(skip)]
    pub speed: Option<f64>,
}

impl Worker {
    /// The queue that it works off.
    pub fn queue(&self) -> String {
        topology::chunk_queue(&self.model_version, &self.configuration)
    }
}

/// A chunk in hand.
#[derive(Clone, Debug, Serialize, serde::Deserialize, ToSchema)]
pub(crate) struct Busy {
    /// Recording.
    pub recording: Uuid,
    /// Number of the chunk, from 0.
    pub chunk: i32,
    /// When it was begun.
    pub since: DateTime<Utc>,
}

/// A process that is no worker.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Process {
    /// Which process, from its start to its end.
    pub id: Uuid,
    /// ingest or matcher.
    pub service: String,
    /// Name of its machine.
    pub host: String,
    /// Number of the process on it; null where its release does not tell.
    pub process: Option<i64>,
    /// Release of the program.
    pub version: String,
    /// When it started.
    pub started_at: DateTime<Utc>,
    /// Its last sign of life; it gives one every five seconds.
    pub last_seen: DateTime<Utc>,
    /// Whether that was within the last fifteen seconds.
    pub alive: bool,
}

/// A recording in work.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct InWork {
    /// Id.
    pub id: Uuid,
    /// Title.
    pub title: String,
    /// `queued` or `processing`.
    #[schema(value_type = State)]
    pub state: String,
    /// Progress.
    pub chunks: Chunks,
    /// Chunks that are analysed and wait for one before them.
    pub waiting_for_order: i64,
    /// Seconds until it is completed; null when that cannot be told.
    pub eta_seconds: Option<f64>,
    /// Why it cannot be told; null when it can.
    pub eta_unknown: Option<String>,
}

/// Progress: chunks matched, of how many; the total is known once decoding has ended.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[schema(as = ChunksInWork)]
pub(crate) struct Chunks {
    /// Chunks matched.
    pub done: i32,
    /// Chunks in all.
    pub total: Option<i32>,
}

/// How many matches are as sure as that.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub(crate) struct Step {
    /// Probability from which it counts.
    pub from: f64,
    /// Probability below which it counts; the last step includes 1.
    pub to: f64,
    /// Matches.
    pub matches: i64,
}

/// A recording that failed.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Failure {
    /// Id.
    pub id: Uuid,
    /// Title.
    pub title: String,
    /// Why, in words for its uploader.
    pub failure: String,
    /// When.
    pub failed_at: DateTime<Utc>,
}
