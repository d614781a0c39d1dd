//! Process: a service as it runs in production, with its log in a file.

use crate::eventually::eventually;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use service_kit::testing::program;
use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::process::{Child, Command};

/// Longest time for a service to stop once it is asked to: what orchestrators grant before they kill.
pub const STOPS_WITHIN: Duration = Duration::from_secs(30);
/// Lines of a log shown when a test fails.
const TAIL: usize = 40;
/// Variables that a service inherits of this process' environment. Everything else is given by name, so that no service can find an
/// address or a password that it was not meant to have.
const INHERITED: [&str; 4] = ["PATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH"];

/// A service that runs until it is stopped, killed or dropped.
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

/// The lines of a log that are objects; a line that is still being written is none.
pub fn lines(log: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

impl Process {
    /// Starts `program` as `name`, with its log in `folder`.
    pub fn start(program_name: &str, name: &str, folder: &Path, environment: &[(String, String)]) -> Self {
        Self::start_through(&[], program_name, name, folder, environment)
    }

    /// The same, in an address space of so many bytes: what does not fit cannot be allocated.
    pub fn start_within(
        bytes: u64,
        program_name: &str,
        name: &str,
        folder: &Path,
        environment: &[(String, String)],
    ) -> Self {
        let limited = ["sh", "-c", "ulimit -v \"$0\" && exec \"$1\""].map(str::to_owned);
        let before: Vec<String> = limited.into_iter().chain([(bytes / 1024).to_string()]).collect();
        Self::start_through(&before, program_name, name, folder, environment)
    }

    /// The same with `before` before the program on the command line, which must become it.
    pub fn start_through(
        before: &[String],
        program_name: &str,
        name: &str,
        folder: &Path,
        environment: &[(String, String)],
    ) -> Self {
        let log = folder.join(format!("{name}.log"));
        let writer = File::create(&log).expect("a log file");
        let inherited = INHERITED.iter().filter_map(|key| Some((*key, std::env::var_os(key)?)));
        let program = program(program_name).into_os_string();
        let line: Vec<OsString> = before.iter().map(OsString::from).chain([program]).collect();
        let child = Command::new(&line[0])
            .args(&line[1..])
            .env_clear()
            .envs(inherited)
            .envs(environment.iter().map(|(key, value)| (key, value)))
            .env("THROUGHLINE_LOG_FORMAT", "json")
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(writer.try_clone().expect("a second handle on the log"))
            .stderr(writer)
            .kill_on_drop(true)
            .spawn()
            .expect("the service starts");
        Self { name: name.to_owned(), child, log }
    }

    /// Name of the service in messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its process id, while it runs.
    pub fn id(&self) -> u32 {
        self.child.id().unwrap_or_else(|| panic!("{} has ended:\n{}", self.name, self.tail()))
    }

    /// The most of its address space that it has used so far, in bytes.
    pub fn peak_address_space(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id())).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmPeak:")).expect("the kernel says");
        line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1024
    }

    /// Holds it where it stands, or lets it go on. One that is to stand does so when this returns.
    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.id() as i32).expect("a process id");
        kill_process(pid, signal).expect("the signal is sent");
        // Its other threads go on until the one that the signal was given to has run.
        while signal == Signal::STOP && !self.stands() {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// True if none of its threads goes on: each is stopped, or has ended.
    fn stands(&self) -> bool {
        let threads = std::fs::read_dir(format!("/proc/{}/task", self.id())).expect("it runs");
        threads.flatten().all(|thread| {
            // The state follows the name, which is in brackets and may hold anything.
            let stat = std::fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
            stat.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with(['T', 'Z', 'X']))
        })
    }

    /// All that it has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).expect("the log")
    }

    /// Exit status, if it has ended.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child of this process")
    }

    /// Panics if it has ended.
    pub fn must_be_alive(&mut self) {
        if let Some(status) = self.ended() {
            panic!("{} has ended by itself ({status}):\n{}", self.name, self.tail());
        }
    }

    /// Waits for a log line with the message `message`, and returns its fields.
    pub async fn logged(&mut self, message: &str) -> Value {
        let what = format!("{} logs '{message}'", self.name);
        eventually(&what, async || {
            self.must_be_alive();
            self.lines().into_iter().find(|line| line["message"] == message)
        })
        .await
    }

    /// Kills it where it stands, as the kernel does when memory runs out.
    pub async fn kill(mut self) {
        self.must_be_alive();
        self.child.kill().await.expect("it is killed");
    }

    /// Asks it to stop.
    pub fn ask_to_stop(&mut self) {
        self.signal(Signal::TERM);
    }

    /// Its log so far, one object a line.
    pub fn lines(&self) -> Vec<Value> {
        lines(&self.log)
    }

    /// Waits for it to end after [`Process::ask_to_stop`]; panics if it takes too long or does not end well.
    pub async fn must_stop(mut self) {
        match tokio::time::timeout(STOPS_WITHIN, self.child.wait()).await {
            Ok(status) => {
                let status = status.expect("a child of this process");
                assert!(status.success(), "{} was asked to stop: {status}\n{}", self.name, self.tail());
            }
            Err(_) => panic!("{} has not stopped within {STOPS_WITHIN:?}:\n{}", self.name, self.tail()),
        }
    }

    /// The last lines of its log.
    pub fn tail(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        format!("--- {}\n{}", self.name, lines[lines.len().saturating_sub(TAIL)..].join("\n"))
    }
}
