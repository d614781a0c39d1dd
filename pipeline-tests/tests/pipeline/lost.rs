//! Lost: jobs that vanish from a queue, while the broker lives on, are found and sent again, and bounded.

use crate::{STEM, interview, interview_oracle};
use diarization::analysis::CONFIGURATION;
use lapin::options::{QueueDeclareOptions, QueuePurgeOptions};
use lapin::types::FieldTable;
use lapin::{Channel, Connection, ConnectionProperties};
use pipeline_tests::Stack;
use pipeline_tests::eventually::eventually;
use service_kit::topology;
use std::time::{Duration, Instant};

const CHUNKS: u32 = 4;

async fn waiting(channel: &Channel, queue: &str) -> u32 {
    let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
    channel
        .queue_declare(queue.into(), passive, FieldTable::default())
        .await
        .expect("is there")
        .message_count()
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_purged_from_their_queue_are_sent_again_once_and_the_recording_completes() {
    let mut stack = Stack::start(0, 0, 1).await;
    stack.set(&[("THROUGHLINE_RECONCILE_SECONDS", "1"), ("THROUGHLINE_REPUBLISH_SECONDS", "4")]);
    stack.start_matcher();
    stack.matcher_knows_the_broker().await;
    let id = stack.submit(&interview(), &[("labels", "interview"), ("chunk_blocks", "1")]).await;
    let decoded = stack.recording_when(id, "is decoded", |it| it["chunks"]["total"] == CHUNKS).await;
    let model = decoded["model_version"].as_str().expect("a model");
    let queue = topology::chunk_queue(model, CONFIGURATION);
    let connection =
        Connection::connect(stack.amqp_url(), ConnectionProperties::default()).await.expect("connects");
    let channel = connection.create_channel().await.expect("a channel");
    let all_wait = async |what: &str| {
        eventually(what, async || (waiting(&channel, &queue).await == CHUNKS).then_some(())).await;
    };
    all_wait("the jobs are on their queue").await;
    channel.queue_purge(queue.as_str().into(), QueuePurgeOptions::default()).await.expect("purges");
    assert_eq!(waiting(&channel, &queue).await, 0);
    all_wait("the jobs are sent again").await;
    // Nobody takes them, and several intervals pass: they must not be sent a third time.
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(10) {
        assert_eq!(waiting(&channel, &queue).await, CHUNKS, "the backlog breeds copies of itself");
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    connection.close(200, "done".into()).await.expect("closes");
    stack.start_worker();
    stack.completed(id).await;
    stack.must_equal(id, STEM, &interview_oracle().await).await;
    assert_eq!(stack.count("SELECT count(*) FROM inbox").await, i64::from(CHUNKS));
    assert_eq!(stack.count("SELECT count(*) FROM dead_letters").await, 0);
    stack.stop().await;
}
