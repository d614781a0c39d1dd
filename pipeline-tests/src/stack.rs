//! Stack: ingest, workers and matcher as processes, in a corner of the real servers of their own.

use crate::chaos::servers::Servers;
use crate::eventually::eventually;
use crate::process::Process;
use crate::queues::Queues;
use reqwest::{Client, StatusCode};
use service_kit::testing::{Corner, required};
use sqlx::PgPool;
use std::path::Path;
use tempfile::TempDir;
use tokio::sync::{Semaphore, SemaphorePermit};

/// Two stacks at a time: mostly they wait, but a machine of two cores has no room for more at work.
static ROOM: Semaphore = Semaphore::const_new(2);

/// The services of one test. Dropped, all its processes are killed; when a test fails, their logs are shown.
pub struct Stack {
    /// Ingest processes; requests go to the last one started.
    pub ingests: Vec<Process>,
    /// Workers.
    pub workers: Vec<Process>,
    /// Matchers.
    pub matchers: Vec<Process>,
    /// The stack's database.
    pub pool: PgPool,
    pub(crate) http: Client,
    pub(crate) address: String,
    corner: Option<Corner>,
    folder: TempDir,
    started: usize,
    otlp_endpoint: Option<String>,
    settings: Vec<(&'static str, String)>,
    _room: SemaphorePermit<'static>,
}

impl Stack {
    /// Starts so many of each, and waits until all of them are at work.
    pub async fn start(workers: usize, matchers: usize, ingests: usize) -> Self {
        Self::start_traced(workers, matchers, ingests, None).await
    }

    /// The same with traces sent to `otlp_endpoint`.
    pub async fn start_traced(
        workers: usize,
        matchers: usize,
        ingests: usize,
        otlp_endpoint: Option<String>,
    ) -> Self {
        let room = ROOM.acquire().await.expect("is never closed");
        let corner = Corner::open().await.expect("a corner of the servers");
        let mut stack = Self::empty(corner, room);
        stack.otlp_endpoint = otlp_endpoint;
        stack.fill(workers, matchers, ingests).await;
        stack
    }

    /// The same on servers of the test's own, with `settings` in the environment of every service.
    pub async fn start_on(
        servers: &Servers,
        (workers, matchers, ingests): (usize, usize, usize),
        settings: &[(&'static str, &str)],
    ) -> Self {
        let room = ROOM.acquire().await.expect("is never closed");
        let (database, amqp) = (servers.database_url().to_owned(), servers.amqp_url());
        let corner = Corner::open_on(database, amqp, servers.management_url().to_owned()).await;
        let mut stack = Self::empty(corner.expect("a corner of the servers"), room);
        stack.set(settings);
        stack.fill(workers, matchers, ingests).await;
        stack
    }

    fn empty(corner: Corner, room: SemaphorePermit<'static>) -> Self {
        Self {
            ingests: Vec::new(),
            workers: Vec::new(),
            matchers: Vec::new(),
            pool: corner.pool().expect("a pool"),
            http: Client::new(),
            address: String::new(),
            corner: Some(corner),
            folder: TempDir::new().expect("a folder"),
            started: 0,
            otlp_endpoint: None,
            settings: Vec::new(),
            _room: room,
        }
    }

    async fn fill(&mut self, workers: usize, matchers: usize, ingests: usize) {
        for _ in 0..workers {
            self.start_worker();
        }
        for _ in 0..matchers {
            self.start_matcher();
        }
        for _ in 0..ingests {
            self.start_ingest().await;
        }
        for process in self.workers.iter_mut().chain(&mut self.matchers) {
            process.logged("consuming").await;
        }
        if matchers > 0 && ingests > 0 {
            self.matcher_knows_the_broker().await;
        }
    }

    /// Returns once a matcher has looked at the broker for the first time: what was ordered before is ordered once more then.
    pub async fn matcher_knows_the_broker(&self) {
        eventually("a matcher knows the broker", async || {
            (self.count("SELECT count(*) FROM broker_epoch").await == 1).then_some(())
        })
        .await;
    }

    fn corner(&self) -> &Corner {
        self.corner.as_ref().expect("kept until the stack is stopped")
    }

    /// The folder of the object store.
    pub fn store(&self) -> std::path::PathBuf {
        self.folder.path().join("objects")
    }

    /// The folder that holds the object store and the logs; no uploader may learn of it.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The folder in which services make temporary files.
    pub fn temporary(&self) -> std::path::PathBuf {
        self.folder.path().join("tmp")
    }

    /// Address of the stack's virtual host.
    pub fn amqp_url(&self) -> &str {
        &self.corner().amqp_url
    }

    /// Address of ingest.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Sets further environment variables of services that are started from now on, in place of those set before.
    pub fn set(&mut self, settings: &[(&'static str, &str)]) {
        self.settings = settings.iter().map(|(key, value)| (*key, (*value).to_owned())).collect();
    }

    fn process(&mut self, service: &str, more: &[(&str, String)]) -> Process {
        let (name, environment) = self.prepare(service, more);
        Process::start(&format!("throughline-{service}"), &name, self.folder.path(), &environment)
    }

    /// Name and environment of the next process.
    fn prepare(&mut self, service: &str, more: &[(&str, String)]) -> (String, Vec<(String, String)>) {
        std::fs::create_dir_all(self.temporary()).expect("a folder for temporary files");
        let mut environment = vec![
            ("THROUGHLINE_AMQP_URL", self.corner().amqp_url.clone()),
            ("THROUGHLINE_OBJECT_STORE", format!("file://{}", self.store().display())),
            ("THROUGHLINE_MODELS", required("THROUGHLINE_MODELS")),
            ("THROUGHLINE_CHUNK_BLOCKS", "5".to_owned()),
            ("THROUGHLINE_ONNXRUNTIME", required("THROUGHLINE_ONNXRUNTIME")),
            ("THROUGHLINE_ADMIN_LISTEN", "127.0.0.1:0".to_owned()),
            ("TMPDIR", self.temporary().display().to_string()),
        ];
        environment.extend(self.settings.iter().cloned());
        environment.extend(more.iter().cloned());
        environment.extend(self.otlp_endpoint.clone().map(|url| ("OTEL_EXPORTER_OTLP_ENDPOINT", url)));
        let environment: Vec<_> =
            environment.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        self.started += 1;
        (format!("{service}-{}", self.started), environment)
    }

    /// A worker with these settings, in so many bytes of address space, if given. It is the caller's, and not the stack's.
    pub fn lone_worker(&mut self, settings: &[(&str, String)], within: Option<u64>) -> Process {
        let (name, environment) = self.prepare("worker", settings);
        let (program, folder) = ("throughline-worker", self.folder.path());
        match within {
            Some(bytes) => Process::start_within(bytes, program, &name, folder, &environment),
            None => Process::start(program, &name, folder, &environment),
        }
    }

    /// Starts `service` with `settings` besides; it is the test's own, and may end.
    pub fn start_unwatched(&mut self, service: &str, settings: &[(&'static str, &str)]) -> Process {
        let settings = settings.iter().map(|(key, value)| (*key, (*value).to_owned()));
        let more: Vec<_> = [self.database()].into_iter().chain(settings).collect();
        self.process(service, &more)
    }

    fn database(&self) -> (&'static str, String) {
        ("THROUGHLINE_DATABASE_URL", self.corner().database_url.clone())
    }

    /// Starts one more worker; it is told nothing of the database.
    pub fn start_worker(&mut self) {
        let worker = self.process("worker", &[]);
        self.workers.push(worker);
    }

    /// Starts one more matcher.
    pub fn start_matcher(&mut self) {
        let database = self.database();
        let matcher = self.process("matcher", &[database]);
        self.matchers.push(matcher);
    }

    /// Starts one more ingest, to which requests go from now on.
    pub async fn start_ingest(&mut self) {
        let settings = [self.database(), ("THROUGHLINE_LISTEN", "127.0.0.1:0".to_owned())];
        let mut ingest = self.process("ingest", &settings);
        let listening = ingest.logged("listening").await;
        self.address = format!("http://{}", listening["address"].as_str().expect("an address"));
        self.ingests.push(ingest);
    }

    /// Every process.
    pub fn processes(&mut self) -> impl Iterator<Item = &mut Process> {
        self.ingests.iter_mut().chain(&mut self.workers).chain(&mut self.matchers)
    }

    /// Panics if a process has ended by itself.
    pub fn must_be_alive(&mut self) {
        self.processes().for_each(Process::must_be_alive);
    }

    /// Panics unless ingest says that it can do its work.
    pub async fn must_be_ready(&mut self) {
        self.must_be_alive();
        let ready = self.http.get(format!("{}/readyz", self.address)).send().await.expect("an answer");
        assert_eq!(ready.status(), StatusCode::OK);
    }

    /// Asks every service to stop, at once, and waits until all have ended well.
    pub async fn stop_services(&mut self) {
        self.processes().for_each(Process::ask_to_stop);
        for list in [&mut self.ingests, &mut self.workers, &mut self.matchers] {
            for process in list.drain(..) {
                process.must_stop().await;
            }
        }
    }

    /// Stops the services one kind after the other, so that each has what the one before it sent; then nothing may be left on
    /// a queue or in the outbox. Deletes the corner.
    pub async fn stop(mut self) {
        let queues = Queues::of(self.corner().management_url(), &self.corner().amqp_url).await;
        let mut kinds = [
            std::mem::take(&mut self.ingests),
            std::mem::take(&mut self.workers),
            std::mem::take(&mut self.matchers),
        ];
        for kind in &mut kinds {
            queues.drained().await;
            kind.iter_mut().for_each(Process::ask_to_stop);
            for process in kind.drain(..) {
                process.must_stop().await;
            }
        }
        queues.must_be_empty().await;
        let unsent: i64 =
            sqlx::query_scalar("SELECT count(*) FROM outbox").fetch_one(&self.pool).await.expect("counts");
        assert_eq!(unsent, 0, "messages were left in the outbox");
        self.pool.close().await;
        let corner = self.corner.take().expect("kept until here");
        corner.close().await.expect("the corner is deleted");
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let tails: Vec<String> = self.processes().map(|process| process.tail()).collect();
            println!("{}", tails.join("\n"));
        }
    }
}
