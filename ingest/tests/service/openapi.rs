//! OpenAPI: the service held against its own document by schemathesis, which makes requests that the document allows and such that it
//! forbids, and looks whether the answers are those that it promises.

use crate::stack::{Stack, TOKEN, interview};
use reqwest::StatusCode;
use serde_json::Value;
use service_kit::testing::tool;
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;
use tokio::process::Command;

/// Longest that it may take.
const WITHIN: Duration = Duration::from_secs(300);

/// Something to be found by those calls that only read: a recording with all there can be of it, and a dead letter.
const FOUND: [&str; 6] = [
    "UPDATE recordings SET state = 'completed_with_gaps', completed_at = now(), warnings = '{damaged}' WHERE title = 'kept'",
    "INSERT INTO turns (recording_id, first_frame, end_frame, speaker, speaker_label, provisional)
     SELECT id, 0, 100, 0, 'Ann', false FROM recordings WHERE title = 'kept'",
    "INSERT INTO matches (recording_id, first_frame, end_frame, slot, speaker, score, confidence, runner_up, runner_up_score, runner_up_confidence)
     SELECT id, 0, 100, 0, 0, 0.5, 0.9, 1, 0.1, 0.1 FROM recordings WHERE title = 'kept'",
    "INSERT INTO gaps (recording_id, chunk, reason) SELECT id, 1, 'why' FROM recordings WHERE title = 'kept'",
    "INSERT INTO speaker_embeddings (recording_id, speaker, speaker_label, model_version, embedding_vector, speech_seconds)
     SELECT id, 0, 'Ann', 'm', '[1,0]', 3.5 FROM recordings WHERE title = 'kept'",
    r#"INSERT INTO dead_letters (queue, reason, kind, body, attempts)
       VALUES ('throughline.x', 'why', 'x', 'x', '[{"reason": "why", "by": "", "at": "2026-01-01T00:00:00Z"}]')"#,
];

/// Uploads an interview under a title; its id.
async fn upload(stack: &Stack, title: &str) -> String {
    let path = format!("/v1/recordings?chunk_blocks=1&title={title}");
    let accepted = stack.post(&path).bearer_auth(TOKEN).body(interview()).send().await.expect("answers");
    assert_eq!(accepted.status(), StatusCode::ACCEPTED);
    let accepted: Value = accepted.json().await.expect("is JSON");
    accepted["id"].as_str().expect("an id").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_service_is_as_its_document_says() {
    let stack = Stack::start(&[&format!("--api-token={TOKEN}")]).await;
    let (kept, spent) = (upload(&stack, "kept").await, upload(&stack, "spent").await);
    stack.count_when("SELECT count(*) FROM recordings WHERE chunk_count = 4", |decoded| decoded == 2).await;
    for sql in FOUND {
        sqlx::query(sql).execute(&stack.pool).await.expect("runs");
    }
    let folder = TempDir::new().expect("a folder");
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/schemathesis");
    let settings = std::fs::read_to_string(data.join("schemathesis.toml")).expect("is there");
    let config = folder.path().join("schemathesis.toml");
    std::fs::write(&config, settings.replace("{kept}", &kept).replace("{spent}", &spent)).expect("writes");

    let running = Command::new(tool("python3"))
        .arg(data.join("run.py"))
        .arg("--config-file")
        .arg(&config)
        .args(["run", &stack.url("/openapi.json"), "--header", &format!("Authorization: Bearer {TOKEN}")])
        // Always the same requests.
        .args(["--phases", "coverage,fuzzing", "--max-examples", "5", "--seed", "1"])
        .args(["--continue-on-failure", "--request-timeout", "5", "--no-color"])
        .current_dir(folder.path())
        .kill_on_drop(true)
        .output();
    let ended = tokio::time::timeout(WITHIN, running).await.expect("ends in time").expect("runs");
    let told = String::from_utf8_lossy(&ended.stdout);
    assert!(ended.status.success(), "{told}\n{}", String::from_utf8_lossy(&ended.stderr));
    stack.stop().await;
}
