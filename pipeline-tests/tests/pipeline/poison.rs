//! Poison: a chunk that kills every worker that takes it is tried five times, harms nobody else, and is done when the workers can.
//!
//! The workers here have an address space in which a chunk of one block fits and one of twenty does not. So the kernel refuses
//! what the big chunk needs, and the process aborts: a death as real as any, with no word to the broker.

use crate::{STEM, interview, interview_oracle, interview_settings};
use pipeline_tests::collector::Collector;
use pipeline_tests::command::{succeeds, throughline};
use pipeline_tests::recordings::accepted;
use pipeline_tests::{Stack, Supervisor, oracle};
use std::os::unix::process::ExitStatusExt;
use uuid::Uuid;

const UPLOADERS_TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
/// Room beside what a worker needs for chunks of one block; one of twenty needs 77 MB for its samples, twice.
const ROOM: u64 = 48 << 20;
const SIGABRT: i32 = 6;
/// One arena for all threads: what an allocator sets aside differs less from one process to the next.
const FRUGAL: [(&str, &str); 1] = [("MALLOC_ARENA_MAX", "1")];

/// The address space in which a worker has analysed a recording in chunks of one block.
async fn enough_for_one_block(stack: &mut Stack) -> u64 {
    let settings = FRUGAL.map(|(key, value)| (key, value.to_owned()));
    let worker = stack.lone_worker(&settings, None);
    stack.workers.push(worker);
    let id = stack.submit(&interview(), &[("chunk_blocks", "1")]).await;
    stack.completed(id).await;
    let mut worker = stack.workers.remove(0);
    let peak = worker.peak_address_space();
    worker.ask_to_stop();
    worker.must_stop().await;
    peak
}

async fn poisoned(stack: &Stack, allow_gaps: bool) -> Uuid {
    let mut options = vec![("labels", "interview"), ("chunk_blocks", "20")];
    options.extend(allow_gaps.then_some(("allow_gaps", "true")));
    let traceparent = format!("00-{UPLOADERS_TRACE}-b7ad6b7169203331-01");
    let upload = stack.upload(&oracle::sample("interview_20min.opus"), &options);
    accepted(upload.header("traceparent", traceparent).send().await.expect("an answer")).await
}

async fn state(stack: &Stack, id: Uuid) -> String {
    stack.recording(id).await["state"].as_str().expect("a state").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chunk_that_kills_its_worker_harms_nobody_else_and_is_done_once_workers_can() {
    let collector = Collector::start().await;
    let mut stack = Stack::start_traced(0, 1, 1, Some(collector.endpoint())).await;
    let limit = enough_for_one_block(&mut stack).await + ROOM;
    let mut workers = Supervisor::start(&mut stack, 2, &FRUGAL, Some(limit));
    let (fails, gapped) = (poisoned(&stack, false).await, poisoned(&stack, true).await);
    let options = [("labels", "interview"), ("chunk_blocks", "1")];
    let others = [stack.submit(&interview(), &options).await, stack.submit(&interview(), &options).await];

    for (id, expected) in [
        (fails, "failed"),
        (gapped, "completed_with_gaps"),
        (others[0], "completed"),
        (others[1], "completed"),
    ] {
        let what = format!("{id} is {expected}");
        workers
            .until(&mut stack, &what, async |stack| (state(stack, id).await == expected).then_some(()))
            .await;
    }
    for id in others {
        stack.must_equal(id, STEM, &interview_oracle().await).await;
    }
    // Each of the two was taken five times; and nothing else has ended a worker.
    let deaths = workers.ends();
    assert_eq!(deaths.len(), 10, "{deaths:#?}");
    for (status, words) in deaths {
        assert_eq!(status.signal(), Some(SIGABRT), "{words}");
        assert!(words.contains("memory allocation of"), "{words}");
    }
    let recording = stack.recording(fails).await;
    assert_eq!(recording["failure"], "chunk 0 could not be analysed after 5 attempts", "{recording}");
    let gaps = stack.recording(gapped).await["gaps"].clone();
    assert_eq!(gaps.as_array().map(Vec::len), Some(1), "{gaps}");
    assert_eq!(
        (gaps[0]["start_seconds"].as_f64(), gaps[0]["end_seconds"].as_f64()),
        (Some(0.0), Some(1198.8)),
        "{gaps}"
    );

    let listed = succeeds(&stack, &["dead-letters", "list"]).await;
    for id in [fails, gapped] {
        let line = listed.lines().find(|line| line.contains(&id.to_string())).expect("it is listed");
        assert!(line.contains("chunk-job.v2"), "{line}");
    }
    assert_eq!(listed.matches("chunk-job.v2").count(), 2, "{listed}");
    let query = "SELECT id FROM dead_letters WHERE recording_id = $1";
    let letter: i64 = sqlx::query_scalar(query).bind(fails).fetch_one(&stack.pool).await.expect("one letter");
    let shown = succeeds(&stack, &["dead-letters", "show", &letter.to_string()]).await;
    assert!(shown.contains(UPLOADERS_TRACE), "{shown}");
    assert!(shown.contains(&format!("recording: {fails}, run 1, chunk 0")), "{shown}");
    assert_eq!(shown.matches("  attempt ").count(), 5, "{shown}");
    assert_eq!(shown.matches("the process died or lost its connection").count(), 5, "{shown}");

    // The fix: workers that have the memory.
    workers.stop().await;
    stack.start_worker();
    let replayed = succeeds(&stack, &["dead-letters", "replay", &letter.to_string()]).await;
    assert!(replayed.contains(&format!("{letter}: replayed, recording {fails}")), "{replayed}");
    succeeds(&stack, &["dead-letters", "replay", "--recording", &gapped.to_string()]).await;
    let expected = oracle::diarize(&oracle::sample("interview_20min.opus"), interview_settings()).await;
    for id in [fails, gapped] {
        stack.recording_when(id, "completes", |it| it["state"] == "completed").await;
        stack.must_equal(id, "interview_20min", &expected).await;
    }
    assert!(succeeds(&stack, &["dead-letters", "list"]).await.contains("no dead letters"));
    let (refusal, succeeded) = throughline(&stack, &["dead-letters", "replay", &letter.to_string()]).await;
    assert!(!succeeded && refusal.contains(&format!("there is no dead letter {letter}")), "{refusal}");
    stack.stop().await;
}
