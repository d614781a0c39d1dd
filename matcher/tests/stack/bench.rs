//! Bench: a database and a virtual host of the test's own, with recordings to match.

use crate::scene::{CHUNK_BLOCKS, Scene};
use diarization::blocks::BLOCK_FRAMES;
use diarization::diarize::{Diarization, Settings};
use matcher::database::Database;
use matcher::handler;
use pgvector::Vector;
use service_kit::delivery::Delivery;
use service_kit::messages::{self, ChunkAnalysed, Message, RecordingDecoded};
use service_kit::shutdown::Shutdown;
use service_kit::testing::Corner;
use service_kit::verdict::Verdict;
use sqlx::PgPool;
use sqlx::types::Json;
use uuid::Uuid;

pub const MODEL: &str = "model-1";
pub const CONFIGURATION: &str = "configuration-1";

pub struct Bench {
    pub corner: Corner,
    pub pool: PgPool,
    pub database: Database,
    pub shutdown: Shutdown,
}

/// A row of `turns`: first frame, end frame, speaker, label.
pub type TurnRow = (i32, i32, i32, String);
/// A row of `speaker_embeddings`: speaker, label, vector, model version.
pub type VoiceRow = (i32, String, Vec<f32>, String);

impl Bench {
    pub async fn open() -> Self {
        let corner = Corner::open().await.expect("the servers of deploy/test run");
        let pool = corner.pool().expect("the address of the database is one");
        let shutdown = Shutdown::default();
        Self { database: Database::new(pool.clone(), shutdown.clone()), corner, pool, shutdown }
    }

    /// Closed at a test's end; a test that fails leaves its corner for a look.
    pub async fn close(self) {
        self.pool.close().await;
        self.corner.close().await.expect("the corner is deleted");
    }

    /// A recording of `scene` whose chunks are cut; how many there are is not written yet.
    pub async fn recording(&self, scene: &Scene, settings: &Settings) -> Uuid {
        let id = Uuid::now_v7();
        sqlx::query(
            "INSERT INTO recordings (id, title, file_stem, state, upload_object, upload_sha256, upload_bytes, settings,
                                     model_version, configuration, chunk_blocks)
             VALUES ($1, 'Interview', 'interview', 'processing', 'upload', 'sha', 1, $2, $3, $4, $5)",
        )
        .bind(id)
        .bind(Json(settings))
        .bind(MODEL)
        .bind(CONFIGURATION)
        .bind(CHUNK_BLOCKS as i32)
        .execute(&self.pool)
        .await
        .expect("inserts the recording");
        for chunk in 0..scene.chunk_count() {
            sqlx::query("INSERT INTO chunks (recording_id, chunk, object, samples) VALUES ($1, $2, $3, $4)")
                .bind(id)
                .bind(chunk as i32)
                .bind(format!("chunks/{chunk}"))
                .bind(scene.chunk_samples(chunk) as i64)
                .execute(&self.pool)
                .await
                .expect("inserts the chunk");
        }
        id
    }

    /// Writes what the decoder writes when it is done.
    pub async fn decoded(&self, recording: Uuid, scene: &Scene) {
        sqlx::query("UPDATE recordings SET chunk_count = $2, samples = $3 WHERE id = $1")
            .bind(recording)
            .bind(scene.chunk_count() as i32)
            .bind(scene.samples as i64)
            .execute(&self.pool)
            .await
            .expect("writes the number of chunks");
    }

    /// Hands the analysis of a chunk to the matcher.
    pub async fn hand(&self, recording: Uuid, scene: &Scene, chunk: usize) -> Verdict {
        handler::handle(&self.database, delivery(&analysed(recording, scene, chunk))).await
    }

    /// Hands it over and expects it to be taken.
    pub async fn take(&self, recording: Uuid, scene: &Scene, chunk: usize) {
        assert_eq!(self.hand(recording, scene, chunk).await, Verdict::Done);
    }

    /// Writes that decoding is done, and tells the matcher.
    pub async fn tell_decoded(&self, recording: Uuid, scene: &Scene) {
        self.decoded(recording, scene).await;
        let told = delivery(&RecordingDecoded { recording, run: 1 });
        assert_eq!(handler::handle(&self.database, told).await, Verdict::Done);
    }

    pub async fn state(&self, recording: Uuid) -> String {
        self.value(recording, "SELECT state FROM recordings WHERE id = $1").await
    }

    pub async fn cursor(&self, recording: Uuid) -> i32 {
        self.value(recording, "SELECT next_chunk FROM recordings WHERE id = $1").await
    }

    /// The one value that `sql` selects for a recording.
    pub async fn value<T>(&self, recording: Uuid, sql: &'static str) -> T
    where
        T: for<'r> sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres> + Send + Unpin,
    {
        sqlx::query_scalar(sql).bind(recording).fetch_one(&self.pool).await.expect("selects a value")
    }

    pub async fn turns(&self, recording: Uuid, provisional: bool) -> Vec<TurnRow> {
        sqlx::query_as(
            "SELECT first_frame, end_frame, speaker, speaker_label FROM turns
             WHERE recording_id = $1 AND provisional = $2 ORDER BY first_frame, end_frame, speaker",
        )
        .bind(recording)
        .bind(provisional)
        .fetch_all(&self.pool)
        .await
        .expect("reads turns")
    }

    pub async fn voices(&self, recording: Uuid) -> Vec<VoiceRow> {
        let rows: Vec<(i32, String, Vector, String)> = sqlx::query_as(
            "SELECT speaker, speaker_label, embedding_vector, model_version FROM speaker_embeddings
             WHERE recording_id = $1 ORDER BY speaker",
        )
        .bind(recording)
        .fetch_all(&self.pool)
        .await
        .expect("reads voices");
        rows.into_iter()
            .map(|(speaker, label, vector, model)| (speaker, label, vector.to_vec(), model))
            .collect()
    }

    /// First frame, slot, speaker, confidence and runner-up of each match.
    async fn matches(&self, recording: Uuid) -> Vec<(i32, i16, i32, f32, Option<i32>)> {
        let sql = "SELECT first_frame, slot, speaker, confidence, runner_up FROM matches
                   WHERE recording_id = $1 ORDER BY first_frame, slot";
        sqlx::query_as(sql).bind(recording).fetch_all(&self.pool).await.expect("reads matches")
    }

    /// Makes sure that a recording is completed, with the turns, the matches and the very vectors of `oracle`.
    pub async fn assert_is(&self, recording: Uuid, oracle: &Diarization) {
        assert!(self.state(recording).await.starts_with("completed"));
        assert_eq!(self.turns(recording, true).await, []);
        let label = |speaker: usize| oracle.speakers[speaker].label.clone();
        let turn = |t: &diarization::timeline::Turn| {
            (t.first_frame as i32, t.end_frame as i32, t.speaker as i32, label(t.speaker))
        };
        assert_eq!(self.turns(recording, false).await, oracle.turns.iter().map(turn).collect::<Vec<_>>());
        let matched = |it: &diarization::evidence::Match| {
            let (best, next) = (it.choice.best, it.choice.runner_up.map(|it| it.speaker as i32));
            (it.first_frame as i32, it.slot.into(), best.speaker as i32, best.confidence, next)
        };
        assert_eq!(self.matches(recording).await, oracle.matches.iter().map(matched).collect::<Vec<_>>());
        let voices = self.voices(recording).await.into_iter().map(|(_, label, vector, _)| (label, vector));
        let wanted = oracle.speakers.iter().map(|s| (s.label.clone(), s.embedding.clone()));
        assert_eq!(voices.collect::<Vec<_>>(), wanted.collect::<Vec<_>>());
    }
}

/// Message that a worker publishes for a chunk.
pub fn analysed(recording: Uuid, scene: &Scene, chunk: usize) -> ChunkAnalysed {
    ChunkAnalysed {
        recording,
        run: 1,
        chunk: chunk as u32,
        model_version: MODEL.into(),
        configuration: CONFIGURATION.into(),
        analysis: scene.analysis(chunk),
    }
}

/// A message as the consumer hands it on.
pub fn delivery<M: Message>(message: &M) -> Delivery {
    Delivery {
        kind: M::TYPE.into(),
        body: messages::encode(message).expect("encodes"),
        ..Delivery::default()
    }
}

/// First frame of a chunk.
pub fn first_frame(chunk: usize) -> i32 {
    (chunk * CHUNK_BLOCKS * BLOCK_FRAMES) as i32
}

/// Settings of an interview.
pub fn interview() -> Settings {
    Settings { labels: diarization::labels::LabelScheme::Interview, ..Settings::default() }
}

/// Nothing of the recording has moved for so many seconds.
pub async fn silent_for(bench: &Bench, recording: Uuid, seconds: i32) {
    for sql in [
        "UPDATE recordings SET updated_at = now() - make_interval(secs => $2) WHERE id = $1",
        "UPDATE recordings SET decode_ordered_at = now() - make_interval(secs => $2) WHERE id = $1 AND decode_ordered_at IS NOT NULL",
        "UPDATE chunks SET created_at = now() - make_interval(secs => $2) WHERE recording_id = $1",
        "UPDATE chunks SET released_at = now() - make_interval(secs => $2) WHERE recording_id = $1 AND released_at IS NOT NULL",
        "UPDATE inbox SET received_at = now() - make_interval(secs => $2) WHERE recording_id = $1",
    ] {
        sqlx::query(sql).bind(recording).bind(f64::from(seconds)).execute(&bench.pool).await.expect("ages");
    }
}

/// Ingest sends all that waits.
pub async fn release(bench: &Bench) {
    for sql in ["UPDATE chunks SET released_at = now()", "UPDATE recordings SET decode_ordered_at = now()"] {
        sqlx::query(sql).execute(&bench.pool).await.expect("releases");
    }
}
