//! API: a client of the ingest service.

pub mod recordings;

use crate::report::{Share, Turn};
use crate::retry::{Retry, may_pass};
use anyhow::{Context, anyhow};
use reqwest::{Client, RequestBuilder, Response};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use uuid::Uuid;

/// Where the service is and how to prove who we are.
#[derive(clap::Args, Clone, Debug)]
pub struct Server {
    /// Address of the service.
    #[arg(long, env = "THROUGHLINE_SERVER", default_value = "http://127.0.0.1:8080")]
    pub server: String,
    /// API token, if the service asks for one.
    #[arg(long, env = "THROUGHLINE_API_TOKEN", hide_env_values = true)]
    pub token: Option<String>,
}

/// A recording as the service shows it.
#[derive(Debug, Deserialize)]
pub struct Recording {
    /// Id.
    pub id: String,
    /// Title.
    pub title: String,
    /// queued, processing, completed, completed_with_gaps, failed or cancelled.
    pub state: String,
    /// Reason for its failure.
    pub failure: Option<String>,
    /// Damage found in the file, and requests that could not be met.
    pub warnings: Vec<String>,
    /// Parts that could not be analysed.
    pub gaps: Vec<Gap>,
    /// Progress.
    pub chunks: Chunks,
    /// Length in seconds, once known.
    pub duration_seconds: Option<f64>,
    /// Models.
    pub model_version: String,
    /// Speakers, provisional until the recording is completed.
    pub speakers: Vec<Share>,
}

impl Recording {
    /// True if its turns and speakers are final.
    pub fn is_completed(&self) -> bool {
        matches!(self.state.as_str(), "completed" | "completed_with_gaps")
    }

    /// True if nothing more happens to it by itself.
    pub fn has_ended(&self) -> bool {
        self.is_completed() || matches!(self.state.as_str(), "failed" | "cancelled")
    }
}

/// A part of a recording that could not be analysed.
#[derive(Debug, Deserialize)]
pub struct Gap {
    /// Start in seconds.
    pub start_seconds: f64,
    /// End in seconds.
    pub end_seconds: f64,
    /// Reason for the gap.
    pub reason: String,
}

/// A recording that will be processed again.
#[derive(Debug, Deserialize)]
pub struct Reprocessed {
    /// Number of the new run.
    pub run: u32,
    /// reused or anew.
    pub analyses: String,
}

/// A message that the service gave up on.
#[derive(Debug, Deserialize)]
pub struct DeadLetter {
    /// Number.
    pub id: i64,
    /// Recording that it was about.
    pub recording: Option<String>,
    /// Run of the recording.
    pub run: Option<i32>,
    /// Chunk that it was about.
    pub chunk: Option<i32>,
    /// Queue that it was on.
    pub queue: String,
    /// Reason for giving it up.
    pub reason: String,
    /// Error of the last attempt.
    pub failure: String,
    /// Name of the message.
    pub message: String,
    /// Attempts, oldest first.
    pub attempts: Vec<Attempt>,
    /// Trace of the upload.
    pub trace_id: Option<String>,
    /// Time at which the service gave it up.
    pub died_at: String,
}

/// One attempt at a message.
#[derive(Debug, Deserialize)]
pub struct Attempt {
    /// Reason for its failure.
    pub reason: String,
    /// Name of the process that tried: service, host and process.
    pub by: String,
    /// Time at which it ended.
    pub at: String,
}

/// Outcome of a replay of many dead letters.
#[derive(Debug, Deserialize)]
pub struct ReplayedMany {
    /// Those that were.
    pub replayed: Vec<ReplayedOne>,
    /// Those that could not be.
    pub refused: Vec<Refused>,
}

/// A dead letter that was replayed.
#[derive(Debug, Deserialize)]
pub struct ReplayedOne {
    /// Number.
    pub letter: i64,
    /// Its recording.
    pub recording: String,
}

/// A dead letter that could not be replayed.
#[derive(Debug, Deserialize)]
pub struct Refused {
    /// Number.
    pub letter: i64,
    /// Reason for refusing it.
    pub detail: String,
}

/// Progress of a recording.
#[derive(Debug, Deserialize)]
pub struct Chunks {
    /// Chunks matched.
    pub done: u64,
    /// Chunks in all, once known.
    pub total: Option<u64>,
}

#[derive(Deserialize)]
struct Turns {
    turns: Vec<Turn>,
}

/// RFC 9457.
#[derive(Deserialize)]
struct Problem {
    title: String,
    detail: Option<String>,
}

/// A client of one service.
pub struct Api {
    http: Client,
    server: Server,
}

impl Api {
    /// A client of `server`.
    pub fn new(server: &Server) -> Self {
        Self { http: Client::new(), server: server.clone() }
    }

    /// Uploads the form that `form` makes, again and again where the connection breaks or the service says to come back: a
    /// key of its own makes all of these one recording, whose id is returned. `told` is given the reason of a wait, once where the next have
    /// the same.
    pub async fn submit(
        &self,
        form: impl AsyncFn() -> anyhow::Result<reqwest::multipart::Form>,
        told: impl Fn(&str),
    ) -> anyhow::Result<String> {
        #[derive(Deserialize)]
        struct Accepted {
            id: String,
        }
        let key = Uuid::new_v4().to_string();
        let mut retry = Retry::default();
        let mut last = String::new();
        loop {
            let request = self.http.post(self.url("")).header("idempotency-key", format!("\"{key}\""));
            let request = self.signed(request.multipart(form().await?));
            let (why, asked) = match request.send().await {
                Ok(answer) if may_pass(answer.status()) => {
                    let asked = retry_after(&answer);
                    (problem(answer).await, asked)
                }
                Ok(answer) if answer.status().is_success() => match answer.json::<Accepted>().await {
                    Ok(accepted) => return Ok(accepted.id),
                    Err(error) if error.is_decode() => return Err(error).context(UNREADABLE),
                    Err(error) => (anyhow::Error::from(error).context("the connection was lost"), None),
                },
                Ok(answer) => return Err(problem(answer).await),
                Err(error) if error.is_builder() => {
                    return Err(anyhow!(self.not_an_address()));
                }
                Err(error) => (self.unreachable(error), None),
            };
            let Some(wait) = retry.wait(asked, rand::random()) else {
                return Err(why.context("gave up after two minutes"));
            };
            let reason = format!("{why:#}");
            if reason != last {
                told(&reason);
            }
            last = reason;
            tokio::time::sleep(wait).await;
        }
    }

    /// Status of a recording.
    pub async fn recording(&self, id: &str) -> anyhow::Result<Recording> {
        self.json(self.http.get(self.url(&format!("/{id}")))).await
    }

    /// A recording's turns.
    pub async fn turns(&self, id: &str) -> anyhow::Result<Vec<Turn>> {
        Ok(self.json::<Turns>(self.http.get(self.url(&format!("/{id}/turns")))).await?.turns)
    }

    /// A recording's turns as RTTM.
    pub async fn rttm(&self, id: &str) -> anyhow::Result<String> {
        let request = self.http.get(self.url(&format!("/{id}/turns?format=rttm")));
        Ok(self.send(request).await?.text().await?)
    }

    /// All dead letters, newest first; only those of `recording`, if given.
    pub async fn dead_letters(&self, recording: Option<&str>) -> anyhow::Result<Vec<DeadLetter>> {
        #[derive(Deserialize)]
        struct Page {
            dead_letters: Vec<DeadLetter>,
            next: Option<i64>,
        }
        let (mut all, mut before) = (Vec::new(), None);
        loop {
            let query = [
                recording.map(|id| ("recording", id.to_owned())),
                before.map(|id: i64| ("before", id.to_string())),
            ];
            let query: Vec<_> = query.into_iter().flatten().collect();
            let page: Page = self.json(self.http.get(self.under("dead-letters")).query(&query)).await?;
            all.extend(page.dead_letters);
            before = page.next;
            if before.is_none() {
                return Ok(all);
            }
        }
    }

    /// One dead letter.
    pub async fn dead_letter(&self, id: i64) -> anyhow::Result<DeadLetter> {
        #[derive(Deserialize)]
        struct One {
            dead_letter: DeadLetter,
        }
        Ok(self.json::<One>(self.http.get(self.under(&format!("dead-letters/{id}")))).await?.dead_letter)
    }

    /// Replays those dead letters; the numbers and recordings of those replayed, and the numbers of the others with the reason.
    pub async fn replay_many(&self, letters: &[i64]) -> anyhow::Result<ReplayedMany> {
        let body = serde_json::json!({ "letters": letters });
        self.json(self.http.post(self.under("dead-letters/replay")).json(&body)).await
    }

    /// Overview for operators, as the service shows it.
    pub async fn operations(&self) -> anyhow::Result<serde_json::Value> {
        self.json(self.http.get(self.under("operations"))).await
    }

    /// Pauses a queue, or lets it go on.
    pub async fn set_queue(&self, name: &str, paused: bool) -> anyhow::Result<()> {
        let verb = if paused { "pause" } else { "resume" };
        self.send(self.http.post(self.under(&format!("queues/{name}/{verb}")))).await?;
        Ok(())
    }

    /// Deletes a dead letter for good.
    pub async fn drop_letter(&self, id: i64) -> anyhow::Result<()> {
        self.send(self.http.delete(self.under(&format!("dead-letters/{id}")))).await?;
        Ok(())
    }

    /// Cancels a recording in work.
    pub async fn cancel(&self, id: &str) -> anyhow::Result<()> {
        self.send(self.http.post(self.url(&format!("/{id}/cancel")))).await?;
        Ok(())
    }

    /// Has a recording processed again with what `changes` says.
    pub async fn reprocess(&self, id: &str, changes: &impl Serialize) -> anyhow::Result<Reprocessed> {
        self.json(self.http.post(self.url(&format!("/{id}/reprocess"))).json(changes)).await
    }

    fn url(&self, path: &str) -> String {
        self.under(&format!("recordings{path}"))
    }

    fn under(&self, path: &str) -> String {
        format!("{}/v1/{path}", self.server.server.trim_end_matches('/'))
    }

    async fn json<T: DeserializeOwned>(&self, request: RequestBuilder) -> anyhow::Result<T> {
        let response = self.send(request).await?;
        response.json().await.context(UNREADABLE)
    }

    /// Sends a request; an answer that is not a success is an error in the service's words.
    async fn send(&self, request: RequestBuilder) -> anyhow::Result<Response> {
        let response = self.signed(request).send().await.map_err(|error| self.unreachable(error))?;
        if response.status().is_success() { Ok(response) } else { Err(problem(response).await) }
    }

    fn signed(&self, request: RequestBuilder) -> RequestBuilder {
        match &self.server.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// One line: of all that lies between, the last cause says the most.
    fn unreachable(&self, error: reqwest::Error) -> anyhow::Error {
        if error.is_builder() {
            return anyhow!(self.not_an_address());
        }
        let error = anyhow::Error::from(error);
        anyhow!("cannot reach the service at {}: {}", self.server.server, error.root_cause())
    }

    fn not_an_address(&self) -> String {
        format!(
            "'{}' is not the address of a service, which looks like http://127.0.0.1:8080",
            self.server.server
        )
    }
}

const UNREADABLE: &str =
    "the service's answer cannot be read; are the service and this program of the same version?";

/// An answer that is not a success, in the service's words.
async fn problem(answer: Response) -> anyhow::Error {
    let status = answer.status();
    match answer.json::<Problem>().await {
        Ok(Problem { detail: Some(detail), .. }) => anyhow!(detail),
        Ok(Problem { title, .. }) => anyhow!(title),
        Err(_) => anyhow!("the service answered {status}"),
    }
}

fn retry_after(answer: &Response) -> Option<Duration> {
    let seconds = answer.headers().get(reqwest::header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}
