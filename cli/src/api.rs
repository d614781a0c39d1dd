//! API: a client of the ingest service.

use crate::report::{Share, Turn};
use anyhow::{Context, bail};
use reqwest::{Client, RequestBuilder, Response};
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// Where the service is and how to prove who we are.
#[derive(clap::Args, Clone, Debug)]
pub struct Server {
    /// Address of the ingest service.
    #[arg(long, env = "THROUGHLINE_SERVER", default_value = "http://127.0.0.1:8080")]
    pub server: String,
    /// API token, if the service wants one.
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
    /// queued, processing, completed or failed.
    pub state: String,
    /// Why it failed.
    pub failure: Option<String>,
    /// What was damaged.
    pub warnings: Vec<String>,
    /// Progress.
    pub chunks: Chunks,
    /// Length in seconds, once known.
    pub duration_seconds: Option<f64>,
    /// Models.
    pub model_version: String,
    /// Speakers, provisional until the recording is completed.
    pub speakers: Vec<Share>,
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

    /// Uploads `form`; returns the new recording's id.
    pub async fn submit(&self, form: reqwest::multipart::Form) -> anyhow::Result<String> {
        #[derive(Deserialize)]
        struct Accepted {
            id: String,
        }
        let accepted: Accepted = self.json(self.http.post(self.url("")).multipart(form)).await?;
        Ok(accepted.id)
    }

    /// What the service knows of a recording.
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

    fn url(&self, path: &str) -> String {
        format!("{}/v1/recordings{path}", self.server.server.trim_end_matches('/'))
    }

    async fn json<T: DeserializeOwned>(&self, request: RequestBuilder) -> anyhow::Result<T> {
        let response = self.send(request).await?;
        response.json().await.context("the service's answer cannot be read; are both of the same version?")
    }

    /// Sends a request; an answer that is not a success is an error in the service's words.
    async fn send(&self, mut request: RequestBuilder) -> anyhow::Result<Response> {
        if let Some(token) = &self.server.token {
            request = request.bearer_auth(token);
        }
        let response = request
            .send()
            .await
            .with_context(|| format!("cannot reach the service at {}", self.server.server))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        match response.json::<Problem>().await {
            Ok(Problem { detail: Some(detail), .. }) => bail!("{detail}"),
            Ok(Problem { title, .. }) => bail!("{title}"),
            Err(_) => bail!("the service answered {status}"),
        }
    }
}
