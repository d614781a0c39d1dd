//! Callers: who sent what, by the name of the token.

use crate::resumable::{create, text};
use crate::stack::Stack;
use reqwest::header::CONTENT_TYPE;
use reqwest::{Method, StatusCode};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::io::Write;
use tempfile::NamedTempFile;

/// A tokens' file in which each name is its own token, with what is written behind the digest.
pub fn tokens(lines: &[(&str, &str)]) -> NamedTempFile {
    let mut file = NamedTempFile::new().expect("a file");
    for (name, scopes) in lines {
        writeln!(file, "{name} {} {scopes}", hex::encode(Sha256::digest(name))).expect("writes");
    }
    file
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_says_who_has_sent_it_however_it_was_sent() {
    let file = tokens(&[("ann", ""), ("bob", "")]);
    let stack = Stack::start(&[&format!("--api-tokens-file={}", file.path().display())]).await;
    let uploaded = stack.post("/v1/recordings").bearer_auth("ann").body("not audio").send().await;
    let ann: Value = uploaded.expect("answers").json().await.expect("is JSON");
    let tus = stack
        .http
        .request(Method::POST, stack.url("/v1/uploads"))
        .bearer_auth("bob")
        .header("tus-resumable", "1.0.0")
        .header("upload-length", 9)
        .header(CONTENT_TYPE, "application/offset+octet-stream")
        .body("not audio");
    let answer = tus.send().await.expect("answers");
    assert_eq!(answer.status(), StatusCode::CREATED);
    let bob = text(answer.headers(), "throughline-recording");
    for (path, sender) in
        [(format!("/v1/recordings/{}", ann["id"].as_str().expect("an id")), "ann"), (bob.clone(), "bob")]
    {
        let shown = stack.get(&path).bearer_auth("ann").send().await.expect("answers");
        assert_eq!(shown.json::<Value>().await.expect("is JSON")["caller"], sender);
    }
    let list = stack.get("/v1/recordings").bearer_auth("ann").send().await.expect("answers");
    let list: Value = list.json().await.expect("is JSON");
    let senders: Vec<&Value> =
        list["recordings"].as_array().expect("a list").iter().map(|r| &r["caller"]).collect();
    assert_eq!(senders, ["bob", "ann"]);
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_there_are_no_tokens_nobody_is_named() {
    let stack = Stack::start(&[]).await;
    let accepted = stack.upload("", b"not audio".to_vec()).await;
    assert_eq!(stack.recording(accepted["id"].as_str().expect("an id")).await["caller"], "");
    create(&stack, 9, "").await;
    assert_eq!(stack.count("SELECT count(*) FROM resumable_uploads WHERE caller = ''").await, 1);
    stack.stop().await;
}
