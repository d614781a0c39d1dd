//! Channels: a call with a side on each channel is told apart by them, through all services as in one process.

#[path = "../../../diarization/tests/support/call.rs"]
mod call;

use call::{call, write_wav};
use diarization::diarize::Settings;
use pipeline_tests::{Stack, oracle};
use reqwest::Method;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use uuid::Uuid;

/// Three blocks of two people; the second is quieter, and each channel hears the other.
fn two_sides(folder: &Path) -> PathBuf {
    let call = call(125.0, 0.2, 0.02);
    let path = folder.join("call.wav");
    write_wav(&path, &[&call.channels[0], &call.channels[1]]);
    path
}

fn file(folder: &Path, name: &str, channels: &[&[f32]]) -> PathBuf {
    let path = folder.join(name);
    write_wav(&path, channels);
    path
}

async fn reprocess(stack: &Stack, id: Uuid, body: &Value) -> Value {
    let request = stack.request(Method::POST, &format!("/{id}/reprocess")).json(body);
    let answer = request.send().await.expect("an answer");
    assert!(answer.status().is_success(), "{}", answer.status());
    answer.json().await.expect("JSON")
}

fn speakers(recording: &Value) -> usize {
    recording["speakers"].as_array().map_or(0, Vec::len)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_what_one_process_makes_of_it_however_it_is_cut_and_whoever_analyses_it() {
    let folder = TempDir::new().expect("a folder");
    let file = two_sides(folder.path());
    let expected = oracle::diarize(&file, Settings::default()).await;
    assert_eq!(expected.speakers.len(), 2);
    let mut stack = Stack::start(2, 1, 1).await;
    for chunk_blocks in ["1", "2", "4"] {
        let id = stack.submit(&file, &[("chunk_blocks", chunk_blocks)]).await;
        let recording = stack.completed(id).await;
        assert_eq!(
            (&recording["channels"], &recording["settings"]["channels"]),
            (&json!("separate"), &json!("auto"))
        );
        assert_eq!((speakers(&recording), recording["warnings"].to_string()), (2, "[]".to_owned()));
        stack.must_equal(id, "call", &expected).await;
    }
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_for_is_kept_and_can_be_changed_and_what_cannot_be_is_said() {
    let folder = TempDir::new().expect("a folder");
    let call = call(20.0, 1.0, 0.0);
    let [a, b] = &call.channels;
    let both = file(folder.path(), "both.wav", &[a, b]);
    let mut stack = Stack::start(1, 1, 1).await;

    let id = stack.submit(&both, &[("channels", "separate"), ("num_speakers", "1")]).await;
    let recording = stack.completed(id).await;
    assert_eq!(
        (&recording["channels"], &recording["settings"]["channels"]),
        (&json!("separate"), &json!("separate"))
    );
    assert_eq!(speakers(&recording), 2);
    assert!(
        recording["warnings"][0].as_str().is_some_and(|why| why.contains("1 speaker asked for, and 2 found")),
        "{recording}"
    );

    // The same channels: nothing is analysed anew, and what was warned of is no more.
    let answer = reprocess(&stack, id, &json!({ "num_speakers": null })).await;
    assert_eq!(answer["analyses"], "reused");
    let recording = stack.completed(id).await;
    assert_eq!(
        (speakers(&recording), &recording["warnings"], &recording["channels"]),
        (2, &json!([]), &json!("separate"))
    );

    let answer = reprocess(&stack, id, &json!({ "channels": "mix" })).await;
    assert_eq!(answer["analyses"], "anew");
    let recording = stack.completed(id).await;
    assert_eq!((&recording["channels"], &recording["settings"]["channels"]), (&json!("mix"), &json!("mix")));

    // One person does not call himself.
    let answer = reprocess(&stack, id, &json!({ "channels": null })).await;
    assert_eq!(answer["analyses"], "anew");
    assert_eq!(stack.completed(id).await["channels"], "separate");
    assert_eq!(reprocess(&stack, id, &json!({ "num_speakers": 1 })).await["analyses"], "anew");
    let recording = stack.completed(id).await;
    assert_eq!((speakers(&recording), &recording["channels"]), (1, &json!("mix")));

    let one = stack.submit(&file(folder.path(), "one.wav", &[a]), &[("channels", "separate")]).await;
    let recording = stack.completed(one).await;
    assert_eq!(recording["channels"], "mix");
    assert!(recording["warnings"][0].as_str().is_some_and(|why| why.contains("one channel")), "{recording}");

    let many: Vec<&[f32]> = (0..64).map(|_| &a[..16_000]).collect();
    let many = file(folder.path(), "many.wav", &many);
    let id = stack.submit(&many, &[("channels", "separate")]).await;
    let recording = stack.ended(id).await;
    assert_eq!(recording["state"], "failed");
    assert!(recording["failure"].as_str().is_some_and(|why| why.contains("64 channels")), "{recording}");
    let id = stack.submit(&many, &[]).await;
    stack.completed(id).await;

    let refused = stack.upload(&both, &[("channels", "left")]).send().await.expect("an answer");
    assert_eq!(refused.status(), 400);
    stack.stop().await;
}
