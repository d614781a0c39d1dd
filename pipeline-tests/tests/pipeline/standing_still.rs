//! Standing still: a process that neither works nor ends (a machine that hangs, a network that is gone) loses what it has in hand to
//! others, and harms nothing when it goes on.

use crate::{STEM, interview, interview_oracle};
use pipeline_tests::eventually::eventually;
use pipeline_tests::{Barrier, Stack};
use rustix::process::Signal;
use service_kit::topology::MATCH;

const OPTIONS: [(&str, &str); 2] = [("labels", "interview"), ("chunk_blocks", "1")];

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_stands_still_loses_its_chunk_to_another() {
    let mut stack = Stack::start(1, 1, 1).await;
    let id = stack.submit(&interview(), &OPTIONS).await;
    stack.workers[0].logged("chunk taken").await;
    stack.workers[0].signal(Signal::STOP);
    stack.start_worker();
    // Nothing but heartbeats tells the broker.
    stack.completed(id).await;
    stack.workers[0].signal(Signal::CONT);
    stack.must_equal(id, STEM, &interview_oracle().await).await;
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_matcher_that_stands_still_in_a_transaction_loses_its_locks_and_another_completes_the_recording() {
    let mut stack = Stack::start(1, 1, 1).await;
    let matching = Barrier::before(&stack.pool, "INSERT", "inbox", "NEW.chunk = 1").await;
    let id = stack.submit(&interview(), &OPTIONS).await;
    matching.reached().await;
    stack.matchers[0].signal(Signal::STOP);
    matching.lift().await;
    stack.start_matcher();
    stack.completed(id).await;
    stack.matchers[0].signal(Signal::CONT);
    // What it had in hand it may send on once more, for somebody who is still there to find that it is done.
    eventually("it consumes again", async || {
        let lines = stack.matchers[0].lines();
        let begun = lines.iter().filter(|line| line["message"] == "consuming" && line["queue"] == MATCH);
        (begun.count() >= 2).then_some(())
    })
    .await;
    stack.must_equal(id, STEM, &interview_oracle().await).await;
    stack.stop().await;
}
