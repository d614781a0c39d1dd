//! Locked: a recording that something else keeps locked holds up no other, and costs no attempt.

use crate::bench::{Bench, analysed, interview};
use crate::scene::Scene;
use crate::service::{start, until};
use service_kit::broker::Broker;
use service_kit::messages::RecordingDecoded;
use service_kit::publisher::Publisher;
use service_kit::topology;
use service_kit::verdict::Verdict;
use sqlx::PgTransaction;
use std::time::{Duration, Instant};
use uuid::Uuid;

async fn keep_locked(bench: &Bench, recording: Uuid) -> PgTransaction<'static> {
    let mut holder = bench.pool.begin().await.expect("begins");
    sqlx::query("SELECT id FROM recordings WHERE id = $1 FOR UPDATE")
        .bind(recording)
        .execute(&mut *holder)
        .await
        .expect("locks the row");
    holder
}

#[tokio::test]
async fn an_analysis_of_a_locked_recording_is_put_back_within_seconds() {
    let bench = Bench::open().await;
    let scene = Scene::of_three_voices(16);
    let recording = bench.recording(&scene, &interview()).await;
    let holder = keep_locked(&bench, recording).await;
    let started = Instant::now();
    let verdict = bench.hand(recording, &scene, 0).await;
    assert!(matches!(&verdict, Verdict::Later(why) if why.contains("locked elsewhere")), "{verdict:?}");
    assert!(started.elapsed() < Duration::from_secs(4), "{:?}", started.elapsed());
    holder.rollback().await.expect("lets go");
    bench.take(recording, &scene, 0).await;
    bench.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn others_are_completed_while_one_is_locked_and_that_one_once_it_is_free() {
    let bench = Bench::open().await;
    let broker = Broker::new(&bench.corner.amqp_url, "test");
    let publisher = Publisher::new(broker.clone());
    let scene = Scene::of_three_voices(16);
    let (locked, other) =
        (bench.recording(&scene, &interview()).await, bench.recording(&scene, &interview()).await);
    let running = start(&bench, &bench.shutdown);
    let holder = keep_locked(&bench, locked).await;
    for recording in [locked, other] {
        for chunk in 0..3 {
            publisher.publish(topology::MATCH, &analysed(recording, &scene, chunk)).await.expect("publishes");
        }
    }
    bench.decoded(other, &scene).await;
    publisher
        .publish(topology::MATCH, &RecordingDecoded { recording: other, run: 1 })
        .await
        .expect("publishes");
    let started = Instant::now();
    until(&bench, other, "SELECT state = 'completed' FROM recordings WHERE id = $1").await;
    println!("the other was completed after {:?}", started.elapsed());
    assert!(started.elapsed() < Duration::from_secs(30), "{:?}", started.elapsed());
    holder.rollback().await.expect("lets go");
    bench.decoded(locked, &scene).await;
    publisher
        .publish(topology::MATCH, &RecordingDecoded { recording: locked, run: 1 })
        .await
        .expect("publishes");
    until(&bench, locked, "SELECT state = 'completed' FROM recordings WHERE id = $1").await;
    for recording in [locked, other] {
        bench.assert_is(recording, &scene.oracle(&interview())).await;
    }
    let letters: i64 = bench.value(other, "SELECT count(*) FROM dead_letters WHERE $1 = $1").await;
    assert_eq!(letters, 0);
    bench.shutdown.ask();
    running.await.expect("does not panic").expect("stops cleanly");
    broker.close().await;
    bench.close().await;
}
