//! Alarms: a broker that is short of memory or disk space takes nothing that is published. Consuming goes on, services say what they wait
//! for, and what was analysed is neither analysed again nor counted as tried.

use crate::outages::{ALONE, OPTIONS, all_are_ready, expected, interview, is_not_ready, listening};
use pipeline_tests::chaos::plan::Resource;
use pipeline_tests::chaos::servers::Servers;
use pipeline_tests::eventually::eventually;
use pipeline_tests::recordings::accepted;
use pipeline_tests::{Process, Stack};
use rustix::process::Signal;
use service_kit::broker::Broker;
use service_kit::budget::Budget;
use service_kit::consumer::{self, Subscription};
use service_kit::delivery::Delivery;
use service_kit::messages::DecodeJob;
use service_kit::pauses::Pauses;
use service_kit::publisher::{PublishError, Publisher};
use service_kit::shutdown::Shutdown;
use service_kit::surroundings::Surroundings;
use service_kit::testing::Corner;
use service_kit::topology;
use service_kit::verdict::Verdict;
use std::cell::Cell;
use std::time::{Duration, Instant};
use uuid::Uuid;

const STACK: &str = "alarms-short";
const BLOCKED: &str = "has blocked the connection for publishing";

/// Duration of an alarm: THROUGHLINE_ALARM_SECONDS, or else 20 s.
fn alarm_lasts() -> Duration {
    let seconds = std::env::var("THROUGHLINE_ALARM_SECONDS").map(|text| text.parse().expect("a number"));
    Duration::from_secs(seconds.unwrap_or(20))
}

/// The sum of a metric's values over processes.
async fn sum(processes: &mut [Process], metric: &str) -> f64 {
    let mut sum = 0.0;
    for process in processes {
        let page =
            reqwest::get(format!("http://{}/metrics", listening(process).await)).await.expect("answers");
        let page = page.text().await.expect("text");
        let values = page.lines().filter(|line| line.starts_with(metric));
        sum += values.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum::<f64>();
    }
    sum
}

/// Analyses that were done by workers that are all still there; each also infers once when it starts.
async fn analyses(workers: &mut [Process]) -> f64 {
    sum(workers, "throughline_inference_seconds_count").await - workers.len() as f64
}

/// Every chunk was analysed once, but for jobs that were on their way to the broker when it stopped reading: the outbox sends those again.
async fn analysed_once(workers: &mut [Process], chunks: i64) {
    let again = analyses(workers).await - chunks as f64;
    assert!((0.0..=2.0).contains(&again), "{again} analyses more than chunks");
}

/// The most that a chunk was tried.
fn attempts(workers: &[Process]) -> i64 {
    let lines = workers.iter().flat_map(Process::lines);
    let taken = lines.filter(|line| line["message"] == "chunk taken");
    taken.filter_map(|line| line["attempt"].as_i64()).max().unwrap_or(0)
}

/// Recordings that are still in work when an alarm is raised, which takes seconds.
async fn enough_for_a_while(stack: &Stack) -> Vec<Uuid> {
    let mut recordings = Vec::new();
    for _ in 0..14 {
        recordings.push(stack.submit(&interview(), &OPTIONS).await);
    }
    recordings
}

async fn end_well(mut stack: Stack, recordings: &[Uuid]) {
    for recording in recordings {
        stack.completed(*recording).await;
        stack.must_equal(*recording, "interview_3min", &expected().await).await;
    }
    all_are_ready(&mut stack).await;
    assert_eq!(stack.count("SELECT count(*) FROM dead_letters").await, 0);
    stack.stop().await;
}

/// Runs two workers through an alarm.
async fn an_alarm(resource: Resource, in_its_words: &str) {
    let _alone = ALONE.lock().await;
    let servers = Servers::start(STACK).await;
    let mut stack = Stack::start_on(&servers, (2, 1, 1), &[]).await;
    all_are_ready(&mut stack).await;
    let mut recordings = enough_for_a_while(&stack).await;
    stack.under_way(recordings[0], 1).await;
    assert!(servers.raise_alarm(resource).await, "the alarm is raised");
    let raised = Instant::now();
    for process in stack.processes() {
        is_not_ready(process, BLOCKED).await;
        is_not_ready(process, in_its_words).await;
        assert_eq!(
            sum(std::slice::from_mut(process), "throughline_broker_blocked{connection=\"publishing\"}").await,
            1.0
        );
        assert_eq!(
            sum(std::slice::from_mut(process), "throughline_broker_blocked{connection=\"consuming\"}").await,
            0.0
        );
    }
    let meanwhile = accepted(stack.upload(&interview(), &OPTIONS).send().await.expect("an answer")).await;
    recordings.push(meanwhile);
    tokio::time::sleep(alarm_lasts().saturating_sub(raised.elapsed())).await;
    stack.must_be_alive();
    let waiting = stack.count("SELECT count(*) FROM recordings WHERE state <> 'completed'").await;
    assert!(waiting > 1, "the alarm came too late");
    servers.clear_alarm(resource).await;
    let cleared = Instant::now();
    for recording in &recordings {
        stack.completed(*recording).await;
    }
    let chunks = stack.count("SELECT count(*) FROM chunks").await;
    println!(
        "{resource:?}: {} analyses of {chunks} chunks, at most {} attempts, done {:.1?} after an alarm of {:.0?}",
        analyses(&mut stack.workers).await,
        attempts(&stack.workers),
        cleared.elapsed(),
        cleared - raised
    );
    analysed_once(&mut stack.workers, chunks).await;
    assert_eq!(attempts(&stack.workers), 1, "no attempt is counted");
    end_well(stack, &recordings).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn under_a_memory_alarm_every_service_waits_and_says_so_and_no_chunk_is_analysed_twice() {
    an_alarm(Resource::Memory, "low on memory").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn under_a_disk_alarm_every_service_waits_and_says_so_and_no_chunk_is_analysed_twice() {
    an_alarm(Resource::Disk, "low on disk").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_loses_its_connections_while_it_waits_answers_the_chunk_without_a_second_inference() {
    let _alone = ALONE.lock().await;
    let servers = Servers::start(STACK).await;
    let mut stack = Stack::start_on(&servers, (1, 1, 1), &[]).await;
    let recordings = enough_for_a_while(&stack).await;
    // It stands in mid-chunk until the alarm is there: between two chunks it would wait for none.
    stack.workers[0].logged("chunk taken").await;
    stack.workers[0].signal(Signal::STOP);
    assert!(servers.raise_alarm(Resource::Memory).await, "the alarm is raised");
    is_not_ready(&mut stack.ingests[0], BLOCKED).await;
    stack.workers[0].signal(Signal::CONT);
    stack.workers[0].logged("waiting; no attempt is counted").await;
    // The management's list of connections is seconds behind.
    eventually("connections are closed", async || (servers.close_connections().await > 0).then_some(()))
        .await;
    servers.clear_alarm(Resource::Memory).await;
    for recording in &recordings {
        stack.completed(*recording).await;
    }
    let chunks = stack.count("SELECT count(*) FROM chunks").await;
    analysed_once(&mut stack.workers, chunks).await;
    end_well(stack, &recordings).await;
}

#[tokio::test]
async fn messages_are_taken_and_acknowledged_while_the_broker_takes_none() {
    let _alone = ALONE.lock().await;
    let servers = Servers::start(STACK).await;
    let (database, management) = (servers.database_url().to_owned(), servers.management_url().to_owned());
    let corner = Corner::open_on(database, servers.amqp_url(), management).await.expect("a corner");
    let (broker, other) = (Broker::new(&corner.amqp_url, "test"), Broker::new(&corner.amqp_url, "other"));
    let job = || DecodeJob { recording: Uuid::now_v7(), run: 1 };
    for _ in 0..5 {
        Publisher::new(other.clone()).publish(topology::DECODE, &job()).await.expect("is confirmed");
    }
    assert!(servers.raise_alarm(Resource::Memory).await, "the alarm is raised");
    let publisher = Publisher::new(broker.clone());
    eventually("publishing is blocked", async || match publisher.publish(topology::MATCH, &job()).await {
        Err(PublishError::Blocked(_)) => Some(()),
        _ => None,
    })
    .await;
    let subscription = Subscription {
        queue: topology::DECODE.to_owned(),
        budget: Budget::of(&[]).expect("fits"),
        surroundings: Surroundings::default(),
        pauses: Pauses::none(),
        sends_on: false,
    };
    let (shutdown, taken) = (Shutdown::default(), Cell::new(0));
    let handler = async |_: Delivery| {
        taken.set(taken.get() + 1);
        Verdict::Done
    };
    let acknowledged = eventually("all is acknowledged", async || {
        let queues = pipeline_tests::queues::Queues::of(corner.management_url(), &corner.amqp_url).await;
        let left = queues.left().await.into_iter().any(|(queue, _)| queue == topology::DECODE);
        (!left && taken.get() == 5).then_some(())
    });
    tokio::select! {
        () = consumer::run(&broker, &subscription, &shutdown, handler) => {}
        () = acknowledged => {}
    }
    assert!(broker.blocked().is_some(), "publishing is blocked all the while");
    broker.close().await;
    other.close().await;
    servers.clear_alarm(Resource::Memory).await;
    corner.close().await.expect("the corner is deleted");
}
