//! Stack: one ingest in this process, in a corner of the real servers of its own.

use crate::line::Line;
use clap::Parser;
use diarization::manifest::Manifest;
use ingest::{Config, Service};
use lapin::options::{BasicGetOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use metrics_exporter_prometheus::PrometheusBuilder;
use reqwest::{Client, RequestBuilder, Response, StatusCode};
use serde_json::Value;
use service_kit::broker::Broker;
use service_kit::messages::{self, Message};
use service_kit::publisher::Publisher;
use service_kit::schema::MIGRATIONS;
use service_kit::shutdown::Shutdown;
use service_kit::testing::{Corner, program, required};
use sqlx::PgPool;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::task::JoinHandle;

/// Longest time that something which must happen may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A token as one should be.
pub const TOKEN: &str = "kQ7vXw2mZp9RtB4nLs8H";

pub struct Stack {
    pub pool: PgPool,
    pub http: Client,
    pub address: std::net::SocketAddr,
    pub admin: std::net::SocketAddr,
    broker: Broker,
    store: TempDir,
    service: Another,
    corner: Corner,
}

/// One more ingest in the same corner.
pub struct Another {
    pub address: std::net::SocketAddr,
    pub admin: std::net::SocketAddr,
    shutdown: Shutdown,
    service: JoinHandle<anyhow::Result<()>>,
}

impl Another {
    pub async fn stop(mut self) {
        self.shutdown.ask();
        (&mut self.service).await.expect("no panic").expect("ends well");
    }
}

/// A test that fails stops its ingest too: a runtime waits for the threads of its services, and these would wait for ever for
/// a runtime that has ended.
impl Drop for Another {
    fn drop(&mut self) {
        if self.service.is_finished() {
            return;
        }
        self.shutdown.ask();
        let ended = tokio::time::timeout(PATIENCE, &mut self.service);
        let _ = tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(ended));
    }
}

async fn start_service(arguments: &[String]) -> (std::net::SocketAddr, Another) {
    let config = Config::try_parse_from(arguments).expect("a configuration");
    let shutdown = Shutdown::default();
    let metrics = PrometheusBuilder::new().build_recorder().handle();
    let service = Service::start(config, shutdown.clone(), metrics).await.expect("starts");
    let (address, admin) = (service.address, service.admin_address);
    (address, Another { address, admin, shutdown, service: tokio::spawn(service.finished()) })
}

impl Stack {
    pub async fn start(arguments: &[&str]) -> Self {
        let corner = Corner::open().await.expect("a corner of the servers");
        let (database, broker) = (corner.database_url.clone(), corner.amqp_url.clone());
        Self::start_on(corner, &database, &broker, arguments).await
    }

    /// An ingest whose database has the schema of `version`.
    pub async fn start_on_schema(version: i64) -> Self {
        let corner = Corner::open().await.expect("a corner of the servers");
        let pool = corner.pool().expect("a pool");
        MIGRATIONS.undo(&pool, version).await.expect("goes down");
        pool.close().await;
        let (database, broker) = (corner.database_url.clone(), corner.amqp_url.clone());
        Self::start_on(corner, &database, &broker, &[]).await
    }

    /// An ingest whose broker is away.
    pub async fn start_without_broker() -> Self {
        let corner = Corner::open().await.expect("a corner of the servers");
        let database = corner.database_url.clone();
        Self::start_on(corner, &database, "amqp://127.0.0.1:1/%2f", &[]).await
    }

    /// An ingest that reaches its database over a line of the test's; the test itself, and others in the corner, reach it directly.
    pub async fn start_over_a_line() -> (Self, Line) {
        let corner = Corner::open().await.expect("a corner of the servers");
        let line = Line::to(&corner.database_url).await;
        let broker = corner.amqp_url.clone();
        (Self::start_on(corner, &line.url, &broker, &[]).await, line)
    }

    async fn start_on(corner: Corner, database: &str, broker: &str, arguments: &[&str]) -> Self {
        let store = TempDir::new().expect("a folder");
        let mut all = arguments_for(database, broker, &store);
        // What a test says counts, and may be said once.
        all.retain(|one| arguments.iter().all(|other| one.split('=').next() != other.split('=').next()));
        all.extend(arguments.iter().map(ToString::to_string));
        let (address, service) = start_service(&all).await;
        Self {
            pool: corner.pool().expect("a pool"),
            http: Client::new(),
            address,
            admin: service.admin,
            broker: Broker::new(&corner.amqp_url, "test"),
            store,
            service,
            corner,
        }
    }

    /// Arguments that an ingest in this corner is started with.
    pub fn arguments(&self) -> Vec<String> {
        arguments_for(&self.corner.database_url, &self.corner.amqp_url, &self.store)
    }

    /// Starts one more ingest in the same corner.
    pub async fn another(&self) -> Another {
        start_service(&self.arguments()).await.1
    }

    /// Starts one more in the same corner, with `arguments` besides.
    pub async fn another_with(&self, arguments: &[&str]) -> (std::net::SocketAddr, Another) {
        let mut all = self.arguments();
        all.extend(arguments.iter().map(ToString::to_string));
        start_service(&all).await
    }

    pub async fn stop(self) {
        self.service.stop().await;
        self.broker.close().await;
        self.pool.close().await;
        self.corner.close().await.expect("cleans up");
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub fn get(&self, path: &str) -> RequestBuilder {
        self.http.get(self.url(path))
    }

    pub fn post(&self, path: &str) -> RequestBuilder {
        self.http.post(self.url(path))
    }

    /// Uploads a bare body and returns the answer's JSON.
    pub async fn upload(&self, query: &str, body: Vec<u8>) -> Value {
        let answer = self.post(&format!("/v1/recordings{query}")).body(body).send().await.expect("answers");
        assert_eq!(answer.status(), StatusCode::ACCEPTED);
        answer.json().await.expect("is JSON")
    }

    pub async fn recording(&self, id: &str) -> Value {
        self.get(&format!("/v1/recordings/{id}"))
            .send()
            .await
            .expect("answers")
            .json()
            .await
            .expect("is JSON")
    }

    /// The recording once `is_so` of it.
    pub async fn recording_when(&self, id: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let started = Instant::now();
        loop {
            let recording = self.recording(id).await;
            if is_so(&recording) {
                return recording;
            }
            assert!(started.elapsed() < PATIENCE, "still {recording}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The recording once its decoding has ended, all of its chunks that are not analysed are released, and the outbox is empty.
    pub async fn decoded(&self, id: &str) -> Value {
        let recording = self.recording_when(id, |r| r["chunks"]["total"].is_number()).await;
        let waiting = "SELECT count(*) FROM chunks c JOIN recordings r ON r.id = c.recording_id
                       WHERE r.state IN ('queued', 'processing') AND c.released_at IS NULL AND NOT EXISTS (
                           SELECT 1 FROM inbox i WHERE i.recording_id = c.recording_id AND i.chunk = c.chunk
                              AND i.model_version = r.model_version AND i.configuration = r.configuration)";
        self.count_when(waiting, |waiting| waiting == 0).await;
        self.sent().await;
        recording
    }

    /// Returns when the service says that it is ready: it connects to the broker after it has started.
    pub async fn ready(&self) {
        let started = Instant::now();
        loop {
            let answer = self.get("/readyz").send().await.expect("answers");
            if answer.status() == StatusCode::OK {
                return;
            }
            let why = answer.text().await.expect("text");
            assert!(started.elapsed() < PATIENCE, "still {why}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Returns when the outbox is empty.
    pub async fn sent(&self) {
        self.count_when("SELECT count(*) FROM outbox", |waiting| waiting == 0).await;
    }

    /// Returns when the count that `sql` gives `is_so`.
    pub async fn count_when(&self, sql: &'static str, is_so: impl Fn(i64) -> bool) {
        let started = Instant::now();
        loop {
            let count = self.count(sql).await;
            if is_so(count) {
                return;
            }
            assert!(started.elapsed() < PATIENCE, "still {count}: {sql}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Returns when somebody waits in the database for a lock that another one holds.
    pub async fn somebody_waits_for_a_lock(&self) {
        let waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
        self.count_when(waiting, |waiting| waiting > 0).await;
    }

    pub async fn count(&self, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql).fetch_one(&self.pool).await.expect("counts")
    }

    pub fn object(&self, key: &str) -> PathBuf {
        self.store.path().join(key)
    }

    /// Every file in the object store, parts of unfinished uploads included, without the one by which the database knows it.
    pub fn files(&self) -> Vec<PathBuf> {
        fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
            for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
                let path = entry.path();
                if path.is_dir() { collect(&path, files) } else { files.push(path) }
            }
        }
        let mut files = Vec::new();
        collect(self.store.path(), &mut files);
        // Also as it is being written, to a file with a number behind the name.
        let is_mark =
            |file: &Path| file.file_name().is_some_and(|name| name.to_string_lossy().starts_with("store-id"));
        files.retain(|file| !is_mark(file));
        files
    }

    /// Returns when the object store has `count` files.
    pub async fn files_become(&self, count: usize) {
        let started = Instant::now();
        while self.files().len() != count {
            assert!(started.elapsed() < PATIENCE, "there are {:?}", self.files());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Takes every message off `queue`.
    pub async fn drain<M: Message>(&self, queue: &str) -> Vec<M> {
        let channel = self.channel().await;
        let mut taken = Vec::new();
        while let Some(message) = channel
            .basic_get(queue.into(), BasicGetOptions { no_ack: true })
            .await
            .expect("the queue is there")
        {
            let kind = message.properties.kind().as_ref().map(ToString::to_string).unwrap_or_default();
            taken.push(messages::decode(&kind, &message.data).expect("is of its type"));
        }
        taken
    }

    pub async fn publish<M: Message>(&self, queue: &str, message: &M) {
        Publisher::new(self.broker.clone()).publish(queue, message).await.expect("is confirmed");
    }

    /// A channel to the corner's virtual host.
    pub async fn channel(&self) -> lapin::Channel {
        self.broker.channel().await.expect("a channel")
    }

    /// Returns when `queue` has no message, neither waiting nor (seen by its consumer being gone) in hand.
    pub async fn consumed(&self, queue: &str) {
        let started = Instant::now();
        let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        let channel = self.channel().await;
        loop {
            let state =
                channel.queue_declare(queue.into(), passive, FieldTable::default()).await.expect("is there");
            if state.message_count() == 0 {
                return;
            }
            assert!(started.elapsed() < PATIENCE, "{queue} is not consumed");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

fn arguments_for(database: &str, broker: &str, store: &TempDir) -> Vec<String> {
    vec![
        "ingest".to_owned(),
        "--listen=127.0.0.1:0".to_owned(),
        "--admin-listen=127.0.0.1:0".to_owned(),
        format!("--database-url={database}"),
        format!("--amqp-url={broker}"),
        format!("--object-store=file://{}", store.path().display()),
        format!("--models={}", required("THROUGHLINE_MODELS")),
        format!("--decoder={}", program("throughline-decoder").display()),
        // No worker takes what is sent here: there is room for all of it.
        "--chunk-blocks=5".to_owned(),
        "--chunks-queued=1000".to_owned(),
        "--chunks-ahead=1000".to_owned(),
    ]
}

/// Models that the recordings of these tests are pinned to.
pub fn model_version() -> String {
    Manifest::read(Path::new(&required("THROUGHLINE_MODELS"))).expect("a manifest").model_version
}

/// A short recording in real life.
pub fn interview() -> Vec<u8> {
    std::fs::read(interview_path()).expect("deploy/samples is there")
}

pub fn interview_path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/samples/interview_3min.opus")
}

/// Asserts a problem+json answer and returns its detail.
pub async fn problem(answer: Response, status: StatusCode, kind: &str) -> String {
    assert_eq!(answer.status(), status);
    assert_eq!(answer.headers()["content-type"], "application/problem+json");
    let problem: Value = answer.json().await.expect("is JSON");
    assert_eq!(problem["type"], format!("urn:throughline:problem:{kind}"));
    assert_eq!(problem["status"], status.as_u16());
    problem["detail"].as_str().expect("a detail").to_owned()
}
