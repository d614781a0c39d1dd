//! Reconciling: recordings go on although messages were lost.

use crate::bench::{Bench, CONFIGURATION, MODEL, analysed, delivery, interview, release, silent_for};
use crate::scene::Scene;
use matcher::backlog::Backlog;
use matcher::epoch::{self, Seen};
use matcher::republish::{self, Watch};
use matcher::{dead_letters, handler, inbox, reconcile};
use service_kit::broker::Broker;
use service_kit::delivery::{Death, Delivery};
use service_kit::messages::{self, ChunkJob, Message, RecordingDecoded};
use service_kit::publisher::Publisher;
use service_kit::topology;
use service_kit::verdict::Verdict;
use std::time::{Duration, Instant};
use uuid::Uuid;

const INTERVAL: Duration = Duration::from_secs(600);

/// Work that waits for its turn: true where the decoding does, and the numbers of the chunks that do.
async fn waiting(bench: &Bench, recording: Uuid) -> (bool, Vec<i32>) {
    let sql = "SELECT decode_ordered_at IS NULL FROM recordings WHERE id = $1";
    let chunks = "SELECT ARRAY(SELECT chunk FROM chunks WHERE recording_id = $1 AND released_at IS NULL ORDER BY chunk)";
    (bench.value(recording, sql).await, bench.value(recording, chunks).await)
}

/// Delivers the messages in the outbox to a matcher.
async fn deliver_the_outbox(bench: &Bench) {
    for (queue, kind, body) in outbox(bench).await {
        assert_eq!(queue, topology::MATCH);
        let told: RecordingDecoded = messages::decode(&kind, &body).expect("is one");
        assert_eq!(handler::handle(&bench.database, delivery(&told)).await, Verdict::Done);
    }
}

async fn outbox(bench: &Bench) -> Vec<(String, String, Vec<u8>)> {
    sqlx::query_as("SELECT queue, kind, body FROM outbox ORDER BY id")
        .fetch_all(&bench.pool)
        .await
        .expect("reads")
}

#[tokio::test]
async fn a_recording_whose_last_message_was_lost_is_completed() {
    let bench = Bench::open().await;
    let scene = Scene::of_three_voices(16);
    let recording = bench.recording(&scene, &interview()).await;
    // As after a crash between the inbox and matching: all is there and nobody knows.
    for chunk in 0..3 {
        inbox::keep(&bench.database, &analysed(recording, &scene, chunk)).await.expect("keeps");
    }
    bench.decoded(recording, &scene).await;
    let moved = reconcile::pass(&bench.database, reconcile::SETTLED_AFTER).await.expect("looks");
    assert_eq!((moved, bench.cursor(recording).await), (0, 0), "what just moved is left to its messages");
    silent_for(&bench, recording, 11).await;
    assert_eq!(reconcile::pass(&bench.database, reconcile::SETTLED_AFTER).await.expect("looks"), 1);
    assert_eq!(
        reconcile::pass(&bench.database, reconcile::SETTLED_AFTER).await.expect("looks"),
        0,
        "it is told of once"
    );
    deliver_the_outbox(&bench).await;
    bench.assert_is(recording, &scene.oracle(&interview())).await;
    assert_eq!(reconcile::pass(&bench.database, Duration::ZERO).await.expect("looks"), 0);
    bench.close().await;
}

#[tokio::test]
async fn what_was_damaged_in_the_database_fails_the_recording_and_moves_nothing() {
    let bench = Bench::open().await;
    let scene = Scene::of_three_voices(16);
    let recording = bench.recording(&scene, &interview()).await;
    for chunk in [1, 2] {
        bench.take(recording, &scene, chunk).await;
    }
    sqlx::query("UPDATE inbox SET analysis = 'rubbish' WHERE recording_id = $1 AND chunk = 1")
        .bind(recording)
        .execute(&bench.pool)
        .await
        .expect("damages");
    // Chunk 0 is good, and is matched in the same transaction as the damaged one: both or neither.
    assert!(matches!(bench.hand(recording, &scene, 0).await, Verdict::Reject(_)));
    assert_eq!((bench.cursor(recording).await, bench.turns(recording, true).await), (0, vec![]));
    let told = delivery(&RecordingDecoded { recording, run: 1 });
    let verdict = handler::handle(&bench.database, told.clone()).await;
    let Verdict::Reject(reason) = verdict else { panic!("rubbish was taken: {verdict:?}") };
    let dead = Delivery { death: Some(Death { queue: topology::MATCH.into(), reason }), ..told };
    assert_eq!(dead_letters::handle(&bench.database, dead).await, Verdict::Done);
    assert_eq!(bench.state(recording).await, "failed");
    bench.close().await;
}

/// Looks at `queues`, empty for an interval by then.
async fn look_for_lost(bench: &Bench, queues: &impl Backlog) -> usize {
    let (mut watch, start) = (Watch::default(), Instant::now());
    let first = republish::pass(&bench.database, queues, &mut watch, INTERVAL, start).await.expect("looks");
    assert_eq!(first, 0, "one look cannot tell whether a job is in somebody's hands");
    republish::pass(&bench.database, queues, &mut watch, INTERVAL, start + INTERVAL).await.expect("looks")
}

#[tokio::test]
async fn lost_jobs_are_sent_again_once_per_interval() {
    let bench = Bench::open().await;
    let broker = Broker::new(&bench.corner.amqp_url, "test");
    let scene = Scene::of_three_voices(16);
    let recording = bench.recording(&scene, &interview()).await;
    bench.take(recording, &scene, 1).await;
    assert_eq!(look_for_lost(&bench, &broker).await, 0);

    silent_for(&bench, recording, 601).await;
    assert_eq!(look_for_lost(&bench, &broker).await, 2);
    // Ingest sends again what waits for its turn: the chunks that are not analysed. The decoding may be waiting for them.
    assert_eq!(waiting(&bench, recording).await, (false, vec![0, 2]));

    // What was never sent is not lost.
    silent_for(&bench, recording, 601).await;
    assert_eq!(look_for_lost(&bench, &broker).await, 0);
    release(&bench).await;
    // Nor what was, before the interval has passed again.
    silent_for(&bench, recording, 599).await;
    assert_eq!(look_for_lost(&bench, &broker).await, 0);
    broker.close().await;
    bench.close().await;
}

#[tokio::test]
async fn a_decoding_of_which_nothing_came_is_ordered_again_and_one_that_was_not_ordered_is_not_lost() {
    let bench = Bench::open().await;
    let broker = Broker::new(&bench.corner.amqp_url, "test");
    let scene = Scene::of_three_voices(16);
    let recording = bench.recording(&scene, &interview()).await;
    sqlx::query("DELETE FROM chunks").execute(&bench.pool).await.expect("deletes");
    sqlx::query("UPDATE recordings SET decode_ordered_at = NULL")
        .execute(&bench.pool)
        .await
        .expect("updates");
    silent_for(&bench, recording, 601).await;
    assert_eq!(look_for_lost(&bench, &broker).await, 0);
    release(&bench).await;
    silent_for(&bench, recording, 601).await;
    assert_eq!(look_for_lost(&bench, &broker).await, 1);
    assert_eq!(waiting(&bench, recording).await, (true, vec![]));
    broker.close().await;
    bench.close().await;
}

#[tokio::test]
async fn jobs_that_still_wait_on_their_queue_are_not_taken_for_lost() {
    let bench = Bench::open().await;
    let broker = Broker::new(&bench.corner.amqp_url, "test");
    let scene = Scene::of_three_voices(16);
    let recording = bench.recording(&scene, &interview()).await;
    bench.decoded(recording, &scene).await;
    let publisher = Publisher::new(broker.clone());
    let body = b"somebody else's job";
    publisher
        .publish_raw(&topology::chunk_queue(MODEL, CONFIGURATION), ChunkJob::TYPE, body, &Default::default())
        .await
        .expect("publishes");
    silent_for(&bench, recording, 1000).await;
    assert_eq!(look_for_lost(&bench, &broker).await, 0);
    // However long it takes: a backlog must not breed copies of itself.
    silent_for(&bench, recording, 36_000).await;
    assert_eq!(look_for_lost(&bench, &broker).await, 0);
    broker.close().await;
    bench.close().await;
}

#[tokio::test]
async fn on_a_queue_that_is_never_empty_a_job_that_others_overtook_is_taken_for_lost() {
    let bench = Bench::open().await;
    let broker = Broker::new(&bench.corner.amqp_url, "test");
    let scene = Scene::of_three_voices(16);
    let lost = bench.recording(&scene, &interview()).await;
    bench.decoded(lost, &scene).await;
    let publisher = Publisher::new(broker.clone());
    publisher
        .publish_raw(
            &topology::chunk_queue(MODEL, CONFIGURATION),
            ChunkJob::TYPE,
            b"others",
            &Default::default(),
        )
        .await
        .expect("publishes");
    // Ordered before it and done: says nothing.
    let earlier = bench.recording(&scene, &interview()).await;
    bench.decoded(earlier, &scene).await;
    bench.take(earlier, &scene, 0).await;
    silent_for(&bench, lost, 1000).await;
    silent_for(&bench, earlier, 1100).await;
    assert_eq!(look_for_lost(&bench, &broker).await, 0);
    // Ordered after it and done, but not long ago: it may be in somebody's hands.
    let later = bench.recording(&scene, &interview()).await;
    bench.decoded(later, &scene).await;
    bench.take(later, &scene, 0).await;
    assert_eq!(look_for_lost(&bench, &broker).await, 0);
    // Ordered after it, and done for as long as an interval.
    silent_for(&bench, lost, 3000).await;
    silent_for(&bench, later, 601).await;
    sqlx::query("UPDATE recordings SET updated_at = now() WHERE id <> $1")
        .bind(lost)
        .execute(&bench.pool)
        .await
        .expect("the others move");
    let (mut watch, now) = (Watch::default(), Instant::now());
    let sent = republish::pass(&bench.database, &broker, &mut watch, INTERVAL, now).await.expect("looks");
    assert_eq!(sent, 3);
    // Once: what it is about was just sent.
    release(&bench).await;
    let again = republish::pass(&bench.database, &broker, &mut watch, INTERVAL, now).await.expect("looks");
    assert_eq!(again, 0);
    broker.close().await;
    bench.close().await;
}

#[tokio::test]
async fn a_broker_that_has_lost_everything_is_noticed_once_and_every_job_is_sent_again_at_once() {
    let bench = Bench::open().await;
    let broker = Broker::new(&bench.corner.amqp_url, "test");
    let scene = Scene::of_three_voices(16);
    assert_eq!(epoch::look(&bench.database, &broker).await.expect("looks"), Seen::Lost { recordings: 0 });
    let recording = bench.recording(&scene, &interview()).await;
    bench.take(recording, &scene, 1).await;
    bench.decoded(recording, &scene).await;
    assert_eq!(epoch::look(&bench.database, &broker).await.expect("looks"), Seen::Known);

    broker.close().await;
    bench.corner.wipe_broker().await.expect("the virtual host is made anew");
    assert_eq!(epoch::look(&bench.database, &broker).await.expect("looks"), Seen::Lost { recordings: 1 });
    assert_eq!(epoch::look(&bench.database, &broker).await.expect("looks"), Seen::Known);
    let mut watch = Watch::default();
    let mut pass = async || {
        republish::pass(&bench.database, &broker, &mut watch, INTERVAL, Instant::now()).await.expect("looks")
    };
    assert_eq!((pass().await, pass().await), (2, 0));
    broker.close().await;
    bench.close().await;
}

#[tokio::test]
async fn what_is_lost_while_a_recording_has_failed_or_has_a_gap_is_sent_again_once_it_is_taken_up() {
    let bench = Bench::open().await;
    let broker = Broker::new(&bench.corner.amqp_url, "test");
    let scene = Scene::of_three_voices(16);
    epoch::look(&bench.database, &broker).await.expect("looks");
    let (failed, gappy) =
        (bench.recording(&scene, &interview()).await, bench.recording(&scene, &interview()).await);
    for recording in [failed, gappy] {
        bench.decoded(recording, &scene).await;
    }
    let run = async |sql: &'static str, recording: Uuid| {
        sqlx::query(sql).bind(recording).execute(&bench.pool).await.expect("changes");
    };
    run("UPDATE recordings SET state = 'failed', failure = 'why' WHERE id = $1", failed).await;
    run("UPDATE recordings SET state = 'completed_with_gaps', completed_at = now() WHERE id = $1", gappy)
        .await;
    run("INSERT INTO gaps (recording_id, chunk, reason, awaited) VALUES ($1, 0, '', true), ($1, 1, '', false)", gappy).await;
    for chunk in [0, 2] {
        inbox::keep(&bench.database, &analysed(failed, &scene, chunk)).await.expect("keeps");
    }
    inbox::keep(&bench.database, &analysed(gappy, &scene, 2)).await.expect("keeps");

    broker.close().await;
    bench.corner.wipe_broker().await.expect("the virtual host is made anew");
    epoch::look(&bench.database, &broker).await.expect("looks");
    let mut watch = Watch::default();
    let mut pass = async || {
        republish::pass(&bench.database, &broker, &mut watch, INTERVAL, Instant::now()).await.expect("looks")
    };
    assert_eq!((pass().await, pass().await), (1, 0), "the replay of the gap, and nothing of what has failed");
    run("UPDATE recordings SET state = 'processing', failure = NULL WHERE id = $1", failed).await;
    assert_eq!((pass().await, pass().await), (1, 0));
    assert_eq!(waiting(&bench, gappy).await.1, [0]);
    assert_eq!(waiting(&bench, failed).await.1, [1]);
    broker.close().await;
    bench.close().await;
}

#[tokio::test]
async fn a_broker_that_is_only_away_loses_nothing() {
    let bench = Bench::open().await;
    let scene = Scene::of_three_voices(16);
    let broker = Broker::new(&bench.corner.amqp_url, "test");
    epoch::look(&bench.database, &broker).await.expect("looks");
    bench.recording(&scene, &interview()).await;
    let away = Broker::new("amqp://guest:guest@127.0.0.1:9/none", "test");
    assert_eq!(epoch::look(&bench.database, &away).await.expect("looks"), Seen::Away);
    assert_eq!(epoch::look(&bench.database, &broker).await.expect("looks"), Seen::Known);
    broker.close().await;
    bench.close().await;
}
