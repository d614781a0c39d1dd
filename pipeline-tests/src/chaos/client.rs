//! Client: uploads, reprocesses and deletes as somebody does who wants it done: again and again until it is.

use super::plan::Service;
use super::posts::Posts;
use super::samples::Sample;
use reqwest::multipart::{Form, Part};
use reqwest::{Client, Method, StatusCode};
use serde_json::Value;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use uuid::Uuid;

/// Longest wait for one answer; then the client tries elsewhere.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(300);
/// An ingest that stands in a transaction which a frozen one holds up waits as long as Postgres does.
const TRIES: usize = 600;

/// State that the clients of a run share.
pub struct Clients {
    http: Client,
    addresses: Vec<SocketAddr>,
    turn: AtomicUsize,
    uploads: AtomicUsize,
    tries: AtomicUsize,
    accepted: Mutex<BTreeSet<Uuid>>,
    deleted: Mutex<BTreeSet<Uuid>>,
}

impl Clients {
    /// Clients of the ingests at `posts`.
    pub fn of(posts: &Posts) -> Arc<Self> {
        let http = Client::builder().timeout(ANSWER_WITHIN).build().expect("a client");
        Arc::new(Self {
            http,
            addresses: posts.of(Service::Ingest).filter_map(|post| post.listen).collect(),
            turn: AtomicUsize::new(0),
            uploads: AtomicUsize::new(0),
            tries: AtomicUsize::new(0),
            accepted: Mutex::default(),
            deleted: Mutex::default(),
        })
    }

    /// Recordings that got a 202.
    pub fn accepted(&self) -> BTreeSet<Uuid> {
        self.accepted.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Recordings whose deletion was asked for.
    pub fn deleted(&self) -> BTreeSet<Uuid> {
        self.deleted.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Requests made in all.
    pub fn tries(&self) -> usize {
        self.tries.load(Ordering::Relaxed)
    }

    /// The address of `path` at one ingest after the other.
    fn url(&self, path: &str) -> String {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        self.tries.fetch_add(1, Ordering::Relaxed);
        format!("http://{}/v1{path}", self.addresses[turn % self.addresses.len()])
    }

    /// Uploads `sample` until it is accepted, and returns its id. An upload whose answer is lost may have been accepted as well.
    pub async fn upload(&self, sample: &Sample) -> Uuid {
        let bytes = std::fs::read(&sample.path).expect("the sample is read");
        let title = format!("{} {}", sample.name, self.uploads.fetch_add(1, Ordering::Relaxed));
        let name = sample.path.file_name().expect("a file").to_string_lossy().into_owned();
        for _ in 0..TRIES {
            let form = Form::new().text("title", title.clone());
            let form = sample.options.iter().fold(form, |form, (key, value)| form.text(*key, *value));
            let form = form.part("file", Part::bytes(bytes.clone()).file_name(name.clone()));
            let answer = self.http.post(self.url("/recordings")).multipart(form).send().await;
            if let Ok(answer) = answer
                && answer.status() == StatusCode::ACCEPTED
                && let Ok(body) = answer.json::<Value>().await
                && let Some(id) = body["id"].as_str().and_then(|id| id.parse().ok())
            {
                self.accepted.lock().unwrap_or_else(PoisonError::into_inner).insert(id);
                return id;
            }
            tokio::time::sleep(PAUSE).await;
        }
        panic!("the upload of {} was never accepted", sample.name);
    }

    /// Asks until one of `wanted` is the answer.
    async fn until(&self, method: Method, path: &str, wanted: &[StatusCode]) -> reqwest::Response {
        let mut last = String::new();
        for _ in 0..TRIES {
            match self.http.request(method.clone(), self.url(path)).send().await {
                Ok(answer) if wanted.contains(&answer.status()) => return answer,
                Ok(answer) => last = answer.status().to_string(),
                Err(error) => last = error.to_string(),
            }
            tokio::time::sleep(PAUSE).await;
        }
        panic!("{method} {path} was never answered well; the last: {last}");
    }

    /// Has a recording processed again. One that is deleted meanwhile is let be.
    pub async fn reprocess(&self, recording: Uuid) {
        let path = format!("/recordings/{recording}/reprocess");
        self.until(Method::POST, &path, &[StatusCode::ACCEPTED, StatusCode::NOT_FOUND]).await;
    }

    /// The same at one of the ingests; false where it does not answer well at once.
    pub async fn reprocess_at(&self, ingest: SocketAddr, recording: Uuid) -> bool {
        self.tries.fetch_add(1, Ordering::Relaxed);
        let url = format!("http://{ingest}/v1/recordings/{recording}/reprocess");
        self.http.post(url).send().await.is_ok_and(|answer| answer.status() == StatusCode::ACCEPTED)
    }

    /// Deletes a recording.
    pub async fn delete(&self, recording: Uuid) {
        self.deleted.lock().unwrap_or_else(PoisonError::into_inner).insert(recording);
        let path = format!("/recordings/{recording}");
        self.until(Method::DELETE, &path, &[StatusCode::NO_CONTENT, StatusCode::NOT_FOUND]).await;
    }

    /// Sends a dead letter again, as an operator does.
    pub async fn replay(&self, letter: i64) {
        let path = format!("/dead-letters/{letter}/replay");
        let good = [StatusCode::ACCEPTED, StatusCode::NOT_FOUND, StatusCode::CONFLICT];
        self.until(Method::POST, &path, &good).await;
    }

    /// The turns of a recording as RTTM.
    pub async fn rttm(&self, recording: Uuid) -> String {
        let path = format!("/recordings/{recording}/turns?format=rttm");
        self.until(Method::GET, &path, &[StatusCode::OK]).await.text().await.expect("text")
    }
}
