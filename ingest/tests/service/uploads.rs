//! Uploads: what is taken, what is refused, and that a refusal leaves nothing behind.

use crate::stack::{Stack, interview, problem};
use futures::stream;
use reqwest::multipart::{Form, Part};
use reqwest::{Body, StatusCode};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

fn part(bytes: &[u8], name: &str) -> Part {
    Part::bytes(bytes.to_vec()).file_name(name.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_is_taken_with_options_before_and_after_its_file() {
    let stack = Stack::start(&[]).await;
    let bytes = interview();
    let form = Form::new()
        .text("labels", "interview")
        .part("file", part(&bytes, "../calls/Talk 7.opus"))
        .text("min_speakers", "2")
        .text("max_speakers", "3")
        .text("threshold", "0.6")
        .text("chunk_blocks", "2");
    let answer = stack.post("/v1/recordings").multipart(form).send().await.expect("answers");
    assert_eq!(answer.status(), StatusCode::ACCEPTED);
    let location = answer.headers()["location"].to_str().expect("text").to_owned();
    let accepted: Value = answer.json().await.expect("is JSON");
    let id = accepted["id"].as_str().expect("an id");
    assert_eq!(location, format!("/v1/recordings/{id}"));
    assert_eq!((&accepted["state"], &accepted["run"]), (&json!("queued"), &json!(1)));
    assert_eq!(accepted["sha256"], hex::encode(Sha256::digest(&bytes)));
    assert_eq!(accepted["bytes"], bytes.len());

    let shown: Value = stack.get(&location).send().await.expect("answers").json().await.expect("is JSON");
    assert_eq!((&shown["title"], &shown["file_name"]), (&json!("Talk 7.opus"), &json!("Talk 7")));
    let settings = json!({ "labels": "interview", "min_speakers": 2, "max_speakers": 3, "threshold": 0.6, "allow_gaps": false, "chunk_blocks": 2, "channels": "auto", "tracks": "default", "priority": "interactive" });
    assert_eq!(shown["settings"], settings);
    assert_eq!(std::fs::read(stack.object(&format!("recordings/{id}/upload"))).expect("is stored"), bytes);
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bare_body_takes_its_options_from_the_query() {
    let stack = Stack::start(&["--chunk-blocks=3"]).await;
    let query = "?title=Call%20%C3%A9t%C3%A9&num_speakers=2&labels=Ann,Bob&allow_gaps=true&file_name=a/b.wav";
    let accepted = stack.upload(query, interview()).await;
    let shown = stack.recording(accepted["id"].as_str().expect("an id")).await;
    assert_eq!((&shown["title"], &shown["file_name"]), (&json!("Call été"), &json!("b")));
    let settings = json!({ "labels": "Ann,Bob", "min_speakers": 2, "max_speakers": 2, "threshold": 0.45, "allow_gaps": true, "chunk_blocks": 3, "channels": "auto", "tracks": "default", "priority": "interactive" });
    assert_eq!(shown["settings"], settings);
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_over_the_limit_is_refused_and_leaves_nothing() {
    let stack = Stack::start(&["--max-upload-bytes=100000"]).await;
    let announced = stack.post("/v1/recordings").body(vec![1; 100_001]).send().await.expect("answers");
    let detail = problem(announced, StatusCode::PAYLOAD_TOO_LARGE, "too-large").await;
    assert!(detail.contains("100000 bytes"), "{detail}");

    let parts = stream::iter((0..50).map(|_| Ok::<_, std::io::Error>(vec![1_u8; 20_000])));
    let unannounced =
        stack.post("/v1/recordings").body(Body::wrap_stream(parts)).send().await.expect("answers");
    problem(unannounced, StatusCode::PAYLOAD_TOO_LARGE, "too-large").await;

    let form = Form::new().part("file", part(&vec![1; 300_000], "a.wav")).text("title", "t");
    let form = stack.post("/v1/recordings").multipart(form).send().await.expect("answers");
    problem(form, StatusCode::PAYLOAD_TOO_LARGE, "too-large").await;

    assert_eq!(stack.files(), Vec::<std::path::PathBuf>::new());
    assert_eq!(stack.count("SELECT count(*) FROM recordings").await, 0);
    stack.upload("", vec![1; 100_000]).await;
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_is_not_one_file_with_known_options_is_refused_and_leaves_nothing() {
    let stack = Stack::start(&[]).await;
    let send_form = async |form| stack.post("/v1/recordings").multipart(form).send().await.expect("answers");
    let send = async |query: &str, body: &'static str| {
        stack.post(&format!("/v1/recordings{query}")).body(body).send().await.expect("answers")
    };
    let bad = StatusCode::BAD_REQUEST;
    let detail = problem(send("", "").await, bad, "empty-upload").await;
    assert!(detail.starts_with("the upload is empty"), "{detail}");
    problem(send_form(Form::new().part("file", part(b"", ""))).await, bad, "empty-upload").await;
    problem(send_form(Form::new().text("title", "t")).await, bad, "one-file").await;
    let twice = Form::new().part("file", part(b"1", "a")).part("file", part(b"2", "b"));
    problem(send_form(twice).await, bad, "one-file").await;

    let detail = problem(send("?speakers=2", "x").await, bad, "bad-option").await;
    assert!(detail.contains("'speakers'") && detail.contains("num_speakers"), "{detail}");
    let late = Form::new().part("file", part(b"audio", "a")).text("treshold", "0.5");
    let detail = problem(send_form(late).await, bad, "bad-option").await;
    assert!(detail.contains("'treshold'"), "{detail}");
    let contradiction =
        Form::new().text("min_speakers", "3").part("file", part(b"a", "a")).text("max_speakers", "2");
    problem(send_form(contradiction).await, bad, "bad-option").await;

    let boundless = stack.post("/v1/recordings").header("content-type", "multipart/form-data").body("x");
    problem(boundless.send().await.expect("answers"), bad, "bad-form").await;

    assert_eq!(stack.files(), Vec::<std::path::PathBuf>::new());
    assert_eq!(stack.count("SELECT count(*) FROM recordings").await, 0);
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_goes_away_midway_leaves_nothing() {
    let stack = Stack::start(&[]).await;
    let mut client = TcpStream::connect(stack.address).await.expect("connects");
    let head = "POST /v1/recordings HTTP/1.1\r\nhost: localhost\r\ncontent-length: 50000000\r\n\r\n";
    client.write_all(head.as_bytes()).await.expect("sends");
    client.write_all(&vec![1; 9_000_000]).await.expect("sends");
    stack.files_become(1).await;
    drop(client);
    stack.files_become(0).await;
    assert_eq!(stack.count("SELECT count(*) FROM recordings").await, 0);
    stack.stop().await;
}
