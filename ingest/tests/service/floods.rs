//! Floods: more corrections than can be made stop nobody else.

use crate::corrections::{completed, get, talk};
use crate::stack::{Stack, problem};
use reqwest::StatusCode;
use serde_json::json;
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use uuid::Uuid;

/// A burst as it was seen: so many, over so long.
const MOST: usize = 900;
const OVER: Duration = Duration::from_secs(6);
/// Time that a client stays connected without waiting for its answer.
const READ_WITHIN: Duration = Duration::from_millis(50);
/// Longest wait of somebody else for an answer meanwhile.
const PATIENCE: Duration = Duration::from_secs(5);

/// A rename as a client writes it who does not wait for the answer.
fn rename(id: Uuid, name: &str) -> Vec<u8> {
    let body = json!({ "kind": "rename", "speaker": "SPEAKER_00", "name": name }).to_string();
    format!(
        "POST /v1/recordings/{id}/corrections HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// Sends renames, each over a connection that is closed as soon as it has been read.
async fn flood(address: std::net::SocketAddr, id: Uuid) {
    let started = Instant::now();
    let mut clients = tokio::task::JoinSet::new();
    for number in 0..MOST {
        clients.spawn(async move {
            let mut stream = TcpStream::connect(address).await.expect("connects");
            stream.write_all(&rename(id, &format!("Person {number}"))).await.expect("sends");
            tokio::time::sleep(READ_WITHIN).await;
        });
        tokio::time::sleep((OVER * number as u32 / MOST as u32).saturating_sub(started.elapsed())).await;
    }
    while clients.join_next().await.is_some() {}
}

/// Time that the answer to `request` took, and its status; none where there was no answer in 200 seconds.
async fn timed(request: reqwest::RequestBuilder) -> (Duration, Option<StatusCode>) {
    let started = Instant::now();
    let answer = tokio::time::timeout(Duration::from_secs(200), request.send()).await;
    let status = answer.ok().and_then(Result::ok).map(|answer| answer.status());
    (started.elapsed(), status)
}

/// The figures are printed: `deploy/test -p ingest --test service -- floods --nocapture`.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_burst_of_corrections_whose_callers_are_gone_holds_up_nobody_else() {
    let stack = Stack::start(&[]).await;
    stack.ready().await;
    let blocks = talk(120, 256);
    let corrected = completed(&stack, &blocks).await;
    let other = completed(&stack, &talk(2, 16)).await;
    flood(stack.address, corrected).await;
    let upload = timed(stack.post("/v1/recordings").body(crate::stack::interview()));
    let again = timed(stack.post(&format!("/v1/recordings/{other}/reprocess")));
    let ready = timed(stack.get("/readyz"));
    let (upload, again, ready) = tokio::join!(upload, again, ready);
    println!(
        "after {MOST} renames in {OVER:?}: upload {upload:?}, reprocessing {again:?}, readiness {ready:?}"
    );
    assert!(upload.1 == Some(StatusCode::ACCEPTED) && upload.0 < PATIENCE, "upload {upload:?}");
    assert!(again.1 == Some(StatusCode::ACCEPTED) && again.0 < PATIENCE, "reprocessing {again:?}");
    assert!(ready.1 == Some(StatusCode::OK) && ready.0 < PATIENCE, "readiness {ready:?}");
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn past_a_few_that_wait_a_correction_is_refused_for_now_and_those_that_wait_are_made() {
    let stack = Stack::start(&[]).await;
    let id = completed(&stack, &talk(20, 64)).await;
    let said = |number: usize| json!({ "kind": "rename", "speaker": "SPEAKER_00", "name": format!("Person {number}") });
    let path = format!("/v1/recordings/{id}/corrections");
    // All name the speaker by the label of before: the first is made, those behind it are refused for what they say.
    let answers =
        futures::future::join_all((0..60).map(|number| stack.post(&path).json(&said(number)).send())).await;
    let mut made = 0;
    let mut refused = Vec::new();
    for answer in answers {
        let answer = answer.expect("answers");
        match answer.status() {
            StatusCode::OK => made += 1,
            StatusCode::TOO_MANY_REQUESTS => refused.push(answer),
            status => assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY),
        }
    }
    assert_eq!(made, 1);
    assert!(!refused.is_empty(), "nobody was refused");
    for answer in refused {
        assert!(answer.headers().contains_key("retry-after"));
        let detail = problem(answer, StatusCode::TOO_MANY_REQUESTS, "busy-corrections").await;
        assert!(detail.contains("in a moment"), "{detail}");
    }
    let all = get(&stack, id, "corrections").await;
    assert_eq!(all["corrections"].as_array().map(Vec::len), Some(1));
    stack.stop().await;
}
