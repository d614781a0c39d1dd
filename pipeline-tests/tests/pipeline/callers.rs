//! Callers: every line of the log that a request leads to names who sent it.

use pipeline_tests::Stack;
use serde_json::Value;

/// True if a line was logged for a request of `caller`.
fn names(line: &Value, caller: &str) -> bool {
    line["spans"].as_array().is_some_and(|spans| spans.iter().any(|span| span["caller"] == caller))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_line_of_a_request_names_its_caller() {
    let mut stack = Stack::start(0, 0, 0).await;
    let token = "kQ7vXw2mZp9RtB4nLs8H";
    stack.set(&[("THROUGHLINE_API_TOKEN", token)]);
    stack.start_ingest().await;
    let url = |path: &str| format!("{}{path}", stack.address());
    let http = reqwest::Client::new();
    let uploaded = http.post(url("/v1/recordings")).bearer_auth(token).body("not audio").send().await;
    let accepted: Value = uploaded.expect("answers").json().await.expect("is JSON");
    let empty = http.post(url("/v1/recordings")).bearer_auth(token).send().await.expect("answers");
    assert_eq!(empty.status(), 400);
    let id = accepted["id"].as_str().expect("an id");
    let deleted = http.delete(url(&format!("/v1/recordings/{id}"))).bearer_auth(token).send().await;
    assert!(deleted.expect("answers").status().is_success());
    let lines = stack.ingests[0].lines();
    for message in ["upload accepted", "upload refused", "done"] {
        let of_it: Vec<_> = lines.iter().filter(|line| line["message"] == message).collect();
        assert!(!of_it.is_empty() && of_it.iter().all(|line| names(line, "default")), "{message}: {of_it:?}");
    }
    stack.stop().await;
}
