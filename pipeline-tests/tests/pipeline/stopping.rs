//! Stopping: a service that is asked to stop finishes what is in hand and ends well, and nothing is lost by it.

use crate::{STEM, interview, interview_oracle};
use pipeline_tests::eventually::eventually;
use pipeline_tests::{Barrier, Process, Stack};
use std::time::{Duration, Instant};

#[tokio::test(flavor = "multi_thread")]
async fn every_service_stops_in_mid_work_and_the_recording_completes_after_the_restart() {
    let mut stack = Stack::start(1, 1, 1).await;
    let decoding = Barrier::before(&stack.pool, "INSERT", "chunks", "NEW.chunk = 3").await;
    let matching = Barrier::before(&stack.pool, "INSERT", "inbox", "NEW.chunk = 0").await;
    let id = stack.submit(&interview(), &[("labels", "interview"), ("chunk_blocks", "1")]).await;
    // Ingest decodes, the matcher takes in the first chunk, and so the worker analyses the second. (Later the matcher would
    // wait for the row that ingest shares with it, and not come to its barrier.)
    decoding.reached().await;
    matching.reached().await;
    for processes in [&mut stack.ingests, &mut stack.workers, &mut stack.matchers] {
        processes.iter_mut().for_each(Process::ask_to_stop);
    }
    decoding.lift().await;
    matching.lift().await;
    for processes in [&mut stack.ingests, &mut stack.workers, &mut stack.matchers] {
        for process in processes.drain(..) {
            process.must_stop().await;
        }
    }
    let unfinished = "SELECT count(*) FROM recordings WHERE state = 'processing'";
    assert_eq!(stack.count(unfinished).await, 1, "it was finished before the services stopped");

    stack.start_worker();
    stack.start_matcher();
    stack.start_ingest().await;
    stack.completed(id).await;
    stack.must_equal(id, STEM, &interview_oracle().await).await;
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_finished_in_the_configured_time_is_given_back_and_no_attempt_is_counted() {
    let mut stack = Stack::start(0, 0, 1).await;
    stack.set(&[("THROUGHLINE_SHUTDOWN_SECONDS", "1")]);
    stack.start_matcher();
    let matching = Barrier::before(&stack.pool, "INSERT", "inbox", "NEW.chunk = 0").await;
    let id = stack.submit(&interview(), &[("labels", "interview"), ("chunk_blocks", "4")]).await;
    // No time at all: the worker gives its chunk back in the middle of the inference.
    stack.set(&[("THROUGHLINE_SHUTDOWN_SECONDS", "0")]);
    stack.start_worker();
    let mut worker = stack.workers.remove(0);
    worker.logged("chunk taken").await;
    worker.ask_to_stop();
    worker.must_stop().await;
    stack.start_worker();
    let again = stack.workers[0].logged("chunk taken").await;
    assert_eq!(again["attempt"], 1, "the attempt that was given back was counted");

    matching.reached().await;
    let mut matcher = stack.matchers.remove(0);
    let asked = Instant::now();
    matcher.ask_to_stop();
    matcher.must_stop().await;
    assert!(asked.elapsed() >= Duration::from_secs(1), "it did not use the time it had");
    matching.lift().await;
    stack.set(&[]);
    stack.start_matcher();
    stack.completed(id).await;
    stack.must_equal(id, STEM, &interview_oracle().await).await;
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_a_service_at_once() {
    let mut stack = Stack::start(1, 0, 1).await;
    stack.set(&[("THROUGHLINE_SHUTDOWN_SECONDS", "3600")]);
    stack.start_matcher();
    let matching = Barrier::before(&stack.pool, "INSERT", "inbox", "NEW.chunk = 0").await;
    let id = stack.submit(&interview(), &[("labels", "interview"), ("chunk_blocks", "4")]).await;
    matching.reached().await;
    let mut matcher = stack.matchers.remove(0);
    matcher.ask_to_stop();
    matcher.logged("stopping: finishing what is in hand").await;
    matcher.must_be_alive();
    matcher.ask_to_stop();
    let status = eventually("it ends", async || matcher.ended()).await;
    assert_eq!(status.code(), Some(130));
    matching.lift().await;
    stack.set(&[]);
    stack.start_matcher();
    stack.completed(id).await;
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn time_outs_that_do_not_nest_are_refused_at_the_start_by_name() {
    let mut stack = Stack::start(0, 0, 0).await;
    let settings = [
        ("worker", "THROUGHLINE_INFERENCE_SECONDS", "1200", "an inference (1200 s)"),
        ("ingest", "THROUGHLINE_DECODE_SECONDS", "1700", "decoding (1700 s)"),
    ];
    for (service, variable, seconds, step) in settings {
        let mut process = stack.start_unwatched(service, &[(variable, seconds)]);
        let status = eventually("it ends", async || process.ended()).await;
        assert!(!status.success(), "{service} started with {variable}={seconds}");
        let said = process.tail();
        for words in [variable, "the time-outs do not nest", step, "1800 s", "Set shorter ones"] {
            assert!(said.contains(words), "no '{words}' in: {said}");
        }
    }
    let settings = [
        ("matcher", "THROUGHLINE_RECONCILE_SECONDS", "900", "THROUGHLINE_REPUBLISH_SECONDS=600"),
        ("ingest", "THROUGHLINE_MAX_UPLOAD_SECONDS", "90000", "the age from which an upload is refused"),
    ];
    for (service, variable, seconds, other) in settings {
        let mut process = stack.start_unwatched(service, &[(variable, seconds)]);
        let status = eventually("it ends", async || process.ended()).await;
        assert!(!status.success(), "{service} started with {variable}={seconds}");
        let said = process.tail();
        for words in ["the time-outs do not nest", &format!("{variable}={seconds}"), other] {
            assert!(said.contains(words), "no '{words}' in: {said}");
        }
    }
    stack.stop().await;
}
