//! Cancelling: a recording in work is called off, at any moment.

use crate::stack::{Stack, interview, problem};
use clap::Parser;
use diarization::audio::{GiveUp, Wish};
use ingest::Config;
use ingest::context::Context;
use ingest::decode;
use ingest::decode::reader::{Fault, Reading};
use ingest::decode::scratch::Scratch;
use reqwest::{Response, StatusCode};
use serde_json::{Value, json};
use service_kit::messages::{ChunkJob, DecodeJob};
use service_kit::shutdown::Shutdown;
use service_kit::topology;
use service_kit::verdict::Verdict;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

async fn cancel(stack: &Stack, id: &str) -> Response {
    stack.post(&format!("/v1/recordings/{id}/cancel")).send().await.expect("answers")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_to_be_sent_is_not_sent_and_a_second_time_changes_nothing() {
    let stack = Stack::start_without_broker().await;
    let accepted = stack.upload("", interview()).await;
    let id = accepted["id"].as_str().expect("an id");
    for _ in 0..2 {
        let answer = cancel(&stack, id).await;
        assert_eq!(answer.status(), StatusCode::OK);
        let body: Value = answer.json().await.expect("is JSON");
        assert_eq!(body, json!({ "id": id, "state": "cancelled", "run": 2 }));
    }
    assert_eq!(stack.recording(id).await["state"], "cancelled");
    assert_eq!(stack.count("SELECT count(*) FROM outbox").await, 0);
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_of_a_cancelled_recording_does_no_harm_and_reprocessing_takes_it_up_again() {
    let stack = Stack::start(&[]).await;
    let accepted = stack.upload("?chunk_blocks=1", interview()).await;
    let id = accepted["id"].as_str().expect("an id");
    stack.decoded(id).await;
    assert_eq!(cancel(&stack, id).await.status(), StatusCode::OK);
    // Its chunks go at once, its upload stays.
    stack.files_become(1).await;
    let recording = id.parse().expect("an id");
    for run in [1, 2] {
        stack.publish(topology::DECODE, &DecodeJob { recording, run }).await;
    }
    stack.consumed(topology::DECODE).await;
    // The decoder takes one job at a time: when it has failed the next one, it is done with these.
    let next = stack.upload("", b"not audio".to_vec()).await;
    stack.recording_when(next["id"].as_str().expect("an id"), |r| r["state"] == "failed").await;
    assert_eq!(stack.recording(id).await["state"], "cancelled");
    assert_eq!(stack.files().len(), 2);

    stack.post(&format!("/v1/recordings/{id}/reprocess")).send().await.expect("answers");
    let again = stack.decoded(id).await;
    assert_eq!((&again["run"], &again["state"]), (&json!(3), &json!("processing")));
    let version = again["model_version"].as_str().expect("a version");
    let jobs: Vec<ChunkJob> =
        stack.drain(&topology::chunk_queue(version, diarization::analysis::CONFIGURATION)).await;
    assert_eq!(jobs.iter().filter(|job| job.run == 3).count(), 4);
    stack.stop().await;
}

/// A file of which nothing comes.
fn endless(_: Scratch, _: Wish, _: usize, _: u32) -> Reading {
    let (sender, chunks) = mpsc::channel(1);
    let give_up = GiveUp::default();
    let thread = tokio::spawn(async move {
        sender.closed().await;
        Err(Fault::Server("given up".to_owned()))
    });
    Reading { chunks, thread, give_up }
}

#[tokio::test(flavor = "multi_thread")]
async fn decoding_ends_soon_after_its_recording_is_cancelled() {
    let stack = Stack::start_without_broker().await;
    let accepted = stack.upload("", interview()).await;
    let id = accepted["id"].as_str().expect("an id");
    let config = Config::try_parse_from(stack.arguments()).expect("a configuration");
    let context = Context::open(&config, "m".to_owned(), None, Shutdown::default()).expect("opens");
    let job = DecodeJob { recording: id.parse().expect("an id"), run: 1 };
    let cancelling = async {
        stack.recording_when(id, |r| r["state"] == "processing").await;
        tokio::time::sleep(Duration::from_millis(1500)).await;
        assert_eq!(cancel(&stack, id).await.status(), StatusCode::OK);
        Instant::now()
    };
    let (verdict, cancelled_at) = tokio::join!(decode::handle(&context, job, endless), cancelling);
    assert_eq!(verdict, Verdict::Done);
    assert!(cancelled_at.elapsed() < Duration::from_secs(5), "{:?}", cancelled_at.elapsed());
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_ended_cannot_be_cancelled() {
    let stack = Stack::start(&[]).await;
    let accepted = stack.upload("", b"not audio".to_vec()).await;
    let id = accepted["id"].as_str().expect("an id");
    stack.recording_when(id, |r| r["state"] == "failed").await;
    let detail = problem(cancel(&stack, id).await, StatusCode::CONFLICT, "not-in-work").await;
    assert!(detail.contains("is failed and cannot be cancelled"), "{detail}");
    assert_eq!(stack.recording(id).await["state"], "failed");
    let unknown = uuid::Uuid::now_v7().to_string();
    problem(cancel(&stack, &unknown).await, StatusCode::NOT_FOUND, "unknown-recording").await;
    stack.stop().await;
}
