//! Pausing: a queue that an operator has paused stands still, whoever consumes it, and goes on as if nothing had been.

use crate::{STEM, interview, interview_oracle};
use diarization::analysis::CONFIGURATION;
use pipeline_tests::Stack;
use pipeline_tests::command::{succeeds, throughline};
use pipeline_tests::eventually::eventually;
use serde_json::Value;
use service_kit::topology;
use std::time::Duration;

const OPTIONS: [(&str, &str); 2] = [("labels", "interview"), ("chunk_blocks", "1")];
/// Longer than it takes to analyse all that the recording has.
const A_WHILE: Duration = Duration::from_secs(10);

async fn operations(stack: &Stack) -> Value {
    let output = succeeds(stack, &["operations", "--json"]).await;
    serde_json::from_str(&output).unwrap_or_else(|error| panic!("{error}: {output}"))
}

async fn queue(stack: &Stack, name: &str) -> Value {
    let seen = operations(stack).await;
    let queues = seen["queues"].as_array().expect("a list");
    queues.iter().find(|queue| queue["name"] == name).unwrap_or_else(|| panic!("no {name}: {seen}")).clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_chunk_is_analysed_while_their_queue_is_paused_and_the_result_is_the_same() {
    let mut stack = Stack::start(1, 1, 1).await;
    let seen = eventually("the worker is seen", async || {
        Some(operations(&stack).await).filter(|seen| seen["workers"][0]["alive"] == true)
    })
    .await;
    let version = seen["workers"][0]["model_version"].as_str().expect("a version").to_owned();
    let chunks = topology::chunk_queue(&version, CONFIGURATION);
    let id = stack.submit(&interview(), &OPTIONS).await;
    stack.workers[0].logged("chunk taken").await;
    let said = succeeds(&stack, &["queues", "pause", &chunks]).await;
    assert!(said.contains("paused"), "{said}");
    eventually("nobody consumes it", async || (queue(&stack, &chunks).await["consumers"] == 0).then_some(()))
        .await;
    // One that starts now takes nothing either.
    stack.start_worker();
    let workers = eventually("both workers are seen", async || {
        let workers = operations(&stack).await["workers"].as_array().expect("a list").clone();
        (workers.len() == 2).then_some(workers)
    })
    .await;
    assert_ne!(workers[0]["process"], workers[1]["process"], "two on one machine are told apart");
    let analysed = "SELECT count(*) FROM inbox";
    eventually("what was released is analysed or waits on its queue, and nobody holds it", async || {
        let waiting = queue(&stack, &chunks).await["messages"].as_i64()?;
        let released = stack.count("SELECT count(*) FROM chunks WHERE released_at IS NOT NULL").await;
        let before = stack.count(analysed).await;
        (before == 4 || waiting > 0 && waiting + before == released).then_some(())
    })
    .await;
    let before = stack.count(analysed).await;
    assert!(before < 4, "it was paused too late to show anything");
    tokio::time::sleep(A_WHILE).await;
    assert_eq!(stack.count(analysed).await, before);
    assert_eq!(stack.recording(id).await["state"], "processing");
    let shown = succeeds(&stack, &["operations"]).await;
    let first = shown.lines().next().expect("a line");
    assert!(
        first.starts_with(&format!("PROBLEM: {chunks} was paused; ")),
        "what is wrong comes first: {shown}"
    );
    assert!(
        shown.lines().any(|line| line.contains(&chunks) && line.contains("paused since ")),
        "who and since when: {shown}"
    );
    assert!(
        shown.contains("the queue of its chunks is paused"),
        "why it is not known when it is done: {shown}"
    );
    assert!(workers.iter().all(|worker| shown.contains(&worker["process"].to_string())), "{shown}");

    succeeds(&stack, &["queues", "resume", &chunks]).await;
    stack.completed(id).await;
    stack.must_equal(id, STEM, &interview_oracle().await).await;
    let (refusal, succeeded) = throughline(&stack, &["queues", "pause", "throughline.dead"]).await;
    assert!(
        !succeeded && refusal.contains("there is no queue 'throughline.dead' that can be paused"),
        "{refusal}"
    );
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn analyses_wait_while_the_matchers_are_paused_and_are_matched_then() {
    let mut stack = Stack::start(1, 1, 1).await;
    succeeds(&stack, &["queues", "pause", topology::MATCH]).await;
    eventually("no matcher consumes", async || {
        (queue(&stack, topology::MATCH).await["consumers"] == 0).then_some(())
    })
    .await;
    // As many chunks as may be under way without a matcher.
    let id = stack.submit(&interview(), &[("labels", "interview"), ("chunk_blocks", "5")]).await;
    eventually("all analyses and the notice of the decoder wait", async || {
        (queue(&stack, topology::MATCH).await["messages"] == 2).then_some(())
    })
    .await;
    assert_eq!(stack.count("SELECT count(*) FROM inbox").await, 0);
    succeeds(&stack, &["queues", "resume", topology::MATCH]).await;
    stack.completed(id).await;
    stack.must_equal(id, STEM, &interview_oracle().await).await;
    stack.stop().await;
}
