//! Stopping: a service that is asked to stop finishes what is in hand and ends well, and nothing is lost by it.

use crate::{STEM, interview, interview_oracle};
use pipeline_tests::{Barrier, Process, Stack};

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
