//! Erasure: whenever a recording is deleted, nothing is left of it that could bring it back: no row, file or message.

use crate::{STEM, interview, interview_oracle};
use pipeline_tests::eventually::{LOOK_EVERY, PATIENCE, eventually};
use pipeline_tests::{Barrier, Stack, remains};
use reqwest::{Method, StatusCode};
use rustix::process::Signal;
use serde_json::Value;
use service_kit::messages::{ChunkAnalysed, Message};
use std::ops::RangeInclusive;
use std::time::Instant;
use uuid::Uuid;

const OPTIONS: [(&str, &str); 2] = [("labels", "interview"), ("chunk_blocks", "1")];
const WITH_GAPS: [(&str, &str); 3] = [("labels", "interview"), ("chunk_blocks", "1"), ("allow_gaps", "true")];

/// Asks for a deletion, whose answer must be `expected`.
async fn delete(stack: &Stack, id: Uuid, expected: StatusCode) {
    let answer = stack.request(Method::DELETE, &format!("/{id}")).send().await.expect("an answer");
    assert_eq!(answer.status(), expected);
    let gone = stack.request(Method::GET, &format!("/{id}")).send().await.expect("an answer");
    assert_eq!(gone.status(), StatusCode::NOT_FOUND);
}

/// Deletes a recording of which a service holds a row, and lets that service go on once the deletion waits for it.
async fn delete_at(stack: &Stack, id: Uuid, barrier: Barrier) {
    barrier.reached().await;
    let deleting = tokio::spawn(stack.request(Method::DELETE, &format!("/{id}")).send());
    eventually("the deletion waits for the row, or is done", async || {
        let waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
                       AND wait_event_type = 'Lock' AND query LIKE 'DELETE FROM recordings%'";
        (stack.count(waiting).await > 0 || deleting.is_finished()).then_some(())
    })
    .await;
    barrier.lift().await;
    let answer = deleting.await.expect("no panic").expect("an answer");
    assert_eq!(answer.status(), StatusCode::NO_CONTENT);
}

/// Has the later look of every erasure made as soon as the first has found nothing, and waits until nothing of the recording is in
/// the database or in a file.
async fn nothing_is_left(stack: &Stack, id: Uuid) {
    eventually("the erasure is finished", async || {
        sqlx::query("UPDATE erasures SET due_at = now() WHERE emptied_at IS NOT NULL")
            .execute(&stack.pool)
            .await
            .expect("hastens");
        (stack.count("SELECT count(*) FROM erasures").await == 0).then_some(())
    })
    .await;
    let started = Instant::now();
    loop {
        let (rows, files) = (remains::rows(stack, id).await, remains::files(stack, id));
        if rows.is_empty() && files.is_empty() {
            break;
        }
        assert!(started.elapsed() < PATIENCE, "of {id} there still are {rows:?} {files:?}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Stops everything and panics if anything is left of any of `ids`, on a queue too.
async fn nothing_is_left_anywhere(mut stack: Stack, ids: &[Uuid]) {
    stack.stop_services().await;
    let left = remains::messages(&stack).await;
    assert!(left.is_empty(), "messages are left: {left:?}");
    for &id in ids {
        let (rows, files) = (remains::rows(&stack, id).await, remains::files(&stack, id));
        assert!(rows.is_empty() && files.is_empty(), "{id}: {rows:?} {files:?}");
    }
    stack.stop().await;
}

/// Waits until so many chunk jobs are with the broker: a chunk that is cut still waits for its turn, then in the outbox.
async fn jobs_are_sent(stack: &Stack, jobs: i64) {
    eventually("the jobs are sent", async || {
        let released = stack.count("SELECT count(*) FROM chunks WHERE released_at IS NOT NULL").await;
        (released == jobs && stack.count("SELECT count(*) FROM outbox").await == 0).then_some(())
    })
    .await;
}

/// Stops everything; nothing but so many jobs that nobody took is on a queue.
async fn nothing_is_left_anywhere_but_jobs(mut stack: Stack, jobs: RangeInclusive<usize>) {
    stack.stop_services().await;
    let waiting = remains::messages(&stack).await;
    assert!(jobs.contains(&waiting.len()), "{} of {jobs:?}: {waiting:?}", waiting.len());
    for job in &waiting {
        // Nothing to bring it back from: ids, and the name of an object that is gone.
        assert!(job.kind != ChunkAnalysed::TYPE && job.body.len() < 400, "{job:?}");
    }
    stack.stop().await;
}

/// One more recording, to know that the services have passed by what was left of those before it, and are well.
async fn another_completes(stack: &mut Stack) -> Uuid {
    let id = stack.submit(&interview(), &OPTIONS).await;
    stack.completed(id).await;
    stack.must_equal(id, STEM, &interview_oracle().await).await;
    delete(stack, id, StatusCode::NO_CONTENT).await;
    nothing_is_left(stack, id).await;
    id
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_deleted_at_any_step_of_its_way_leaves_nothing() {
    let mut stack = Stack::start(1, 1, 1).await;
    let mut ids = Vec::new();
    for (event, table, condition) in [
        ("UPDATE", "recordings", "OLD.state = 'queued' AND NEW.state = 'processing'"),
        ("INSERT", "chunks", "NEW.chunk = 2"),
        ("UPDATE", "recordings", "OLD.chunk_count IS NULL AND NEW.chunk_count IS NOT NULL"),
        ("INSERT", "inbox", "NEW.chunk = 1"),
        ("UPDATE", "recordings", "NEW.next_chunk = 1 AND OLD.next_chunk = 0"),
        ("UPDATE", "recordings", "NEW.state = 'completed'"),
        ("INSERT", "speaker_embeddings", "true"),
    ] {
        let barrier = Barrier::before(&stack.pool, event, table, condition).await;
        let id = stack.submit(&interview(), &OPTIONS).await;
        delete_at(&stack, id, barrier).await;
        nothing_is_left(&stack, id).await;
        ids.push(id);
    }
    ids.push(another_completes(&mut stack).await);
    nothing_is_left_anywhere(stack, &ids).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_deleted_while_a_worker_has_its_voice_in_hand_leaves_nothing() {
    let mut stack = Stack::start(1, 1, 1).await;
    let id = stack.submit(&interview(), &OPTIONS).await;
    // Held in the middle of an inference, with the samples of a chunk.
    stack.workers[0].logged("chunk taken").await;
    stack.workers[0].signal(Signal::STOP);
    delete(&stack, id, StatusCode::NO_CONTENT).await;
    let taken = || stack.workers[0].log().matches("chunk analysed").count();
    let before = taken();
    stack.workers[0].signal(Signal::CONT);
    eventually("the worker ends what it had in hand, and it is published", async || {
        (taken() > before).then_some(())
    })
    .await;
    nothing_is_left(&stack, id).await;
    let next = another_completes(&mut stack).await;
    nothing_is_left_anywhere(stack, &[id, next]).await;
}

/// A recording whose chunk 1 is damaged: it is gone from the store when the worker comes to it.
async fn without_a_chunk(stack: &mut Stack, options: &[(&str, &str)]) -> Value {
    stack.workers[0].signal(Signal::STOP);
    let id = stack.submit(&interview(), options).await;
    stack.recording_when(id, "is decoded", |it| it["chunks"]["total"] == 4).await;
    std::fs::remove_file(stack.store().join(format!("recordings/{id}/runs/1/chunks/1"))).expect("is there");
    stack.workers[0].signal(Signal::CONT);
    let ended = ["completed_with_gaps", "failed"];
    stack
        .recording_when(id, "ends", |it| it["state"].as_str().is_some_and(|state| ended.contains(&state)))
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_with_dead_letters_or_gaps_or_a_second_run_leaves_nothing() {
    let mut stack = Stack::start(1, 1, 1).await;
    let id = |it: &Value| it["id"].as_str().and_then(|id| id.parse().ok()).expect("an id");
    let failed = without_a_chunk(&mut stack, &OPTIONS).await;
    assert_eq!(failed["state"], "failed", "{failed}");
    let gapped = without_a_chunk(&mut stack, &WITH_GAPS).await;
    assert_eq!(gapped["state"], "completed_with_gaps", "{gapped}");
    assert_eq!(stack.count("SELECT count(*) FROM dead_letters").await, 2);
    let ids: [Uuid; 2] = [id(&failed), id(&gapped)];

    // The one that failed is in its second run when it is deleted.
    let barrier = Barrier::before(&stack.pool, "INSERT", "chunks", "NEW.chunk = 2").await;
    let again =
        stack.request(Method::POST, &format!("/{}/reprocess", ids[0])).send().await.expect("an answer");
    assert_eq!(again.status(), StatusCode::ACCEPTED);
    delete_at(&stack, ids[0], barrier).await;
    delete(&stack, ids[1], StatusCode::NO_CONTENT).await;
    for id in ids {
        nothing_is_left(&stack, id).await;
    }
    let next = another_completes(&mut stack).await;
    nothing_is_left_anywhere(stack, &[ids[0], ids[1], next]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_that_no_worker_takes_hold_no_voice_and_go_when_one_comes() {
    let stack = Stack::start(0, 1, 1).await;
    let id = stack.submit(&interview(), &OPTIONS).await;
    jobs_are_sent(&stack, 4).await;
    delete(&stack, id, StatusCode::NO_CONTENT).await;
    nothing_is_left(&stack, id).await;
    nothing_is_left_anywhere_but_jobs(stack, 4..=4).await;

    // The same with a worker that comes afterwards.
    let mut stack = Stack::start(0, 1, 1).await;
    let id = stack.submit(&interview(), &OPTIONS).await;
    stack.recording_when(id, "is decoded", |it| it["chunks"]["total"] == 4).await;
    delete(&stack, id, StatusCode::NO_CONTENT).await;
    stack.start_worker();
    let next = another_completes(&mut stack).await;
    nothing_is_left(&stack, id).await;
    nothing_is_left_anywhere(stack, &[id, next]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_analysis_that_comes_after_the_deletion_is_thrown_away_by_the_next_matcher() {
    let mut stack = Stack::start(1, 0, 0).await;
    // What no matcher has read counts as in hand, and would hold the others back.
    stack.set(&[("THROUGHLINE_CHUNKS_QUEUED", "10")]);
    stack.start_ingest().await;
    let id = stack.submit(&interview(), &OPTIONS).await;
    for _ in 0..4 {
        let taken = || stack.workers[0].log().matches("chunk analysed").count();
        eventually("all chunks are analysed", async || (taken() == 4).then_some(())).await;
    }
    // Four analyses with voice vectors lie on the matcher's queue, and nobody takes them.
    delete(&stack, id, StatusCode::NO_CONTENT).await;
    nothing_is_left(&stack, id).await;
    stack.start_matcher();
    let next = another_completes(&mut stack).await;
    stack.stop_services().await;
    let left = remains::messages(&stack).await;
    assert!(!left.iter().any(|message| message.kind == ChunkAnalysed::TYPE), "{left:?}");
    nothing_is_left_anywhere(stack, &[id, next]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_between_rows_and_objects_is_finished_by_the_next_ingest() {
    let mut stack = Stack::start(1, 1, 1).await;
    let id = stack.submit(&interview(), &OPTIONS).await;
    stack.completed(id).await;
    let between = Barrier::before(&stack.pool, "UPDATE", "erasures", "true").await;
    let asking = tokio::spawn(stack.request(Method::DELETE, &format!("/{id}")).send());
    between.reached().await;
    stack.ingests.remove(0).kill().await;
    assert!(asking.await.expect("no panic").is_err(), "it was answered");
    between.lift().await;
    assert_eq!(stack.count("SELECT count(*) FROM recordings").await, 0);
    assert_eq!(stack.objects().len(), 5, "it was killed too late: {:?}", stack.objects());

    stack.start_ingest().await;
    nothing_is_left(&stack, id).await;
    nothing_is_left_anywhere(stack, &[id]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decoder_that_is_killed_leaves_no_voice_in_the_temporary_folder() {
    let mut stack = Stack::start(0, 0, 1).await;
    let barrier = Barrier::before(&stack.pool, "INSERT", "chunks", "NEW.chunk = 2").await;
    let id = stack.submit(&interview(), &OPTIONS).await;
    barrier.reached().await;
    stack.ingests.remove(0).kill().await;
    let left: Vec<_> = std::fs::read_dir(stack.temporary()).expect("the folder").collect();
    assert!(left.is_empty(), "{left:?}");
    barrier.lift().await;
    stack.start_ingest().await;
    delete(&stack, id, StatusCode::NO_CONTENT).await;
    nothing_is_left(&stack, id).await;
    // How many were sent is open: the first two or none before the barrier, all if the next ingest is told late.
    nothing_is_left_anywhere_but_jobs(stack, 0..=4).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_away_or_not_mounted_delays_an_erasure_and_what_is_stored_late_goes_too() {
    let mut stack = Stack::start(1, 1, 1).await;
    let mut ids = Vec::new();
    let (store, away) = (stack.store(), stack.folder().join("away"));
    for broken in [true, false] {
        let id = stack.submit(&interview(), &OPTIONS).await;
        stack.completed(id).await;
        std::fs::rename(&store, &away).expect("moves");
        if broken {
            std::fs::write(&store, b"no folder").expect("writes");
        } else {
            // As a volume that is not mounted looks.
            std::fs::create_dir(&store).expect("makes it");
        }
        delete(&stack, id, StatusCode::ACCEPTED).await;
        assert_eq!(remains::rows(&stack, id).await, ["public.erasures: 1"]);
        // Asked again, it tries again.
        let again = stack.request(Method::DELETE, &format!("/{id}")).send().await.expect("an answer");
        assert_eq!(again.status(), StatusCode::ACCEPTED);
        if broken { std::fs::remove_file(&store) } else { std::fs::remove_dir_all(&store) }.expect("removes");
        std::fs::rename(&away, &store).expect("moves back");
        assert!(!remains::files(&stack, id).is_empty());
        eventually("it is erased", async || {
            let emptied = "SELECT count(*) FROM erasures WHERE emptied_at IS NOT NULL";
            (stack.count(emptied).await == 1).then_some(())
        })
        .await;
        assert!(remains::files(&stack, id).is_empty());
        // By a decoder that had not noticed, and died.
        let late = store.join(format!("recordings/{id}/runs/1/chunks"));
        std::fs::create_dir_all(&late).expect("makes it");
        for name in ["7", "8#1"] {
            std::fs::write(late.join(name), b"voice").expect("writes");
        }
        nothing_is_left(&stack, id).await;
        ids.push(id);
    }
    nothing_is_left_anywhere(stack, &ids).await;
}
