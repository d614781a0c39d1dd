//! Locked: a recording that something else keeps locked is answered for within seconds, and holds up nobody else.

use crate::corrections::{completed, corrected, talk};
use crate::operations::consumers_become;
use crate::stack::{Stack, interview, problem};
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use service_kit::topology::DECODE;
use sqlx::PgTransaction;
use std::time::{Duration, Instant};
use uuid::Uuid;

/// Longest wait of a caller to hear that a recording is locked.
const SOON: Duration = Duration::from_millis(3500);
/// Longest wait of the last of many callers for that.
const IN_ALL: Duration = Duration::from_secs(15);
/// Longest wait of others, whom it does not concern.
const AT_ONCE: Duration = Duration::from_secs(2);

/// A transaction of somebody else's that keeps the row of a recording.
async fn keep_locked(stack: &Stack, id: Uuid) -> PgTransaction<'static> {
    let mut holder = stack.pool.begin().await.expect("begins");
    sqlx::query("SELECT id FROM recordings WHERE id = $1 FOR UPDATE")
        .bind(id)
        .execute(&mut *holder)
        .await
        .expect("locks the row");
    holder
}

/// Requests that change the recording `id`, each in its way.
fn changes(stack: &Stack, id: Uuid) -> Vec<RequestBuilder> {
    let rename = json!({ "kind": "rename", "speaker": "SPEAKER_00", "name": "Ann" });
    vec![
        stack.post(&format!("/v1/recordings/{id}/corrections")).json(&rename),
        stack.post(&format!("/v1/recordings/{id}/cancel")),
        stack.post(&format!("/v1/recordings/{id}/reprocess")),
        stack.http.request(Method::DELETE, stack.url(&format!("/v1/recordings/{id}"))),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_a_locked_recording_is_answered_409_within_seconds_with_what_to_do() {
    let stack = Stack::start(&[]).await;
    let id = completed(&stack, &talk(2, 16)).await;
    let holder = keep_locked(&stack, id).await;
    for change in changes(&stack, id) {
        let started = Instant::now();
        let answer = change.send().await.expect("answers");
        assert!(started.elapsed() < SOON, "{:?}", started.elapsed());
        assert!(answer.headers().contains_key("retry-after"));
        let detail = problem(answer, StatusCode::CONFLICT, "locked").await;
        assert!(detail.contains("nothing was done, send it again"), "{detail}");
    }
    holder.rollback().await.expect("lets go");
    corrected(&stack, id, &json!({ "kind": "rename", "speaker": "SPEAKER_00", "name": "Ann" })).await;
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_locked_recording_holds_up_neither_reads_nor_changes_of_others_nor_readiness() {
    let stack = Stack::start(&[]).await;
    stack.ready().await;
    let (locked, other) = (completed(&stack, &talk(2, 16)).await, completed(&stack, &talk(2, 16)).await);
    let holder = keep_locked(&stack, locked).await;
    let many: Vec<_> = (0..10).flat_map(|_| changes(&stack, locked)).collect();
    let many = many.into_iter().map(|change| tokio::spawn(change.send()));
    let many: Vec<_> = many.collect();
    stack.somebody_waits_for_a_lock().await;
    let rename = json!({ "kind": "rename", "speaker": "SPEAKER_00", "name": "Ann" });
    let others = [
        ("a read", stack.get(&format!("/v1/recordings/{locked}/turns")), StatusCode::OK),
        ("readiness", stack.get("/readyz"), StatusCode::OK),
        ("an upload", stack.post("/v1/recordings").body(interview()), StatusCode::ACCEPTED),
        ("a change", stack.post(&format!("/v1/recordings/{other}/reprocess")), StatusCode::ACCEPTED),
    ];
    for (what, request, status) in others {
        let started = Instant::now();
        let answer = request.send().await.expect("answers");
        assert_eq!(answer.status(), status, "{what}");
        assert!(started.elapsed() < AT_ONCE, "{what} took {:?}", started.elapsed());
    }
    let started = Instant::now();
    for change in many {
        let status = change.await.expect("no panic").expect("answers").status();
        let refused = [StatusCode::CONFLICT, StatusCode::TOO_MANY_REQUESTS];
        assert!(refused.contains(&status), "{status}");
    }
    assert!(started.elapsed() < IN_ALL, "{:?}", started.elapsed());
    holder.rollback().await.expect("lets go");
    corrected(&stack, locked, &rename).await;
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_that_is_locked_when_it_is_to_be_decoded_waits_its_turn_without_an_attempt() {
    let stack = Stack::start(&[]).await;
    let pause = |action: &str| stack.post(&format!("/v1/queues/throughline.decode/{action}")).send();
    consumers_become(&stack, DECODE, |consumers| consumers > 0).await;
    assert!(pause("pause").await.expect("answers").status().is_success());
    consumers_become(&stack, DECODE, |consumers| consumers == 0).await;
    let upload = async || stack.upload("", interview()).await["id"].as_str().expect("an id").to_owned();
    let (locked, other) = (upload().await, upload().await);
    let ordered = "SELECT count(*) FROM recordings WHERE decode_ordered_at IS NOT NULL";
    stack.count_when(ordered, |ordered| ordered == 2).await;
    stack.sent().await;
    let holder = keep_locked(&stack, locked.parse().expect("an id")).await;
    assert!(pause("resume").await.expect("answers").status().is_success());
    stack.decoded(&other).await;
    assert!(stack.recording(&locked).await["chunks"]["total"].is_null());
    holder.rollback().await.expect("lets go");
    let decoded: Value = stack.decoded(&locked).await;
    assert_eq!(decoded["state"], "processing");
    assert_eq!(stack.count("SELECT count(*) FROM dead_letters").await, 0);
    stack.stop().await;
}
