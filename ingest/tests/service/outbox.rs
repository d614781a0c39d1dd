//! Outbox: what is committed is sent, once in quiet times, whoever is away and whoever refuses.

use crate::stack::{Stack, interview, model_version};
use lapin::options::{QueueDeclareOptions, QueueDeleteOptions};
use lapin::types::FieldTable;
use reqwest::StatusCode;
use service_kit::messages::{ChunkJob, RecordingDecoded};
use service_kit::topology;

#[tokio::test(flavor = "multi_thread")]
async fn uploads_are_taken_while_the_broker_is_away_and_go_on_when_it_is_back() {
    let stack = Stack::start_without_broker().await;
    let ready = stack.get("/readyz").send().await.expect("answers");
    assert_eq!(ready.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(ready.text().await.expect("text").contains("broker"));
    let accepted = stack.upload("?chunk_blocks=1", interview()).await;
    let id = accepted["id"].as_str().expect("an id");
    stack.count_when("SELECT count(*) FROM outbox", |waiting| waiting == 1).await;
    assert_eq!(stack.recording(id).await["state"], "queued");

    let with_broker = stack.another().await;
    stack.decoded(id).await;
    let jobs: Vec<ChunkJob> =
        stack.drain(&topology::chunk_queue(&model_version(), diarization::analysis::CONFIGURATION)).await;
    assert_eq!(jobs.len(), 4);
    with_broker.stop().await;
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_refuses_holds_up_no_other() {
    let stack = Stack::start(&[]).await;
    let queue = topology::chunk_queue(&model_version(), diarization::analysis::CONFIGURATION);
    let channel = stack.channel().await;
    // Another kind of queue under the name: the broker refuses the declaration of the right one.
    let other = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    channel.queue_declare(queue.as_str().into(), other, FieldTable::default()).await.expect("declares");

    stack.upload("?chunk_blocks=1", interview()).await;
    stack
        .count_when("SELECT count(*) FROM recordings WHERE chunk_count IS NOT NULL", |ended| ended == 1)
        .await;
    stack
        .count_when("SELECT count(*) FROM outbox WHERE queue = 'throughline.match'", |waiting| waiting == 0)
        .await;
    assert_eq!(stack.drain::<RecordingDecoded>(topology::MATCH).await.len(), 1);
    stack.count_when("SELECT count(*) FROM outbox", |waiting| waiting == 4).await;

    channel.queue_delete(queue.as_str().into(), QueueDeleteOptions::default()).await.expect("deletes");
    stack.sent().await;
    assert_eq!(stack.drain::<ChunkJob>(&queue).await.len(), 4);
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_send_each_message_once() {
    let stack = Stack::start(&[]).await;
    let beside = stack.another().await;
    let mut ids = Vec::new();
    for _ in 0..4 {
        let accepted = stack.upload("?chunk_blocks=1", interview()).await;
        ids.push(accepted["id"].as_str().expect("an id").to_owned());
    }
    for id in &ids {
        stack.decoded(id).await;
    }
    let jobs: Vec<ChunkJob> =
        stack.drain(&topology::chunk_queue(&model_version(), diarization::analysis::CONFIGURATION)).await;
    assert_eq!(jobs.len(), 16);
    assert_eq!(stack.drain::<RecordingDecoded>(topology::MATCH).await.len(), 4);
    beside.stop().await;
    stack.stop().await;
}
