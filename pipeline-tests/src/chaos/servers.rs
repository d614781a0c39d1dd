//! Servers: a RabbitMQ and a Postgres that a test may stop, kill and wipe, started by `deploy/stack`.

use super::plan::{Resource, Server, Stop};
use reqwest::Client;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::process::Command;

/// Most attempts at a start: what a killed Postgres leaves (its children, its shared memory) takes a moment to go.
const STARTS: usize = 10;

/// A private RabbitMQ and a private Postgres. Dropped, they are stopped.
pub struct Servers {
    name: String,
    environment: BTreeMap<String, String>,
    http: Client,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().expect("the checkout")
}

async fn stack(arguments: &[&str]) -> Result<(), String> {
    let output = Command::new(root().join("deploy/stack")).args(arguments).output().await;
    let output = output.expect("deploy/stack runs");
    if output.status.success() {
        return Ok(());
    }
    let (said, complained) = (output.stdout, output.stderr);
    Err(format!(
        "deploy/stack {}: {}\n{}{}",
        arguments.join(" "),
        output.status,
        String::from_utf8_lossy(&said),
        String::from_utf8_lossy(&complained)
    ))
}

/// Sets something of a running RabbitMQ; false where it does not answer.
async fn rabbitmqctl(name: &str, setting: &str) -> bool {
    let arguments: Vec<&str> = ["rabbitmqctl", name].into_iter().chain(setting.split(' ')).collect();
    stack(&arguments).await.is_ok()
}

impl Servers {
    /// Starts both under `name`, empty.
    pub async fn start(name: &str) -> Self {
        let mut servers = Self { name: name.to_owned(), environment: BTreeMap::new(), http: Client::new() };
        servers.stack("wipe", None).await.expect("what an earlier run left can be wiped");
        servers.stack("start", None).await.expect("the servers start");
        servers.read_environment();
        servers
    }

    async fn stack(&self, what: &str, only: Option<Server>) -> Result<(), String> {
        let mut arguments = vec![what, self.name.as_str()];
        arguments.extend(only.into_iter().flat_map(|server| ["--only", server_name(server)]));
        stack(&arguments).await
    }

    /// Has RabbitMQ raise an alarm, as if it were short of `resource`; false where it does not answer.
    pub async fn raise_alarm(&self, resource: Resource) -> bool {
        let setting = match resource {
            Resource::Memory => "set_vm_memory_high_watermark absolute 1MB",
            Resource::Disk => "set_disk_free_limit 1000000GB",
        };
        rabbitmqctl(&self.name, setting).await
    }

    /// Ends the alarm. A broker that was stopped meanwhile has forgotten it.
    pub fn clear_alarm(&self, resource: Resource) -> impl Future<Output = ()> + Send + 'static {
        let name = self.name.clone();
        let setting = match resource {
            Resource::Memory => "set_vm_memory_high_watermark 0.6",
            Resource::Disk => "set_disk_free_limit 1MB",
        };
        async move {
            for _ in 0..STARTS {
                if rabbitmqctl(&name, setting).await {
                    return;
                }
                tokio::time::sleep(Duration::from_secs(3)).await;
            }
        }
    }

    fn run_folder(&self) -> PathBuf {
        root().join(".throughline/run").join(&self.name)
    }

    fn read_environment(&mut self) {
        let text = std::fs::read_to_string(self.run_folder().join("env")).expect("the env file");
        let lines = text.lines().filter_map(|line| line.strip_prefix("export ")?.split_once('='));
        // The shell's quoting of addresses and paths is a backslash here and there.
        self.environment = lines.map(|(key, value)| (key.to_owned(), value.replace('\\', ""))).collect();
    }

    /// A variable of the env file.
    pub fn variable(&self, name: &str) -> &str {
        self.environment.get(name).unwrap_or_else(|| panic!("the env file has no {name}"))
    }

    /// URL of Postgres.
    pub fn database_url(&self) -> &str {
        self.variable("THROUGHLINE_DATABASE_URL")
    }

    /// URL of RabbitMQ.
    pub fn amqp_url(&self) -> &str {
        self.variable("THROUGHLINE_AMQP_URL")
    }

    /// URL of RabbitMQ's management.
    pub fn management_url(&self) -> &str {
        self.variable("THROUGHLINE_RABBITMQ_MANAGEMENT_URL")
    }

    /// Host and port of a server.
    pub fn address(&self, server: Server) -> SocketAddr {
        let url = match server {
            Server::Broker => self.amqp_url(),
            Server::Database => self.database_url(),
        };
        let url = url::Url::parse(url).expect("an address");
        format!("{}:{}", url.host_str().expect("a host"), url.port().expect("a port"))
            .parse()
            .expect("an address")
    }

    /// Its process.
    pub fn process(&self, server: Server) -> Pid {
        let file = self.run_folder().join(format!("{}.pid", server_name(server)));
        let text =
            std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let pid = text.split_whitespace().next().and_then(|pid| pid.parse().ok()).expect("a process id");
        Pid::from_raw(pid).expect("a process id")
    }

    /// Stops a server.
    pub async fn stop(&self, server: Server, how: Stop) {
        match (server, how) {
            (_, Stop::Kill) => self.signal(server, Signal::KILL).await,
            (Server::Database, Stop::Immediate) => self.signal(server, Signal::QUIT).await,
            _ => self.stack("stop", Some(server)).await.expect("it stops"),
        }
    }

    async fn signal(&self, server: Server, signal: Signal) {
        let process = self.process(server);
        kill_process(process, signal).expect("the server runs");
        let gone = Path::new("/proc").join(process.as_raw_nonzero().to_string());
        // A process of another parent: it is reaped by its shell.
        while gone.join("exe").exists() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Starts a server that was stopped.
    pub async fn start_again(&self, server: Server) {
        let mut why = String::new();
        for _ in 0..STARTS {
            match self.stack("start", Some(server)).await {
                Ok(()) => return,
                Err(error) => why = error,
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        panic!("the server does not start again: {why}");
    }

    /// Kills RabbitMQ, deletes its data directory, and starts it again.
    pub async fn wipe_broker(&self) {
        self.stop(Server::Broker, Stop::Kill).await;
        self.stack("wipe", Some(Server::Broker)).await.expect("its data are deleted");
        self.start_again(Server::Broker).await;
    }

    /// Has RabbitMQ close all its connections; how many it closed.
    pub async fn close_connections(&self) -> usize {
        let url = format!("{}/api/connections", self.management_url());
        let Ok(answer) = self.http.get(&url).send().await else { return 0 };
        let connections: Value = answer.json().await.unwrap_or_default();
        let mut closed = 0;
        for connection in connections.as_array().into_iter().flatten() {
            let name = connection["name"].as_str().unwrap_or_default();
            let mut one = url::Url::parse(&url).expect("an address");
            one.path_segments_mut().expect("a path").push(name);
            if self.http.delete(one).send().await.is_ok_and(|answer| answer.status().is_success()) {
                closed += 1;
            }
        }
        closed
    }

    /// Has Postgres end all backends but the one that asks; how many it ended.
    pub async fn terminate_backends(&self, pool: &sqlx::PgPool) -> usize {
        let ended: Result<i64, _> = sqlx::query_scalar(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
             WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'",
        )
        .fetch_one(pool)
        .await;
        ended.map_or(0, |ended| ended as usize)
    }

    /// RabbitMQ's version.
    pub async fn broker_version(&self) -> String {
        let url = format!("{}/api/overview", self.management_url());
        let overview = async { self.http.get(url).send().await?.json::<Value>().await };
        let overview = overview.await.unwrap_or_default();
        overview["rabbitmq_version"].as_str().unwrap_or("unknown").to_owned()
    }
}

fn server_name(server: Server) -> &'static str {
    match server {
        Server::Broker => "rabbitmq",
        Server::Database => "postgres",
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        // A test may end anywhere; what it started must end too. Its data stay for a look.
        let stopped =
            std::process::Command::new(root().join("deploy/stack")).args(["stop", &self.name]).output();
        if let Err(error) = stopped {
            println!("deploy/stack stop {}: {error}", self.name);
        }
    }
}
