//! Keys: an upload that is sent again with its Idempotency-Key is one recording.

use crate::raw;
use crate::stack::{Stack, problem};
use reqwest::multipart::{Form, Part};
use reqwest::{Body, Response, StatusCode};
use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

const RECORDINGS: &str = "SELECT count(*) FROM recordings";

async fn send(stack: &Stack, key: &str, query: &str, body: impl Into<Body>) -> Response {
    let request = stack.post(&format!("/v1/recordings{query}")).header("idempotency-key", key).body(body);
    request.send().await.expect("answers")
}

async fn taken(answer: Response) -> (String, Value) {
    assert_eq!(answer.status(), StatusCode::ACCEPTED);
    let location = answer.headers()["location"].to_str().expect("text").to_owned();
    (location, answer.json().await.expect("is JSON"))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_upload_again_is_the_same_recording_and_the_answer_the_same() {
    let stack = Stack::start(&[]).await;
    let first = taken(send(&stack, "k1", "?title=a", "one").await).await;
    let again = send(&stack, "\"k1\"", "?title=a", "one").await;
    assert_eq!(again.headers()["idempotent-replayed"], "true");
    assert_eq!(taken(again).await, first);
    // As a form it is the same upload.
    let form = Form::new().part("file", Part::bytes("one".as_bytes())).text("title", "a");
    let form = stack
        .post("/v1/recordings")
        .header("idempotency-key", "k1")
        .multipart(form)
        .send()
        .await
        .expect("answers");
    assert_eq!(taken(form).await, first);
    assert_eq!(stack.count(RECORDINGS).await, 1);
    stack.files_become(1).await;
    // Without a key, or with another, it is a new one.
    assert_ne!(taken(send(&stack, "k2", "?title=a", "one").await).await.0, first.0);
    stack.upload("?title=a", b"one".to_vec()).await;
    assert_eq!(stack.count(RECORDINGS).await, 3);
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_with_another_file_or_other_options_is_refused() {
    let stack = Stack::start(&[]).await;
    let (_, first) = taken(send(&stack, "k", "", "one").await).await;
    for (query, body) in [("", "two"), ("?title=b", "one"), ("?num_speakers=2", "one")] {
        let answer = send(&stack, "k", query, body).await;
        let detail = problem(answer, StatusCode::UNPROCESSABLE_ENTITY, "idempotency-key-reused").await;
        assert!(detail.contains(first["id"].as_str().expect("an id")), "{detail}");
    }
    let bad = send(&stack, "a\"b", "", "one").await;
    problem(bad, StatusCode::BAD_REQUEST, "bad-idempotency-key").await;
    assert_eq!(stack.count(RECORDINGS).await, 1);
    stack.files_become(1).await;
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_first_is_under_way_the_second_waits_and_of_two_at_once_one_is_made() {
    let stack = Stack::start(&[]).await;
    let mut first = TcpStream::connect(stack.address).await.expect("connects");
    let whole = raw::upload("idempotency-key: k\r\n", &vec![1; 9_000_000]);
    first.write_all(&whole[..8_900_000]).await.expect("sends");
    stack.files_become(1).await;
    let second = send(&stack, "k", "", vec![1; 9_000_000]).await;
    assert_eq!(second.headers()["retry-after"], "5");
    problem(second, StatusCode::CONFLICT, "idempotency-key-in-use").await;
    first.write_all(&whole[8_900_000..]).await.expect("sends");
    assert_eq!(raw::status(&raw::until_closed(&mut first).await), 202);
    taken(send(&stack, "k", "", vec![1; 9_000_000]).await).await;
    assert_eq!(stack.count(RECORDINGS).await, 1);

    let at_once = futures::future::join_all((0..8).map(|_| send(&stack, "l", "", vec![2; 100_000]))).await;
    let mut locations = Vec::new();
    for answer in at_once {
        match answer.status() {
            StatusCode::ACCEPTED => locations.push(taken(answer).await.0),
            other => assert_eq!(other, StatusCode::CONFLICT),
        }
    }
    locations.dedup();
    assert_eq!(locations.len(), 1, "{locations:?}");
    assert_eq!(stack.count(RECORDINGS).await, 2);
    stack.files_become(2).await;
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_cut_after_the_commit_and_one_cut_before_it_are_both_mended_by_sending_again() {
    let stack = Stack::start(&[]).await;
    // Nobody reads the answer: the client is cut off once the recording is there.
    let mut client = TcpStream::connect(stack.address).await.expect("connects");
    client.write_all(&raw::upload("idempotency-key: k\r\n", b"whole")).await.expect("sends");
    stack.count_when(RECORDINGS, |rows| rows == 1).await;
    drop(client);
    let (location, _) = taken(send(&stack, "k", "", "whole").await).await;
    let id = sqlx::query_scalar::<_, uuid::Uuid>("SELECT id FROM recordings")
        .fetch_one(&stack.pool)
        .await
        .expect("is there");
    assert_eq!(location, format!("/v1/recordings/{id}"));
    assert_eq!(stack.count(RECORDINGS).await, 1);

    let mut client = TcpStream::connect(stack.address).await.expect("connects");
    let whole = raw::upload("idempotency-key: l\r\n", &vec![1; 9_000_000]);
    client.write_all(&whole[..8_900_000]).await.expect("sends");
    stack.files_become(2).await;
    drop(client);
    // The key is free as soon as the upload has broken off.
    stack.count_when("SELECT count(*) FROM upload_keys", |rows| rows == 1).await;
    taken(send(&stack, "l", "", vec![1; 9_000_000]).await).await;
    assert_eq!(stack.count(RECORDINGS).await, 2);
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_whose_process_died_runs_out_and_a_refused_upload_gives_its_key_back() {
    let stack = Stack::start(&[]).await;
    let dead = "INSERT INTO upload_keys (caller, key, receiver, held_until) VALUES ('', 'k', gen_random_uuid(), now() + interval '1 hour')";
    sqlx::query(dead).execute(&stack.pool).await.expect("inserts");
    problem(send(&stack, "k", "", "one").await, StatusCode::CONFLICT, "idempotency-key-in-use").await;
    sqlx::query("UPDATE upload_keys SET held_until = now() - interval '1 second'")
        .execute(&stack.pool)
        .await
        .expect("updates");
    taken(send(&stack, "k", "", "one").await).await;

    problem(send(&stack, "l", "", "").await, StatusCode::BAD_REQUEST, "empty-upload").await;
    taken(send(&stack, "l", "", "two").await).await;
    assert_eq!(stack.count(RECORDINGS).await, 2);
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_goes_with_its_recording_and_callers_do_not_meet() {
    let tokens = tempfile::NamedTempFile::new().expect("a file");
    // The SHA-256 of "s3cret" and of "0ther".
    let lines = format!("ann {}\nbob {}\n", sha256("s3cret"), sha256("0ther"));
    std::fs::write(tokens.path(), lines).expect("writes");
    let stack = Stack::start(&[&format!("--api-tokens-file={}", tokens.path().display())]).await;
    let send_as = async |token: &str| {
        let request =
            stack.post("/v1/recordings").bearer_auth(token).header("idempotency-key", "k").body("one");
        taken(request.send().await.expect("answers")).await.0
    };
    let anns = send_as("s3cret").await;
    assert_ne!(send_as("0ther").await, anns);
    assert_eq!(send_as("s3cret").await, anns);
    let deleted = stack.http.delete(stack.url(&anns)).bearer_auth("s3cret").send().await.expect("answers");
    assert_eq!(deleted.status(), StatusCode::NO_CONTENT);
    assert_eq!(stack.count("SELECT count(*) FROM upload_keys").await, 1);
    assert_ne!(send_as("s3cret").await, anns);
    stack.stop().await;
}

fn sha256(token: &str) -> String {
    use sha2::{Digest, Sha256};
    hex::encode(Sha256::digest(token))
}
