//! Turns: a few chunks of each recording are on the broker at a time, and a new recording's first one is next.

use crate::callers::tokens;
use crate::stack::{Stack, interview, model_version};
use diarization::analysis::CONFIGURATION;
use reqwest::StatusCode;
use serde_json::Value;
use service_kit::messages::ChunkJob;
use service_kit::topology;
use std::collections::BTreeMap;
use std::path::Path;

fn queue() -> String {
    topology::chunk_queue(&model_version(), CONFIGURATION)
}

fn long() -> Vec<u8> {
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/samples/interview_20min.opus");
    std::fs::read(sample).expect("deploy/samples is there")
}

fn id(accepted: &Value) -> String {
    accepted["id"].as_str().expect("an id").to_owned()
}

/// A worker has analysed the chunk of `job`, and nobody has matched it yet.
async fn analysed(stack: &Stack, job: &ChunkJob) {
    sqlx::query("INSERT INTO inbox (recording_id, chunk, model_version, configuration, analysis) VALUES ($1, $2, $3, $4, '')")
        .bind(job.recording)
        .bind(job.chunk as i32)
        .bind(&job.model_version)
        .bind(&job.configuration)
        .execute(&stack.pool)
        .await
        .expect("inserts");
}

/// The jobs that are on the queue next, in their order.
async fn next(stack: &Stack, count: usize) -> Vec<ChunkJob> {
    let mut jobs = Vec::new();
    topology::declare(&stack.channel().await, &queue()).await.expect("declares");
    for _ in 0..600 {
        jobs.extend(stack.drain::<ChunkJob>(&queue()).await);
        if jobs.len() >= count {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(jobs.len(), count, "{jobs:?}");
    jobs
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_recording_is_next_however_many_chunks_of_others_wait() {
    let stack = Stack::start(&["--chunks-queued=3", "--chunks-ahead=100"]).await;
    let before = id(&stack.upload("?chunk_blocks=1", long()).await);
    let first = next(&stack, 3).await;
    assert!(first.iter().all(|job| job.recording.to_string() == before));
    stack.recording_when(&before, |r| r["chunks"]["total"].is_number()).await;
    let new = id(&stack.upload("?chunk_blocks=1", interview()).await);
    stack.recording_when(&new, |r| r["chunks"]["total"].is_number()).await;
    assert_eq!(stack.drain::<ChunkJob>(&queue()).await.len(), 0, "there is no room");
    analysed(&stack, &first[0]).await;
    let second = next(&stack, 1).await;
    assert_eq!((second[0].recording.to_string(), second[0].chunk), (new.clone(), 0));
    // Then they take turns.
    let mut of_each: BTreeMap<String, u32> = BTreeMap::new();
    let mut out = vec![first[1].clone(), first[2].clone(), second[0].clone()];
    for _ in 0..6 {
        analysed(&stack, &out.remove(0)).await;
        let job = next(&stack, 1).await.remove(0);
        *of_each.entry(job.recording.to_string()).or_default() += 1;
        out.push(job);
    }
    assert_eq!((of_each[&before], of_each[&new]), (3, 3));
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bulk_recordings_let_others_go_first() {
    let stack = Stack::start(&["--chunks-queued=1", "--chunks-ahead=100"]).await;
    let bulk = id(&stack.upload("?chunk_blocks=1&priority=bulk", long()).await);
    let mut out = next(&stack, 1).await;
    let soon = id(&stack.upload("?chunk_blocks=1&priority=interactive", long()).await);
    for recording in [&bulk, &soon] {
        stack.recording_when(recording, |r| r["chunks"]["total"].is_number()).await;
    }
    assert_eq!(stack.recording(&bulk).await["settings"]["priority"], "bulk");
    let mut of_each: BTreeMap<String, u32> = BTreeMap::new();
    for _ in 0..9 {
        analysed(&stack, &out[0]).await;
        out = next(&stack, 1).await;
        *of_each.entry(out[0].recording.to_string()).or_default() += 1;
    }
    assert_eq!((of_each.get(&bulk), of_each.get(&soon)), (Some(&1), Some(&8)), "{of_each:?}");
    let refused =
        stack.post("/v1/recordings?priority=urgent").body(interview()).send().await.expect("answers");
    assert_eq!(refused.status(), StatusCode::BAD_REQUEST);
    stack.stop().await;
}

/// Has all that is on the queue analysed, until `recording` is decoded; the chunks of its jobs, and the most chunks that were stored and
/// not analysed.
async fn analyse_all(stack: &Stack, recording: &str) -> (Vec<u32>, i64) {
    let (mut chunks, mut most) = (Vec::new(), 0);
    let undone = "SELECT (SELECT count(*) FROM chunks) - (SELECT count(*) FROM inbox)";
    loop {
        most = most.max(stack.count(undone).await);
        for job in stack.drain::<ChunkJob>(&queue()).await {
            analysed(stack, &job).await;
            chunks.push(job.chunk);
        }
        let total = stack.recording(recording).await["chunks"]["total"].as_u64();
        if total.is_some_and(|total| chunks.len() as u64 >= total) {
            return (chunks, most);
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn decoding_goes_only_so_far_ahead_of_the_workers_and_then_on() {
    for held in ["--held-decodings=0", "--held-decodings=2"] {
        let stack = Stack::start(&["--chunks-queued=1", "--chunks-ahead=4", held]).await;
        let recording = id(&stack.upload("?chunk_blocks=1", long()).await);
        stack.count_when("SELECT count(*) FROM chunks", |chunks| chunks == 4).await;
        // Another one is decoded meanwhile.
        let other = id(&stack.upload("?chunk_blocks=5", interview()).await);
        stack.recording_when(&other, |r| r["chunks"]["total"].is_number()).await;
        let ahead = format!("SELECT count(*) FROM chunks WHERE recording_id = '{recording}'");
        assert_eq!(stack.count(Box::leak(ahead.into_boxed_str())).await, 4);
        let deleted = stack.http.delete(stack.url(&format!("/v1/recordings/{other}"))).send().await;
        assert!(deleted.expect("answers").status().is_success());

        let (mut chunks, most) = analyse_all(&stack, &recording).await;
        chunks.sort_unstable();
        assert!(most <= 5, "{most} chunks were cut ahead");
        assert_eq!(chunks, (0..chunks.len() as u32).collect::<Vec<_>>(), "each once");
        assert!(chunks.len() > 15);
        stack.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn past_the_hours_that_may_be_undone_uploads_are_refused() {
    let stack = Stack::start(&["--max-undone-hours=1"]).await;
    for _ in 0..3 {
        let recording = id(&stack.upload("", long()).await);
        stack.recording_when(&recording, |r| r["chunks"]["total"].is_number()).await;
    }
    let refused = stack.post("/v1/recordings").body(interview()).send().await.expect("answers");
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    let problem: Value = refused.json().await.expect("is JSON");
    assert_eq!(problem["type"], "urn:throughline:problem:backlog");
    let detail = problem["detail"].as_str().expect("text");
    assert!(
        detail.contains("hours of audio are still to be analysed") && detail.contains("past 1"),
        "{detail}"
    );
    // What is done no longer counts.
    sqlx::query("UPDATE recordings SET state = 'cancelled'").execute(&stack.pool).await.expect("cancels");
    stack.upload("", interview()).await;
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_who_has_used_up_a_share_is_refused_and_others_are_not() {
    let file = tokens(&[("ann", ""), ("bob", "")]);
    let tokens = format!("--api-tokens-file={}", file.path().display());
    let stack = Stack::start(&["--max-undone-hours-per-caller=1", &tokens]).await;
    let send = async |caller: &str, body: Vec<u8>| {
        stack.post("/v1/recordings").bearer_auth(caller).body(body).send().await.expect("answers")
    };
    for _ in 0..3 {
        assert_eq!(send("ann", long()).await.status(), StatusCode::ACCEPTED);
    }
    stack
        .count_when("SELECT count(*) FROM recordings WHERE samples IS NOT NULL", |decoded| decoded == 3)
        .await;
    let refused = send("ann", interview()).await;
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    let problem: Value = refused.json().await.expect("is JSON");
    let detail = problem["detail"].as_str().expect("text");
    assert!(detail.contains("sent with your token") && detail.contains("past 1"), "{detail}");
    assert_eq!(send("bob", interview()).await.status(), StatusCode::ACCEPTED);
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_claim_more_sound_than_their_bytes_can_hold_are_refused() {
    let stack = Stack::start(&["--chunks-queued=1", "--chunks-ahead=4", "--held-decodings=0"]).await;
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let bomb = std::fs::read(data.join("bomb_1khz.flac")).expect("is there");
    let refused = id(&stack.upload("", bomb).await);
    let failed = stack.recording_when(&refused, |r| r["state"] == "failed").await;
    let why = failed["failure"].as_str().expect("a reason");
    assert!(why.contains("1000 Hz") && why.contains("4000"), "{why}");
    assert_eq!(stack.count("SELECT count(*) FROM chunks").await, 0);

    // One that might be honest costs no more than may be ahead.
    let bomb = std::fs::read(data.join("bomb_8khz.flac")).expect("is there");
    stack.upload("?chunk_blocks=1", bomb).await;
    stack.count_when("SELECT count(*) FROM chunks", |chunks| chunks >= 4).await;
    stack
        .count_when("SELECT count(*) FROM recordings WHERE decode_ordered_at IS NULL", |parked| parked == 1)
        .await;
    let stored = "SELECT sum(samples)::bigint FROM chunks";
    assert!(stack.count(stored).await < 5 * 70 * 16_000);
    stack.stop().await;
}
