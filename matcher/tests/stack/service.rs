//! Service: the whole matcher over the real broker.

use crate::bench::{Bench, analysed, interview};
use crate::scene::Scene;
use clap::Parser;
use matcher::Config;
use metrics_exporter_prometheus::PrometheusBuilder;
use service_kit::broker::Broker;
use service_kit::messages::{ChunkAnalysed, Message, RecordingDecoded};
use service_kit::publisher::Publisher;
use service_kit::schema::MIGRATIONS;
use service_kit::shutdown::Shutdown;
use service_kit::topology;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use uuid::Uuid;

pub fn start(bench: &Bench, shutdown: &Shutdown) -> JoinHandle<anyhow::Result<()>> {
    start_at(bench, shutdown, "127.0.0.1:0")
}

fn start_at(bench: &Bench, shutdown: &Shutdown, admin: &str) -> JoinHandle<anyhow::Result<()>> {
    let (database, amqp) = (bench.corner.database_url.as_str(), bench.corner.amqp_url.as_str());
    let arguments =
        ["throughline-matcher", "--database-url", database, "--amqp-url", amqp, "--admin-listen", admin];
    let config = Config::try_parse_from(arguments).expect("parses");
    let metrics = PrometheusBuilder::new().build_recorder().handle();
    tokio::spawn(matcher::run(config, shutdown.clone(), metrics))
}

/// Waits until `sql`, which selects a boolean for the recording, says yes.
pub async fn until(bench: &Bench, recording: Uuid, sql: &'static str) {
    let waiting = async {
        while !bench.value::<bool>(recording, sql).await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), waiting)
        .await
        .unwrap_or_else(|_| panic!("never true: {sql}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_matchers_on_one_queue_give_what_one_process_gives() {
    let bench = Bench::open().await;
    let broker = Broker::new(&bench.corner.amqp_url, "test");
    let publisher = Publisher::new(broker.clone());
    let scene = Scene::of_three_voices(16);
    let mut recordings = Vec::new();
    for _ in 0..4 {
        recordings.push(bench.recording(&scene, &interview()).await);
    }
    for chunk in [2, 0, 1, 0, 2] {
        for &recording in &recordings {
            publisher.publish(topology::MATCH, &analysed(recording, &scene, chunk)).await.expect("publishes");
        }
    }
    let running = [start(&bench, &bench.shutdown), start(&bench, &bench.shutdown)];
    for &recording in &recordings {
        bench.decoded(recording, &scene).await;
        let decoded = RecordingDecoded { recording, run: 1 };
        publisher.publish(topology::MATCH, &decoded).await.expect("publishes");
    }
    let oracle = scene.oracle(&interview());
    for &recording in &recordings {
        until(&bench, recording, "SELECT state = 'completed' FROM recordings WHERE id = $1").await;
        bench.assert_is(recording, &oracle).await;
    }
    bench.shutdown.ask();
    for matcher in running {
        matcher.await.expect("does not panic").expect("stops cleanly");
    }
    broker.close().await;
    bench.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rubbish_is_dead_lettered_fails_its_recording_and_harms_no_other() {
    let bench = Bench::open().await;
    let broker = Broker::new(&bench.corner.amqp_url, "test");
    let publisher = Publisher::new(broker.clone());
    let scene = Scene::of_three_voices(16);
    let (poisoned, other) =
        (bench.recording(&scene, &interview()).await, bench.recording(&scene, &interview()).await);
    let rubbish = ChunkAnalysed { analysis: b"rubbish".to_vec(), ..analysed(poisoned, &scene, 1) };
    publisher.publish(topology::MATCH, &rubbish).await.expect("publishes");
    let kind = ChunkAnalysed::TYPE;
    publisher.publish_raw(topology::MATCH, kind, b"no message", &BTreeMap::new()).await.expect("publishes");
    for chunk in 0..3 {
        publisher.publish(topology::MATCH, &analysed(other, &scene, chunk)).await.expect("publishes");
    }
    bench.decoded(other, &scene).await;
    let running = start(&bench, &bench.shutdown);
    until(&bench, poisoned, "SELECT state = 'failed' FROM recordings WHERE id = $1").await;
    until(&bench, other, "SELECT state = 'completed' FROM recordings WHERE id = $1").await;
    until(
        &bench,
        poisoned,
        "SELECT count(*) = 2 FROM dead_letters WHERE recording_id = $1 OR recording_id IS NULL",
    )
    .await;
    let failure: String = bench.value(poisoned, "SELECT failure FROM recordings WHERE id = $1").await;
    assert_eq!(failure, "the analysis of chunk 1 could not be used");
    let letter: String = bench
        .value(poisoned, "SELECT queue || ' ' || reason FROM dead_letters WHERE recording_id = $1")
        .await;
    assert!(letter.starts_with("throughline.match chunk 1: the analysis cannot be read"), "{letter}");
    bench.shutdown.ask();
    running.await.expect("does not panic").expect("stops cleanly");
    broker.close().await;
    bench.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_matcher_that_is_killed_loses_nothing() {
    let bench = Bench::open().await;
    let broker = Broker::new(&bench.corner.amqp_url, "test");
    let publisher = Publisher::new(broker.clone());
    let scene = Scene::of_three_voices(16);
    let recording = bench.recording(&scene, &interview()).await;
    let killed = start(&bench, &Shutdown::default());
    for chunk in [1, 2] {
        publisher.publish(topology::MATCH, &analysed(recording, &scene, chunk)).await.expect("publishes");
    }
    until(&bench, recording, "SELECT count(*) > 0 FROM inbox WHERE recording_id = $1").await;
    killed.abort();
    assert!(killed.await.expect_err("was aborted").is_cancelled());
    publisher.publish(topology::MATCH, &analysed(recording, &scene, 0)).await.expect("publishes");
    bench.decoded(recording, &scene).await;
    publisher.publish(topology::MATCH, &RecordingDecoded { recording, run: 1 }).await.expect("publishes");
    let next = start(&bench, &bench.shutdown);
    until(&bench, recording, "SELECT state = 'completed' FROM recordings WHERE id = $1").await;
    bench.assert_is(recording, &scene.oracle(&interview())).await;
    bench.shutdown.ask();
    next.await.expect("does not panic").expect("stops cleanly");
    broker.close().await;
    bench.close().await;
}

#[tokio::test]
async fn an_outage_of_the_database_rejects_nothing_and_counts_no_attempt() {
    let shutdown = Shutdown::default();
    let pool =
        service_kit::transaction::pool("postgres://nobody@127.0.0.1:1/nowhere", 1, "test").expect("parses");
    let database = matcher::database::Database::new(pool, shutdown.clone());
    let message = analysed(Uuid::now_v7(), &Scene::of_three_voices(16), 0);
    let (verdict, ()) =
        tokio::join!(matcher::handler::handle(&database, crate::bench::delivery(&message)), async {
            tokio::time::sleep(Duration::from_millis(300)).await;
            shutdown.ask();
        });
    assert!(matches!(verdict, service_kit::verdict::Verdict::Wait(_)), "{verdict:?}");
}

/// First line of the answer to GET `path`, empty while nobody listens.
async fn answer(address: SocketAddr, path: &str) -> String {
    let Ok(mut stream) = TcpStream::connect(address).await else { return String::new() };
    stream.write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes()).await.expect("asks");
    let mut page = String::new();
    stream.read_to_string(&mut page).await.expect("answers");
    page.lines().next().unwrap_or_default().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_ready_once_both_servers_answer_and_a_taken_address_stops_it() {
    let bench = Bench::open().await;
    let free = std::net::TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("finds a port");
    let running = start_at(&bench, &bench.shutdown, &free.to_string());
    let ready = async {
        while answer(free, "/readyz").await != "HTTP/1.0 200 OK" {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), ready).await.expect("becomes ready");
    let second = start_at(&bench, &Shutdown::default(), &free.to_string());
    let refusal = second.await.expect("does not panic").expect_err("cannot listen");
    assert!(refusal.to_string().contains("cannot listen on"), "{refusal}");
    bench.shutdown.ask();
    running.await.expect("does not panic").expect("stops cleanly");
    bench.close().await;
}

/// The whole answer to GET `path`.
async fn page(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).await.expect("listens");
    stream.write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes()).await.expect("asks");
    let mut page = String::new();
    stream.read_to_string(&mut page).await.expect("answers");
    page
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_an_empty_schema_it_says_what_to_do_and_takes_nothing_until_that_is_done() {
    let bench = Bench::open().await;
    MIGRATIONS.undo(&bench.pool, 0).await.expect("goes down");
    let broker = Broker::new(&bench.corner.amqp_url, "test");
    let publisher = Publisher::new(broker.clone());
    let scene = Scene::of_three_voices(16);
    let stale = analysed(Uuid::now_v7(), &scene, 0);
    publisher.publish(topology::MATCH, &stale).await.expect("publishes");
    let free = std::net::TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("finds a port");
    let running = start_at(&bench, &bench.shutdown, &free.to_string());
    let heard = async {
        loop {
            if !answer(free, "/readyz").await.is_empty() {
                let page = page(free, "/readyz").await;
                if page.contains("throughline migrate") {
                    return page;
                }
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let page = tokio::time::timeout(Duration::from_secs(30), heard).await.expect("says what to do");
    assert!(page.starts_with("HTTP/1.0 503") && page.contains("no tables yet"), "{page}");
    tokio::time::sleep(Duration::from_secs(3)).await;
    let channel = broker.channel().await.expect("a channel");
    let passive = lapin::options::QueueDeclareOptions { passive: true, ..Default::default() };
    let queue = channel.queue_declare(topology::MATCH.into(), passive, Default::default()).await;
    assert_eq!(queue.expect("is there").message_count(), 1, "the message was taken");
    MIGRATIONS.run(&bench.pool).await.expect("migrates");
    let recording = bench.recording(&scene, &interview()).await;
    for chunk in 0..3 {
        publisher.publish(topology::MATCH, &analysed(recording, &scene, chunk)).await.expect("publishes");
    }
    bench.decoded(recording, &scene).await;
    publisher.publish(topology::MATCH, &RecordingDecoded { recording, run: 1 }).await.expect("publishes");
    until(&bench, recording, "SELECT state = 'completed' FROM recordings WHERE id = $1").await;
    let letters: i64 = bench.value(recording, "SELECT count(*) FROM dead_letters WHERE $1 = $1").await;
    assert_eq!(letters, 0);
    bench.shutdown.ask();
    running.await.expect("does not panic").expect("stops cleanly");
    broker.close().await;
    bench.close().await;
}

#[tokio::test]
async fn a_table_that_is_not_there_counts_no_attempt() {
    let bench = Bench::open().await;
    let scene = Scene::of_three_voices(16);
    let recording = bench.recording(&scene, &interview()).await;
    // As a program finds it that is newer than the schema.
    sqlx::query("ALTER TABLE inbox RENAME COLUMN trace TO of_another_release")
        .execute(&bench.pool)
        .await
        .expect("alters");
    let verdict = bench.hand(recording, &scene, 0).await;
    assert!(matches!(verdict, service_kit::verdict::Verdict::Wait(_)), "{verdict:?}");
    bench.close().await;
}
