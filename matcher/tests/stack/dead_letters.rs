//! Dead letters: kept for the operator, told to the uploader, and only where something is missing.

use crate::bench::{Bench, CONFIGURATION, MODEL, analysed, delivery, interview};
use crate::scene::Scene;
use matcher::dead_letters;
use service_kit::consumer::{Death, Delivery};
use service_kit::messages::{ChunkJob, DecodeJob};
use service_kit::verdict::Verdict;
use uuid::Uuid;

fn job(recording: Uuid, run: i32, chunk: u32) -> ChunkJob {
    ChunkJob {
        recording,
        run,
        chunk,
        first_block: chunk * 2,
        blocks: 2,
        object: "object".into(),
        samples: 1,
        model_version: MODEL.into(),
        configuration: CONFIGURATION.into(),
    }
}

fn dead(mut delivery: Delivery, queue: &str, reason: &str) -> Delivery {
    delivery.death = Some(Death { queue: queue.into(), reason: reason.into() });
    delivery
}

async fn letters(bench: &Bench) -> Vec<(Option<Uuid>, String, String, String)> {
    sqlx::query_as("SELECT recording_id, queue, reason, kind FROM dead_letters ORDER BY id")
        .fetch_all(&bench.pool)
        .await
        .expect("reads dead letters")
}

#[tokio::test]
async fn a_chunk_that_could_not_be_analysed_fails_its_recording_with_the_reason() {
    let bench = Bench::open().await;
    let scene = Scene::of_three_voices(16);
    let recording = bench.recording(&scene, &interview()).await;
    let letter = || dead(delivery(&job(recording, 1, 1)), "throughline.chunks.model-1", "delivery_limit");
    assert_eq!(dead_letters::handle(&bench.database, letter()).await, Verdict::Done);
    assert_eq!(bench.state(recording).await, "failed");
    let failure: String = bench.value(recording, "SELECT failure FROM recordings WHERE id = $1").await;
    assert_eq!(failure, "chunk 1 could not be analysed after 5 attempts");
    // Delivered twice, kept once.
    assert_eq!(dead_letters::handle(&bench.database, letter()).await, Verdict::Done);
    let (queue, reason) = ("throughline.chunks.model-1".to_owned(), "delivery_limit".to_owned());
    assert_eq!(letters(&bench).await, [(Some(recording), queue, reason, "chunk-job.v1".to_owned())]);
    bench.close().await;
}

#[tokio::test]
async fn a_dead_message_whose_work_was_done_by_its_twin_or_is_stale_fails_nothing() {
    let bench = Bench::open().await;
    let scene = Scene::of_three_voices(16);
    let recording = bench.recording(&scene, &interview()).await;
    bench.take(recording, &scene, 0).await;
    bench.decoded(recording, &scene).await;
    for letter in [
        delivery(&job(recording, 1, 0)),
        delivery(&job(recording, 0, 1)),
        delivery(&DecodeJob { recording, run: 1 }),
    ] {
        let letter = dead(letter, "somewhere", "delivery_limit");
        assert_eq!(dead_letters::handle(&bench.database, letter).await, Verdict::Done);
        assert_eq!(bench.state(recording).await, "processing");
    }
    assert_eq!(letters(&bench).await.len(), 3);
    bench.close().await;
}

#[tokio::test]
async fn rubbish_without_a_recording_is_kept_and_nothing_of_a_deleted_recording_is() {
    let bench = Bench::open().await;
    let scene = Scene::of_three_voices(16);
    let rubbish = Delivery {
        kind: "chunk-\0analysed".into(),
        body: b"rubbish".to_vec(),
        earlier_attempts: 0,
        trace: [("traceparent".to_owned(), "a\0b".to_owned())].into(),
        death: None,
    };
    assert_eq!(dead_letters::handle(&bench.database, rubbish).await, Verdict::Done);
    let deleted = dead(delivery(&analysed(Uuid::now_v7(), &scene, 0)), "throughline.match", "rejected");
    assert_eq!(dead_letters::handle(&bench.database, deleted).await, Verdict::Done);
    let unknown = || "unknown".to_owned();
    assert_eq!(letters(&bench).await, [(None, unknown(), unknown(), "chunk-analysed".to_owned())]);
    bench.close().await;
}
