//! Replaying: a replay lasts as long as it must, whatever a transaction may; and what changes under it is noticed.

use crate::bench::{Bench, analysed, interview};
use crate::scene::Scene;
use matcher::database::Database;
use matcher::{advance, finalise, inbox};
use service_kit::shutdown::Shutdown;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use std::str::FromStr;
use std::time::{Duration, Instant};
use uuid::Uuid;

/// A matcher's database on which no session may be idle in a transaction for longer than this.
async fn impatient(bench: &Bench, idle: Duration) -> Database {
    let idle = idle.as_millis().to_string();
    let options = PgConnectOptions::from_str(&bench.corner.database_url).expect("an address");
    let options = options.options([("idle_in_transaction_session_timeout", idle.as_str())]);
    let pool = PgPoolOptions::new().max_connections(4).connect_with(options).await.expect("connects");
    Database::new(pool, Shutdown::default())
}

/// A recording all of whose analyses are there, and matched.
async fn matched(bench: &Bench, scene: &Scene) -> Uuid {
    let recording = bench.recording(scene, &interview()).await;
    for chunk in 0..scene.chunk_count() {
        inbox::keep(&bench.database, &analysed(recording, scene, chunk)).await.expect("keeps");
    }
    bench.decoded(recording, scene).await;
    assert!(advance::advance(&bench.database, recording, 1).await.expect("advances"));
    recording
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replay_outlasts_what_a_transaction_may_last() {
    let bench = Bench::open().await;
    // Its clustering takes longer than a session may be idle here.
    let scene = Scene::of_minutes(90, 256);
    let recording = matched(&bench, &scene).await;
    let database = impatient(&bench, Duration::from_secs(1)).await;
    let started = Instant::now();
    let finalising = finalise::finalise(&database, recording, 1);
    let done = tokio::time::timeout(Duration::from_secs(240), finalising).await.expect("ends");
    assert!(done.expect("finalises"));
    println!("90 minutes were completed in {:?}", started.elapsed());
    assert_eq!(bench.state(recording).await, "completed");
    assert_eq!(bench.voices(recording).await.len(), 3);
    bench.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recording_that_is_run_again_while_it_is_replayed_is_left_to_the_next_run() {
    let bench = Bench::open().await;
    let scene = Scene::of_minutes(90, 16);
    let recording = matched(&bench, &scene).await;
    let again = async {
        // It is being read.
        let claimed = "SELECT count(*) > 0 FROM pg_locks WHERE locktype = 'advisory' AND $1 = $1
                       AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
        while !bench.value::<bool>(recording, claimed).await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        sqlx::query("UPDATE recordings SET run = 2 WHERE id = $1")
            .bind(recording)
            .execute(&bench.pool)
            .await
            .expect("is run again");
    };
    let (done, ()) = tokio::join!(finalise::finalise(&bench.database, recording, 1), again);
    assert!(!done.expect("leaves it"));
    assert_eq!(bench.state(recording).await, "processing");
    assert!(finalise::finalise(&bench.database, recording, 2).await.expect("finalises"));
    bench.assert_is(recording, &scene.oracle(&interview())).await;
    bench.close().await;
}
