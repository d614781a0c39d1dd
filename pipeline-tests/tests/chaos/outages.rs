//! Outages: a server that is away for a while. Every service waits, says so, and goes on; no attempt is counted.

use diarization::diarize::{Diarization, Settings};
use diarization::labels::LabelScheme;
use pipeline_tests::chaos::plan::{Server, Stop};
use pipeline_tests::chaos::servers::Servers;
use pipeline_tests::eventually::eventually;
use pipeline_tests::recordings::accepted;
use pipeline_tests::{Process, Stack, oracle};
use reqwest::{StatusCode, header};
use std::path::PathBuf;
use std::time::Duration;
use tokio::sync::Mutex;

/// Tests that stop or starve servers come one after the other.
pub(crate) static ALONE: Mutex<()> = Mutex::const_new(());
const STACK: &str = "outages-short";
pub(crate) const OPTIONS: [(&str, &str); 2] = [("labels", "interview"), ("chunk_blocks", "1")];

/// Duration of the server's absence: THROUGHLINE_OUTAGE_SECONDS, or else 15 s.
fn away() -> Duration {
    let seconds = std::env::var("THROUGHLINE_OUTAGE_SECONDS").map(|text| text.parse().expect("a number"));
    Duration::from_secs(seconds.unwrap_or(15))
}

pub(crate) fn interview() -> PathBuf {
    oracle::sample("interview_3min.opus")
}

pub(crate) async fn expected() -> Diarization {
    let settings = Settings { labels: LabelScheme::Interview, ..Settings::default() };
    oracle::diarize(&interview(), settings).await
}

/// Address on which a service tells its health and metrics.
pub(crate) async fn listening(process: &mut Process) -> String {
    let address = eventually("it says where health and metrics are", async || {
        process.must_be_alive();
        let line = process.lines().into_iter().find(|line| line["what"] == "health and metrics")?;
        line["address"].as_str().map(ToOwned::to_owned)
    });
    address.await
}

/// Status and words of a service's readiness.
async fn readiness(process: &mut Process) -> (StatusCode, String) {
    let address = listening(process).await;
    let answer = reqwest::get(format!("http://{address}/readyz")).await.expect("an answer");
    (answer.status(), answer.text().await.expect("text"))
}

pub(crate) async fn is_not_ready(process: &mut Process, because_of: &str) {
    eventually(&format!("{} says that {because_of} is away", process.name()), async || {
        process.must_be_alive();
        let (status, why) = readiness(process).await;
        (status == StatusCode::SERVICE_UNAVAILABLE && why.contains(because_of)).then_some(())
    })
    .await;
}

pub(crate) async fn all_are_ready(stack: &mut Stack) {
    for process in stack.processes() {
        eventually(&format!("{} is ready", process.name()), async || {
            process.must_be_alive();
            (readiness(process).await.0 == StatusCode::OK).then_some(())
        })
        .await;
    }
}

async fn completes_without_counting_an_attempt(mut stack: Stack, recordings: &[uuid::Uuid]) {
    for recording in recordings {
        stack.completed(*recording).await;
        stack.must_equal(*recording, "interview_3min", &expected().await).await;
    }
    all_are_ready(&mut stack).await;
    assert_eq!(stack.count("SELECT count(*) FROM dead_letters").await, 0);
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_broker_is_away_every_service_waits_and_says_so_and_uploads_are_taken() {
    let _alone = ALONE.lock().await;
    let servers = Servers::start(STACK).await;
    let mut stack = Stack::start_on(&servers, (1, 1, 1), &[]).await;
    all_are_ready(&mut stack).await;
    let before = stack.submit(&interview(), &OPTIONS).await;
    stack.under_way(before, 1).await;
    servers.stop(Server::Broker, Stop::Orderly).await;
    is_not_ready(&mut stack.workers[0], "RabbitMQ").await;
    is_not_ready(&mut stack.matchers[0], "RabbitMQ").await;
    is_not_ready(&mut stack.ingests[0], "broker").await;
    let meanwhile = accepted(stack.upload(&interview(), &OPTIONS).send().await.expect("an answer")).await;
    tokio::time::sleep(away()).await;
    stack.must_be_alive();
    servers.start_again(Server::Broker).await;
    completes_without_counting_an_attempt(stack, &[before, meanwhile]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_database_is_away_every_service_that_needs_it_waits_and_says_so_and_uploads_are_put_off() {
    let _alone = ALONE.lock().await;
    let servers = Servers::start(STACK).await;
    let mut stack = Stack::start_on(&servers, (1, 1, 1), &[]).await;
    let before = stack.submit(&interview(), &OPTIONS).await;
    stack.under_way(before, 1).await;
    servers.stop(Server::Database, Stop::Kill).await;
    is_not_ready(&mut stack.matchers[0], "database").await;
    is_not_ready(&mut stack.ingests[0], "database").await;
    assert_eq!(
        readiness(&mut stack.workers[0]).await.0,
        StatusCode::OK,
        "a worker has no use for the database"
    );
    let refused = reqwest::Client::new()
        .get(format!("{}/v1/recordings", stack.address()))
        .send()
        .await
        .expect("an answer");
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(refused.headers().contains_key(header::RETRY_AFTER));
    tokio::time::sleep(away()).await;
    stack.must_be_alive();
    servers.start_again(Server::Database).await;
    let afterwards = eventually("uploads are taken again", async || {
        let answer = stack.upload(&interview(), &OPTIONS).send().await.expect("an answer");
        if answer.status() == StatusCode::ACCEPTED { Some(accepted(answer).await) } else { None }
    })
    .await;
    completes_without_counting_an_attempt(stack, &[before, afterwards]).await;
}
