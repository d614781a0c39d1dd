//! Recordings: what a test does as an uploader, and what it sees as an operator.

use crate::eventually::eventually;
use crate::matches;
use crate::stack::Stack;
use diarization::diarize::Diarization;
use diarization::rttm;
use pgvector::Vector;
use reqwest::multipart::{Form, Part};
use reqwest::{Method, RequestBuilder, Response, StatusCode, header};
use serde_json::Value;
use sqlx::AssertSqlSafe;
use std::path::Path;
use uuid::Uuid;

/// One row of `speaker_embeddings`.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredVoice {
    /// Label.
    pub label: String,
    /// The vector, bit for bit.
    pub bits: Vec<u32>,
    /// Seconds of speech, bit for bit.
    pub seconds: u64,
    /// Time at which it was written, in microseconds since 1970.
    pub created_at: i64,
}

fn bits(vector: &[f32]) -> Vec<u32> {
    vector.iter().map(|value| value.to_bits()).collect()
}

impl Stack {
    /// A request to `path` under /v1/recordings.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}/v1/recordings{path}", self.address))
    }

    /// The upload of `file` with `options`, not yet sent.
    pub fn upload(&self, file: &Path, options: &[(&str, &str)]) -> RequestBuilder {
        let bytes = std::fs::read(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let name = file.file_name().expect("a file").to_string_lossy().into_owned();
        let options = options.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        let form = options.fold(Form::new(), |form, (key, value)| form.text(key, value));
        self.request(Method::POST, "").multipart(form.part("file", Part::bytes(bytes).file_name(name)))
    }

    /// Uploads `file`; panics unless it is accepted. Returns the recording's id.
    pub async fn submit(&self, file: &Path, options: &[(&str, &str)]) -> Uuid {
        accepted(self.upload(file, options).send().await.expect("an answer")).await
    }

    /// Answer of the API about a recording.
    pub async fn recording(&self, id: Uuid) -> Value {
        let response = self.request(Method::GET, &format!("/{id}")).send().await.expect("an answer");
        assert_eq!(response.status(), StatusCode::OK);
        response.json().await.expect("JSON")
    }

    /// Waits until `condition` holds for a recording. Every service must live on meanwhile.
    pub async fn recording_when(
        &mut self,
        id: Uuid,
        what: &str,
        condition: impl Fn(&Value) -> bool,
    ) -> Value {
        eventually(&format!("the recording {what}"), async || {
            self.must_be_alive();
            Some(self.recording(id).await).filter(&condition)
        })
        .await
    }

    /// Waits until a recording is completed or failed.
    pub async fn ended(&mut self, id: Uuid) -> Value {
        self.recording_when(id, "ends", |it| it["state"] == "completed" || it["state"] == "failed").await
    }

    /// Waits until a recording ends; panics unless it is completed with all its chunks.
    pub async fn completed(&mut self, id: Uuid) -> Value {
        let recording = self.ended(id).await;
        assert_eq!(recording["state"], "completed", "{recording}");
        assert_eq!(recording["chunks"]["done"], recording["chunks"]["total"], "{recording}");
        recording
    }

    /// Waits until so many chunks of a recording are matched; panics if it has ended by then.
    pub async fn under_way(&mut self, id: Uuid, chunks: u64) {
        let it = self
            .recording_when(id, "gets on", |it| it["chunks"]["done"].as_u64().is_some_and(|n| n >= chunks))
            .await;
        assert_eq!(it["state"], "processing", "it was looked at too late to be in mid-work: {it}");
    }

    /// The turns of a recording as JSON.
    pub async fn turns(&self, id: Uuid) -> Value {
        let response = self.request(Method::GET, &format!("/{id}/turns")).send().await.expect("an answer");
        assert_eq!(response.status(), StatusCode::OK);
        response.json().await.expect("JSON")
    }

    /// The turns of a recording as RTTM.
    pub async fn rttm(&self, id: Uuid) -> String {
        let path = format!("/{id}/turns?format=rttm");
        let response = self.request(Method::GET, &path).send().await.expect("an answer");
        assert_eq!(response.status(), StatusCode::OK);
        response.text().await.expect("text")
    }

    /// The voices stored of a recording, by speaker.
    pub async fn voices(&self, id: Uuid) -> Vec<StoredVoice> {
        let rows: Vec<(String, Vector, f64, i64)> = sqlx::query_as(
            "SELECT speaker_label, embedding_vector, speech_seconds, (extract(epoch FROM created_at) * 1000000)::bigint
             FROM speaker_embeddings WHERE recording_id = $1 ORDER BY speaker",
        )
        .bind(id)
        .fetch_all(&self.pool)
        .await
        .expect("the voices are read");
        let voice = |(label, vector, seconds, created_at): (String, Vector, f64, i64)| StoredVoice {
            label,
            bits: bits(vector.as_slice()),
            seconds: seconds.to_bits(),
            created_at,
        };
        rows.into_iter().map(voice).collect()
    }

    /// Panics unless a recording's RTTM is `expected`'s to the last byte, and its matches and voices are to the last bit.
    pub async fn must_equal(&self, id: Uuid, stem: &str, expected: &Diarization) {
        let (got, wanted) = (self.rttm(id).await, rttm::write(&expected.segments(stem)));
        if let Some((got, wanted)) = got.lines().zip(wanted.lines()).find(|(got, wanted)| got != wanted) {
            panic!("the RTTM differs from the oracle's first here:\n  {got}\n  {wanted}");
        }
        assert_eq!(got, wanted, "the RTTM differs from the oracle's in length");
        let matched = matches::stored(&self.pool, id).await.expect("the matches are read");
        assert!(matched == matches::rows_of(&expected.matches), "the matches differ from the oracle's");
        let voices = self.voices(id).await;
        assert_eq!(voices.len(), expected.speakers.len(), "number of voices");
        for (got, wanted) in voices.iter().zip(&expected.speakers) {
            assert_eq!(got.label, wanted.label);
            assert_eq!(got.bits, bits(&wanted.embedding), "the voice of {} differs", got.label);
            assert_eq!(got.seconds, wanted.speech_seconds.to_bits(), "the speech of {} differs", got.label);
        }
    }

    /// Rows of every table, by table, without those of the migrations.
    pub async fn rows(&self) -> Vec<(String, i64)> {
        let tables: Vec<String> = sqlx::query_scalar(
            "SELECT tablename::text FROM pg_tables WHERE schemaname = 'public' AND tablename <> '_sqlx_migrations'
             ORDER BY tablename",
        )
        .fetch_all(&self.pool)
        .await
        .expect("the tables are listed");
        assert!(tables.len() >= 6, "where are the tables? {tables:?}");
        let mut rows = Vec::new();
        for table in tables {
            let count = AssertSqlSafe(format!("SELECT count(*) FROM {table}"));
            rows.push((table, sqlx::query_scalar(count).fetch_one(&self.pool).await.expect("counts")));
        }
        rows
    }

    /// One number from the database.
    pub async fn count(&self, query: &'static str) -> i64 {
        sqlx::query_scalar(query).fetch_one(&self.pool).await.expect("counts")
    }

    /// Files in the object store, without the one by which the database knows it.
    pub fn objects(&self) -> Vec<std::path::PathBuf> {
        let mut folders = vec![self.store()];
        let mut files = Vec::new();
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).expect("the store is a folder") {
                let path = entry.expect("an entry").path();
                if path.is_dir() { folders.push(path) } else { files.push(path) }
            }
        }
        // Also as it is being written, to a file with a number behind the name.
        let is_mark =
            |file: &Path| file.file_name().is_some_and(|name| name.to_string_lossy().starts_with("store-id"));
        files.retain(|file| !is_mark(file));
        files
    }
}

/// The id in the answer to an upload, which must be 202 and say where the recording is.
pub async fn accepted(response: Response) -> Uuid {
    let (status, headers) = (response.status(), response.headers().clone());
    let body: Value = response.json().await.expect("JSON");
    assert_eq!(status, StatusCode::ACCEPTED, "{body}");
    let id = body["id"].as_str().expect("an id");
    assert_eq!(headers[header::LOCATION], format!("/v1/recordings/{id}"));
    id.parse().expect("a UUID")
}
