//! Late: answers that never come and processes that stand still, at the worst moments.

use crate::corrections::{completed, corrected, get, labels, take_back, talk};
use crate::line::Line;
use crate::resumable::{create, is_recording, patch, text};
use crate::stack::{Another, Stack, problem};
use reqwest::{Response, StatusCode};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

fn numbers(all: &Value) -> Vec<i64> {
    all["corrections"].as_array().into_iter().flatten().filter_map(|it| it["number"].as_i64()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_person_says_or_takes_back_holds_once_though_the_answer_to_its_commit_is_lost() {
    let (stack, line) = Stack::start_over_a_line().await;
    let id = completed(&stack, &talk(2, 16)).await;
    let rename = |speaker: &str, name: &str| json!({ "kind": "rename", "speaker": speaker, "name": name });
    line.loses_the_commit_of("INSERT INTO corrections");
    let all = corrected(&stack, id, &rename("SPEAKER_00", "Ann")).await;
    assert!(line.is_done());
    assert_eq!(numbers(&all), [1]);

    assert_eq!(numbers(&corrected(&stack, id, &rename("SPEAKER_01", "Bob")).await), [1, 2]);
    line.loses_the_commit_of("DELETE FROM corrections");
    let answer = take_back(&stack, id, 2).await;
    assert!(line.is_done());
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(numbers(&answer.json().await.expect("is JSON")), [1]);
    assert_eq!(labels(&get(&stack, id, "speakers").await), ["Ann", "SPEAKER_01", "SPEAKER_02"]);
    stack.stop().await;
}

const AUDIO: &[u8] = b"1234567890";

/// An upload of [`AUDIO`] that its process has put together, but not accepted: it stands still, and another one, which took it for dead,
/// has made the recording.
struct Overtaken {
    stack: Stack,
    line: Line,
    other: Another,
    upload: String,
    /// The request that brought the last byte.
    sending: JoinHandle<reqwest::Result<Response>>,
}

async fn overtaken() -> Overtaken {
    let (stack, line) = Stack::start_over_a_line().await;
    let (_, other) = stack.another_with(&["--sweep-seconds=1"]).await;
    let upload = create(&stack, AUDIO.len(), "").await;
    line.holds_at("SELECT recording_id FROM resumable_uploads WHERE id = $1 FOR UPDATE");
    let sending = tokio::spawn(patch(&stack, &upload, 0, AUDIO).send());
    line.held().await;
    assert_eq!(stack.count("SELECT count(*) FROM recordings").await, 0);
    // As if that were long ago.
    let over = "UPDATE resumable_uploads SET composing_until = now() - interval '1 second'";
    sqlx::query(over).execute(&stack.pool).await.expect("updates");
    stack.count_when("SELECT count(*) FROM recordings", |recordings| recordings == 1).await;
    Overtaken { stack, line, other, upload, sending }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_puts_an_upload_together_and_wakes_late_finds_the_recording_of_another() {
    let Overtaken { stack, line, other, upload, sending } = overtaken().await;
    line.goes_on();
    let answer = sending.await.expect("no panic").expect("answers");
    assert_eq!(answer.status(), StatusCode::NO_CONTENT);
    assert_eq!(
        text(answer.headers(), "throughline-recording"),
        upload.replace("/v1/uploads/", "/v1/recordings/")
    );
    is_recording(&stack, &upload, AUDIO).await;
    other.stop().await;
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_wakes_when_the_upload_is_forgotten_leaves_the_recording_its_audio() {
    let Overtaken { stack, line, other, upload, sending } = overtaken().await;
    sqlx::query("UPDATE resumable_uploads SET expires_at = now()")
        .execute(&stack.pool)
        .await
        .expect("updates");
    stack.count_when("SELECT count(*) FROM resumable_uploads", |uploads| uploads == 0).await;
    line.goes_on();
    let answer = sending.await.expect("no panic").expect("answers");
    problem(answer, StatusCode::NOT_FOUND, "unknown-upload").await;
    is_recording(&stack, &upload, AUDIO).await;
    other.stop().await;
    stack.stop().await;
}
