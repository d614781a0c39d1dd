//! Dead letters: kept for the operator, told to the uploader, and only where something is missing.

use crate::bench::{Bench, CONFIGURATION, MODEL, analysed, delivery, interview};
use crate::scene::Scene;
use chrono::DateTime;
use matcher::dead_letters;
use service_kit::delivery::{Death, Delivery};
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
        channels: 1,
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
    assert_eq!(letters(&bench).await, [(Some(recording), queue, reason, "chunk-job.v2".to_owned())]);
    bench.close().await;
}

#[tokio::test]
async fn a_chunk_that_could_not_be_analysed_leaves_a_gap_where_that_is_allowed_and_closes_when_it_comes() {
    let bench = Bench::open().await;
    let scene = Scene::of_three_voices(16);
    let recording = bench.recording(&scene, &interview()).await;
    sqlx::query("UPDATE recordings SET allow_gaps = true").execute(&bench.pool).await.expect("allows gaps");
    for chunk in [0, 2] {
        bench.take(recording, &scene, chunk).await;
    }
    bench.decoded(recording, &scene).await;
    assert_eq!((bench.cursor(recording).await, bench.state(recording).await.as_str()), (1, "processing"));
    let letter = dead(delivery(&job(recording, 1, 1)), "throughline.chunks.model-1", "the model failed");
    assert_eq!(dead_letters::handle(&bench.database, letter.clone()).await, Verdict::Done);
    assert_eq!(bench.state(recording).await, "completed_with_gaps");
    bench.assert_is(recording, &scene.with_a_gap(1).oracle(&interview())).await;
    let gap: String = bench.value(recording, "SELECT reason FROM gaps WHERE recording_id = $1").await;
    assert_eq!(gap, "chunk 1 could not be analysed");

    bench.take(recording, &scene, 1).await;
    assert_eq!(bench.state(recording).await, "completed");
    bench.assert_is(recording, &scene.oracle(&interview())).await;
    // The letter comes a second time, late: the chunk is there.
    assert_eq!(dead_letters::handle(&bench.database, letter).await, Verdict::Done);
    assert_eq!(bench.state(recording).await, "completed");
    bench.close().await;
}

#[tokio::test]
async fn a_recording_of_nothing_but_gaps_fails() {
    let bench = Bench::open().await;
    let scene = Scene::of_three_voices(16);
    let recording = bench.recording(&scene, &interview()).await;
    sqlx::query("UPDATE recordings SET allow_gaps = true").execute(&bench.pool).await.expect("allows gaps");
    bench.decoded(recording, &scene).await;
    for chunk in 0..3 {
        let letter = dead(delivery(&job(recording, 1, chunk)), "throughline.chunks.model-1", "no");
        assert_eq!(dead_letters::handle(&bench.database, letter).await, Verdict::Done);
    }
    assert_eq!(bench.state(recording).await, "failed");
    bench.close().await;
}

#[tokio::test]
async fn every_attempt_is_kept_with_its_letter() {
    let bench = Bench::open().await;
    let scene = Scene::of_three_voices(16);
    let recording = bench.recording(&scene, &interview()).await;
    let mut letter = dead(delivery(&job(recording, 1, 1)), "throughline.chunks.model-1", "delivery_limit");
    letter.past.history.failed("the model failed", "worker@here/1", DateTime::UNIX_EPOCH);
    assert_eq!(dead_letters::handle(&bench.database, letter).await, Verdict::Done);
    let attempts: serde_json::Value =
        bench.value(recording, "SELECT attempts FROM dead_letters WHERE recording_id = $1").await;
    assert_eq!(attempts.as_array().map(Vec::len), Some(5));
    assert_eq!(attempts[0]["reason"], "the model failed");
    assert_eq!(attempts[4]["by"], "");
    let about: (i32, i32) =
        sqlx::query_as("SELECT run, chunk FROM dead_letters").fetch_one(&bench.pool).await.expect("reads");
    assert_eq!(about, (1, 1));
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
    // Nobody could do anything with them, and an analysis holds voice vectors.
    assert_eq!(letters(&bench).await, []);
    bench.close().await;
}

#[tokio::test]
async fn rubbish_without_a_recording_is_kept_and_nothing_of_a_deleted_recording_is() {
    let bench = Bench::open().await;
    let scene = Scene::of_three_voices(16);
    let rubbish = Delivery {
        kind: "chunk-\0analysed".into(),
        body: b"rubbish".to_vec(),
        trace: [("traceparent".to_owned(), "a\0b".to_owned())].into(),
        ..Delivery::default()
    };
    assert_eq!(dead_letters::handle(&bench.database, rubbish).await, Verdict::Done);
    let deleted = dead(delivery(&analysed(Uuid::now_v7(), &scene, 0)), "throughline.match", "rejected");
    assert_eq!(dead_letters::handle(&bench.database, deleted).await, Verdict::Done);
    let unknown = || "unknown".to_owned();
    assert_eq!(letters(&bench).await, [(None, unknown(), unknown(), "chunk-analysed".to_owned())]);
    // What cannot be erased with a recording is not kept: it could be a voice.
    let bytes: i32 = sqlx::query_scalar("SELECT octet_length(body) FROM dead_letters")
        .fetch_one(&bench.pool)
        .await
        .expect("reads");
    assert_eq!(bytes, 0);
    bench.close().await;
}

#[tokio::test]
async fn a_message_of_a_kind_that_is_not_known_goes_with_the_recording_that_it_names() {
    let bench = Bench::open().await;
    let scene = Scene::of_three_voices(16);
    let recording = bench.recording(&scene, &interview()).await;
    let of_tomorrow = |recording: Uuid| {
        let mut delivery = delivery(&analysed(recording, &scene, 0));
        delivery.kind = "chunk-analysed.v9".into();
        dead(delivery, "throughline.match", "not known")
    };
    for named in [recording, Uuid::now_v7()] {
        assert_eq!(dead_letters::handle(&bench.database, of_tomorrow(named)).await, Verdict::Done);
    }
    let kept: Vec<Option<Uuid>> = letters(&bench).await.into_iter().map(|letter| letter.0).collect();
    assert_eq!(kept, [Some(recording)]);
    assert_eq!(bench.state(recording).await, "processing");
    sqlx::query("DELETE FROM recordings").execute(&bench.pool).await.expect("deletes");
    assert_eq!(letters(&bench).await, []);
    bench.close().await;
}
