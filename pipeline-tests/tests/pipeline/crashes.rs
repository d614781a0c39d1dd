//! Crashes: any process may be killed at any moment; the recording completes as if nothing had happened.

use crate::{STEM, interview, interview_oracle};
use pipeline_tests::{Barrier, Stack};
use uuid::Uuid;

const OPTIONS: [(&str, &str); 2] = [("labels", "interview"), ("chunk_blocks", "1")];
const CHUNKS: i64 = 4;

/// Completed as the oracle says, each chunk once, nothing left over.
async fn completes_as_if_nothing_had_happened(mut stack: Stack, id: Uuid) {
    stack.completed(id).await;
    stack.must_equal(id, STEM, &interview_oracle().await).await;
    assert_eq!(stack.count("SELECT count(*) FROM chunks").await, CHUNKS);
    assert_eq!(stack.count("SELECT count(*) FROM inbox").await, CHUNKS);
    assert_eq!(stack.count("SELECT count(*) FROM dead_letters").await, 0);
    assert_eq!(stack.count("SELECT count(*) FROM turns WHERE provisional").await, 0);
    // The upload and the chunks; a decoding done twice stores the same objects again.
    assert_eq!(stack.objects().len() as i64, 1 + CHUNKS, "{:?}", stack.objects());
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_killed_in_mid_recording_costs_nothing() {
    let mut stack = Stack::start(1, 1, 1).await;
    let id = stack.submit(&interview(), &OPTIONS).await;
    stack.under_way(id, 1).await;
    stack.workers.remove(0).kill().await;
    let arrived = stack.count("SELECT count(*) FROM inbox").await;
    assert!(arrived < CHUNKS, "it was killed too late: it had analysed everything");
    stack.start_worker();
    completes_as_if_nothing_had_happened(stack, id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ingest_killed_while_it_decodes_is_taken_over_by_another() {
    let mut stack = Stack::start(1, 1, 1).await;
    let barrier = Barrier::before(&stack.pool, "INSERT", "chunks", "NEW.chunk = 2").await;
    let id = stack.submit(&interview(), &OPTIONS).await;
    barrier.reached().await;
    stack.start_ingest().await;
    stack.ingests.remove(0).kill().await;
    assert_eq!(stack.count("SELECT count(*) FROM chunks").await, 2);
    barrier.lift().await;
    completes_as_if_nothing_had_happened(stack, id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ingest_killed_between_two_chunks_and_started_again_goes_on() {
    let mut stack = Stack::start(1, 1, 1).await;
    let barrier = Barrier::before(&stack.pool, "UPDATE", "recordings", "NEW.chunk_count IS NOT NULL").await;
    let id = stack.submit(&interview(), &OPTIONS).await;
    // All chunks are ordered, but nobody knows yet that they are all.
    barrier.reached().await;
    stack.ingests.remove(0).kill().await;
    barrier.lift().await;
    stack.start_ingest().await;
    completes_as_if_nothing_had_happened(stack, id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_matcher_killed_after_its_first_chunk_and_again_while_it_completes_starts_where_it_was() {
    let mut stack = Stack::start(1, 1, 1).await;
    let in_mid_recording = Barrier::before(&stack.pool, "INSERT", "inbox", "NEW.chunk = 2").await;
    let completing = Barrier::before(&stack.pool, "UPDATE", "recordings", "NEW.state = 'completed'").await;
    let id = stack.submit(&interview(), &OPTIONS).await;

    in_mid_recording.reached().await;
    stack.matchers.remove(0).kill().await;
    let committed = stack.count("SELECT next_chunk::bigint FROM recordings").await;
    assert!((1..CHUNKS).contains(&committed), "{committed} chunks were committed");
    in_mid_recording.lift().await;
    stack.start_matcher();

    completing.reached().await;
    stack.matchers.remove(0).kill().await;
    assert_eq!(stack.count("SELECT count(*) FROM speaker_embeddings").await, 0);
    assert!(stack.count("SELECT count(*) FROM turns WHERE provisional").await > 0);
    completing.lift().await;
    stack.start_matcher();
    completes_as_if_nothing_had_happened(stack, id).await;
}
