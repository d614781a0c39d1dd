//! Runs: processing a recording again replaces its voices, cancelling ends it, deleting it leaves nothing.

use crate::{STEM, interview, interview_oracle};
use pipeline_tests::Stack;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

const OPTIONS: [(&str, &str); 2] = [("labels", "interview"), ("chunk_blocks", "1")];

async fn reprocess(stack: &Stack, id: Uuid, body: &Value) -> Value {
    let again = stack.request(Method::POST, &format!("/{id}/reprocess")).json(body).send().await;
    let again = again.expect("an answer");
    assert_eq!(again.status(), StatusCode::ACCEPTED);
    again.json().await.expect("JSON")
}

async fn delete(stack: &Stack, id: Uuid) {
    let deleted = stack.request(Method::DELETE, &format!("/{id}")).send().await.expect("an answer");
    assert_eq!(deleted.status(), StatusCode::NO_CONTENT);
    let gone = stack.request(Method::GET, &format!("/{id}")).send().await.expect("an answer");
    assert_eq!(gone.status(), StatusCode::NOT_FOUND);
}

/// Tables that are about no recording: which broker and which object store are ours, what sessions are signed with, which processes run,
/// whose turn it is; and who deleted what, which stays on purpose.
const OF_NO_RECORDING: [&str; 8] = [
    "audit",
    "broker_epoch",
    "object_store",
    "operations_samples",
    "release_callers",
    "release_clock",
    "session_key",
    "workers",
];

async fn nothing_is_left(stack: &Stack) {
    // The id alone stays for half an hour, to look once more.
    assert_eq!(stack.count("SELECT count(*) FROM erasures WHERE emptied_at IS NULL").await, 0);
    let about = |table: &str| table != "erasures" && !OF_NO_RECORDING.contains(&table);
    let rows = stack.rows().await;
    let left: Vec<_> = rows.into_iter().filter(|(table, rows)| *rows > 0 && about(table)).collect();
    assert!(left.is_empty(), "rows are left: {left:?}");
    assert!(stack.objects().is_empty(), "objects are left: {:?}", stack.objects());
}

#[tokio::test(flavor = "multi_thread")]
async fn processing_again_replaces_the_voices_and_deleting_leaves_nothing() {
    let mut stack = Stack::start(2, 1, 1).await;
    let id = stack.submit(&interview(), &OPTIONS).await;
    assert_eq!(stack.completed(id).await["run"], 1);
    let before = stack.voices(id).await;
    assert_eq!(before.len(), 2);

    let answer = reprocess(&stack, id, &json!({ "analyse": "always" })).await;
    assert_eq!((&answer["run"], &answer["analyses"]), (&json!(2), &json!("anew")));
    assert_eq!(stack.completed(id).await["run"], 2);
    let after = stack.voices(id).await;
    assert_eq!(after.len(), before.len());
    for (new, old) in after.iter().zip(&before) {
        assert_eq!((&new.label, &new.bits), (&old.label, &old.bits));
        assert!(new.created_at > old.created_at, "the voice of {} is the old one", new.label);
    }
    stack.must_equal(id, STEM, &interview_oracle().await).await;

    // With other hints the same analyses give another result; taken back, the one before.
    let analysed = "SELECT extract(epoch FROM max(received_at))::bigint FROM inbox";
    let arrived = stack.count(analysed).await;
    for (run, body, speakers) in
        [(3, json!({ "num_speakers": 1 }), 1), (4, json!({ "num_speakers": null }), 2)]
    {
        let answer = reprocess(&stack, id, &body).await;
        assert_eq!((&answer["run"], &answer["analyses"]), (&json!(run), &json!("reused")));
        let recording = stack.completed(id).await;
        assert_eq!(
            (&recording["run"], recording["speakers"].as_array().map(Vec::len)),
            (&json!(run), Some(speakers))
        );
        assert_eq!(stack.count(analysed).await, arrived, "nothing was analysed");
    }
    stack.must_equal(id, STEM, &interview_oracle().await).await;

    delete(&stack, id).await;
    nothing_is_left(&stack).await;
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_recording_stays_so_whatever_is_still_under_way_and_is_whole_once_taken_up_again() {
    let mut stack = Stack::start(1, 1, 1).await;
    let id = stack.submit(&interview(), &OPTIONS).await;
    stack.under_way(id, 1).await;
    let cancelled = stack.request(Method::POST, &format!("/{id}/cancel")).send().await.expect("an answer");
    assert_eq!(cancelled.status(), StatusCode::OK);
    let done = stack.recording(id).await["chunks"].clone();
    // One after it, to know that the services have passed by what is left of the first.
    let next = stack.submit(&interview(), &OPTIONS).await;
    stack.completed(next).await;
    let recording = stack.recording(id).await;
    assert_eq!(
        (&recording["state"], &recording["run"], &recording["chunks"]),
        (&json!("cancelled"), &json!(2), &done)
    );
    assert_eq!(stack.count("SELECT count(*) FROM dead_letters").await, 0);
    let again = reprocess(&stack, id, &json!({})).await;
    assert_eq!((&again["run"], &again["analyses"]), (&json!(3), &json!("anew")));
    stack.completed(id).await;
    stack.must_equal(id, STEM, &interview_oracle().await).await;
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_deleted_in_mid_work_leaves_nothing_once_the_services_have_done_what_was_in_hand() {
    let mut stack = Stack::start(1, 1, 1).await;
    let id = stack.submit(&interview(), &OPTIONS).await;
    stack.under_way(id, 1).await;
    delete(&stack, id).await;
    // One after it, to know that the services have passed by what is left of the first.
    let next = stack.submit(&interview(), &OPTIONS).await;
    stack.completed(next).await;
    stack.must_equal(next, STEM, &interview_oracle().await).await;
    delete(&stack, next).await;
    nothing_is_left(&stack).await;
    stack.stop().await;
}
