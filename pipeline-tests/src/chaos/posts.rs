//! Posts: the places at which services run, each with its proxies, kept by a supervisor that starts again what has ended.

use super::plan::{Server, Service, Target};
use super::proxy::Proxy;
use super::quota::Quota;
use super::release::{self, Release};
use super::servers::Servers;
use super::wire::Speech;
use crate::process::Process;
use rustix::process::Signal;
use serde_json::Value;
use service_kit::testing::required;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Time between two looks of the supervisor.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Longest time for a service to end after SIGTERM. Its own limit, as it is configured, is shorter.
const STOPS_WITHIN: Duration = Duration::from_secs(60);
/// Longer than any run: whatever completes does so without this last resort, or counts as lost.
const REPUBLISH_SECONDS: u64 = 86_400;

/// Fate that is expected of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expected {
    Life,
    Death,
    Stop(Instant),
}

struct State {
    process: Option<Process>,
    expected: Expected,
    start_at: Option<Instant>,
    frozen: bool,
    logs: Vec<PathBuf>,
}

/// The place of one process.
pub struct Post {
    /// Service and slot of the post.
    pub target: Target,
    /// Between it and RabbitMQ.
    pub broker: Proxy,
    /// Between it and Postgres, for those that know of it.
    pub database: Option<Proxy>,
    /// Address of the API, for ingest.
    pub listen: Option<SocketAddr>,
    environment: Vec<(String, String)>,
    state: Mutex<State>,
}

/// All posts of a run.
pub struct Posts {
    all: Vec<Post>,
    folder: PathBuf,
    enter: Vec<String>,
    broken: Mutex<Vec<String>>,
}

/// An address with another host and port.
fn through(url: &str, proxy: &Proxy) -> String {
    let mut url = url::Url::parse(url).expect("an address");
    url.set_ip_host(proxy.address().ip()).expect("a host");
    url.set_port(Some(proxy.address().port())).expect("a port");
    url.into()
}

fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port")
}

impl Post {
    async fn new(target: Target, servers: &Servers, quota: &Quota, release: &Release) -> Self {
        let amqp = (Speech::AmqpClient, Speech::AmqpServer);
        let broker = Proxy::before(servers.address(Server::Broker), amqp).await;
        let mut environment = vec![
            ("THROUGHLINE_AMQP_URL", through(servers.amqp_url(), &broker)),
            ("THROUGHLINE_OBJECT_STORE", format!("file://{}", quota.inside().display())),
            ("THROUGHLINE_MODELS", release.models.display().to_string()),
            ("THROUGHLINE_ONNXRUNTIME", required("THROUGHLINE_ONNXRUNTIME")),
            ("THROUGHLINE_ADMIN_LISTEN", "127.0.0.1:0".to_owned()),
        ];
        let (mut database, mut listen) = (None, None);
        if target.service != Service::Worker {
            let postgres = (Speech::PostgresClient, Speech::PostgresServer);
            let proxy = Proxy::before(servers.address(Server::Database), postgres).await;
            environment.push(("THROUGHLINE_DATABASE_URL", through(servers.database_url(), &proxy)));
            environment.push(("THROUGHLINE_REPUBLISH_SECONDS", REPUBLISH_SECONDS.to_string()));
            database = Some(proxy);
        }
        if target.service == Service::Ingest {
            let address = free_address();
            environment.push(("THROUGHLINE_LISTEN", address.to_string()));
            listen = Some(address);
        }
        let state = State {
            process: None,
            expected: Expected::Life,
            start_at: None,
            frozen: false,
            logs: Vec::new(),
        };
        Self {
            target,
            broker,
            database,
            listen,
            environment: environment.into_iter().map(|(key, value)| (key.to_owned(), value)).collect(),
            state: Mutex::new(state),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lines that its process has logged so far.
    pub fn lines(&self) -> Vec<Value> {
        self.state().process.as_ref().map(Process::lines).unwrap_or_default()
    }

    /// The log of every process that was here.
    pub fn logs(&self) -> Vec<PathBuf> {
        self.state().logs.clone()
    }

    /// True if a process runs here, and is not stopped nor stopping.
    pub fn is_sound(&self) -> bool {
        let state = self.state();
        state.process.is_some() && !state.frozen && state.expected == Expected::Life
    }

    /// Kills what runs here; another starts so much later.
    pub fn kill(&self, start_after: Duration) {
        self.end(Signal::KILL, Expected::Death, start_after);
    }

    /// Asks what runs here to stop; another starts so long after it has.
    pub fn terminate(&self, start_after: Duration) {
        self.end(Signal::TERM, Expected::Stop(Instant::now() + STOPS_WITHIN), start_after);
    }

    fn end(&self, signal: Signal, expected: Expected, start_after: Duration) {
        let mut state = self.state();
        state.expected = expected;
        state.start_at = Some(Instant::now() + start_after);
        if let Some(process) = &state.process {
            process.signal(signal);
        }
    }

    /// Stops what runs here where it stands.
    pub fn freeze(&self) {
        let mut state = self.state();
        state.frozen = true;
        if let Some(process) = &state.process {
            process.signal(Signal::STOP);
        }
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        let mut state = self.state();
        state.frozen = false;
        if let Some(process) = &state.process {
            process.signal(Signal::CONT);
        }
    }
}

impl Posts {
    /// Starts every service at its post, with the release that runs there, and logs in `folder`.
    pub async fn start(
        servers: &Servers,
        quota: &Quota,
        releases: &[Release; 2],
        folder: &Path,
    ) -> Arc<Self> {
        let mut all = Vec::new();
        for service in [Service::Worker, Service::Matcher, Service::Ingest] {
            for slot in 0..service.slots() {
                let target = Target { service, slot };
                all.push(Post::new(target, servers, quota, &releases[release::at(target)]).await);
            }
        }
        let posts = Self { all, folder: folder.to_owned(), enter: quota.enter(), broken: Mutex::default() };
        posts.all.iter().for_each(|post| posts.begin(post, &mut post.state()));
        let posts = Arc::new(posts);
        let watched = Arc::downgrade(&posts);
        tokio::spawn(async move {
            while let Some(posts) = watched.upgrade() {
                posts.all.iter().for_each(|post| posts.look(post));
                drop(posts);
                tokio::time::sleep(LOOK_EVERY).await;
            }
        });
        posts
    }

    /// The post of `target`.
    pub fn post(&self, target: Target) -> &Post {
        self.all.iter().find(|post| post.target == target).expect("every slot has a post")
    }

    /// The posts of a kind.
    pub fn of(&self, service: Service) -> impl Iterator<Item = &Post> {
        self.all.iter().filter(move |post| post.target.service == service)
    }

    /// Messages about processes that ended by themselves or badly, or did not stop in time.
    pub fn broken(&self) -> Vec<String> {
        self.broken.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn breaks(&self, what: String) {
        println!("!! {what}");
        self.broken.lock().unwrap_or_else(PoisonError::into_inner).push(what);
    }

    fn begin(&self, post: &Post, state: &mut State) {
        let service = post.target.service.name();
        let name = format!("{service}-{}-{}", post.target.slot, state.logs.len());
        let program = format!("throughline-{service}");
        let process = Process::start_through(&self.enter, &program, &name, &self.folder, &post.environment);
        state.logs.push(self.folder.join(format!("{name}.log")));
        state.process = Some(process);
        (state.expected, state.start_at, state.frozen) = (Expected::Life, None, false);
    }

    /// Takes notice of what has ended, and starts what is due.
    fn look(&self, post: &Post) {
        let mut state = post.state();
        let state = &mut *state;
        if let Some(process) = &mut state.process {
            let Some(status) = process.ended() else {
                if let Expected::Stop(until) = state.expected
                    && Instant::now() > until
                    && !state.frozen
                {
                    self.breaks(format!(
                        "{} has not stopped within {STOPS_WITHIN:?}:\n{}",
                        process.name(),
                        process.tail()
                    ));
                    process.signal(Signal::KILL);
                    state.expected = Expected::Death;
                }
                return;
            };
            let well = match state.expected {
                Expected::Death => true,
                Expected::Stop(_) => status.success(),
                Expected::Life => false,
            };
            if !well {
                let asked = if state.expected == Expected::Life { "by itself" } else { "badly" };
                self.breaks(format!("{} has ended {asked} ({status}):\n{}", process.name(), process.tail()));
                state.start_at = Some(Instant::now());
            }
            state.process = None;
        }
        if state.start_at.is_some_and(|at| at <= Instant::now()) {
            self.begin(post, state);
        }
    }

    /// Asks every process of a kind to stop for good, and waits until all have.
    pub async fn end(&self, service: Service) {
        for post in self.of(service) {
            post.thaw();
            let mut state = post.state();
            state.start_at = None;
            if let Some(process) = &state.process {
                process.signal(Signal::TERM);
                state.expected = Expected::Stop(Instant::now() + STOPS_WITHIN);
            }
        }
        while self.of(service).any(|post| post.state().process.is_some()) {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// The last lines of every process.
    pub fn tails(&self) -> String {
        let tails = self.all.iter().filter_map(|post| post.state().process.as_ref().map(Process::tail));
        tails.collect::<Vec<_>>().join("\n")
    }
}
