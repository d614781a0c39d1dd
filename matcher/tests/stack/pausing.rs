//! Pausing: what waits on a queue that an operator has paused is neither lost nor late.

use crate::bench::{Bench, CONFIGURATION, MODEL, analysed, interview, release, silent_for};
use crate::scene::Scene;
use matcher::republish::{self, Watch};
use matcher::{inbox, reconcile};
use service_kit::broker::Broker;
use service_kit::topology;
use std::time::{Duration, Instant};

const INTERVAL: Duration = Duration::from_secs(600);

async fn run(bench: &Bench, sql: &'static str, argument: &str) {
    sqlx::query(sql).bind(argument).execute(&bench.pool).await.expect(sql);
}

/// Number of jobs that are sent again where every queue has been empty for an interval.
async fn sent_again(bench: &Bench, broker: &Broker) -> usize {
    let (mut watch, start) = (Watch::default(), Instant::now());
    let pass = async |watch: &mut Watch, now| {
        republish::pass(&bench.database, broker, watch, INTERVAL, now).await.expect("looks")
    };
    pass(&mut watch, start).await + pass(&mut watch, start + INTERVAL).await
}

#[tokio::test]
async fn jobs_of_a_paused_queue_are_not_taken_for_lost_until_an_interval_after_it_is_resumed() {
    let bench = Bench::open().await;
    let broker = Broker::new(&bench.corner.amqp_url, "test");
    let scene = Scene::of_three_voices(16);
    let recording = bench.recording(&scene, &interview()).await;
    bench.decoded(recording, &scene).await;
    release(&bench).await;
    let chunks = topology::chunk_queue(MODEL, CONFIGURATION);
    let pause = "INSERT INTO paused_queues (queue, paused_at) VALUES ($1, now() - interval '2 hours')";
    for queue in [chunks.as_str(), topology::MATCH] {
        run(&bench, pause, queue).await;
        silent_for(&bench, recording, 3600).await;
        assert_eq!(sent_again(&bench, &broker).await, 0, "{queue} is paused");
        run(&bench, "UPDATE paused_queues SET resumed_at = now() - interval '599 s' WHERE queue = $1", queue)
            .await;
        assert_eq!(sent_again(&bench, &broker).await, 0, "{queue} was resumed a moment ago");
        run(&bench, "DELETE FROM paused_queues WHERE queue = $1", queue).await;
    }
    run(&bench, pause, topology::DECODE).await;
    run(&bench, "UPDATE paused_queues SET resumed_at = now() - interval '601 s' WHERE $1 <> ''", "all").await;
    assert_eq!(sent_again(&bench, &broker).await, 3, "nothing paused holds them back");
    broker.close().await;
    bench.close().await;
}

#[tokio::test]
async fn a_job_that_others_overtook_before_its_queue_was_paused_still_waits_there() {
    let bench = Bench::open().await;
    let broker = Broker::new(&bench.corner.amqp_url, "test");
    let scene = Scene::of_three_voices(16);
    let (tried_again, later) =
        (bench.recording(&scene, &interview()).await, bench.recording(&scene, &interview()).await);
    for recording in [tried_again, later] {
        bench.decoded(recording, &scene).await;
    }
    release(&bench).await;
    bench.take(later, &scene, 0).await;
    silent_for(&bench, tried_again, 3000).await;
    silent_for(&bench, later, 1200).await;
    sqlx::query("UPDATE recordings SET updated_at = now() WHERE id = $1")
        .bind(later)
        .execute(&bench.pool)
        .await
        .expect("the other moves");
    let (mut watch, now) = (Watch::default(), Instant::now());
    let mut pass =
        async || republish::pass(&bench.database, &broker, &mut watch, INTERVAL, now).await.expect("looks");
    let chunks = topology::chunk_queue(MODEL, CONFIGURATION);
    run(&bench, "INSERT INTO paused_queues (queue) VALUES ($1)", &chunks).await;
    assert_eq!(pass().await, 0);
    run(&bench, "DELETE FROM paused_queues WHERE queue = $1", &chunks).await;
    assert_eq!(pass().await, 3, "it is the pause that held it back");
    broker.close().await;
    bench.close().await;
}

#[tokio::test]
async fn nobody_is_told_of_a_recording_that_can_move_while_its_matchers_are_paused() {
    let bench = Bench::open().await;
    let scene = Scene::of_three_voices(16);
    let recording = bench.recording(&scene, &interview()).await;
    inbox::keep(&bench.database, &analysed(recording, &scene, 0)).await.expect("keeps");
    silent_for(&bench, recording, 11).await;
    run(&bench, "INSERT INTO paused_queues (queue) VALUES ($1)", topology::MATCH).await;
    let pass = async || reconcile::pass(&bench.database, reconcile::SETTLED_AFTER).await.expect("looks");
    assert_eq!(pass().await, 0);
    run(&bench, "UPDATE paused_queues SET resumed_at = now() WHERE queue = $1", topology::MATCH).await;
    assert_eq!(pass().await, 1);
    bench.close().await;
}
