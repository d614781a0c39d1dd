//! Decoding: uploads become chunks and jobs, once each, whatever is delivered twice.

use crate::stack::{Stack, interview, interview_path};
use diarization::blocks::Chunk;
use diarization::pcm;
use service_kit::messages::{ChunkJob, DecodeJob, RecordingDecoded};
use service_kit::topology;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

/// The samples as the in-process pipeline has them.
fn samples() -> Vec<f32> {
    let mut stream = diarization::audio::open(&interview_path()).expect("opens");
    let mut samples = Vec::new();
    while let Some(part) = stream.next_samples().expect("decodes") {
        samples.extend(part);
    }
    samples.chunks_mut(pcm::STRETCH).for_each(pcm::round);
    samples
}

fn bytes_of(samples: &[f32]) -> Vec<u8> {
    let mut bytes = Vec::new();
    pcm::pack(samples, &mut bytes);
    bytes
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_becomes_chunks_and_a_job_for_each() {
    let stack = Stack::start(&[]).await;
    let accepted = stack.upload("?chunk_blocks=1", interview()).await;
    let id = accepted["id"].as_str().expect("an id");
    let recording = stack.decoded(id).await;
    assert_eq!(recording["chunks"]["total"], 4);
    assert_eq!(recording["state"], "processing");

    let whole = samples();
    assert_eq!(recording["duration_seconds"].as_f64(), Some((whole.len() as f64 / 16.0).round() / 1000.0));
    let version = recording["model_version"].as_str().expect("a version");
    let mut jobs: Vec<ChunkJob> =
        stack.drain(&topology::chunk_queue(version, diarization::analysis::CONFIGURATION)).await;
    jobs.sort_by_key(|job| job.chunk);
    assert_eq!(jobs.iter().map(|job| job.chunk).collect::<Vec<_>>(), [0, 1, 2, 3]);
    for job in &jobs {
        let range = Chunk::nth(job.chunk as usize, 1).sample_range();
        let expected = &whole[range.start..range.end.min(whole.len())];
        assert_eq!((job.first_block, job.blocks, job.run), (job.chunk, 1, 1));
        assert_eq!(job.samples, expected.len() as u64);
        assert_eq!(
            (&*job.model_version, &*job.configuration),
            (version, diarization::analysis::CONFIGURATION)
        );
        assert_eq!(job.object, format!("recordings/{id}/runs/1/chunks/{}", job.chunk));
        let stored = std::fs::read(stack.object(&job.object)).expect("is stored");
        assert!(stored == bytes_of(expected), "chunk {} holds other samples", job.chunk);
    }
    let told: Vec<RecordingDecoded> = stack.drain(topology::MATCH).await;
    assert_eq!(told.len(), 1);
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn decoding_twice_orders_nothing_twice() {
    let stack = Stack::start(&[]).await;
    let accepted = stack.upload("?chunk_blocks=2", interview()).await;
    let id = accepted["id"].as_str().expect("an id");
    stack.decoded(id).await;
    let job = DecodeJob { recording: id.parse().expect("an id"), run: 1 };

    // A duplicate after the end.
    stack.publish(topology::DECODE, &job).await;
    // One that takes over from a process that died between the last chunk and the end.
    sqlx::query("UPDATE recordings SET chunk_count = NULL").execute(&stack.pool).await.expect("updates");
    stack.publish(topology::DECODE, &job).await;
    let recording = stack.decoded(id).await;

    assert_eq!(recording["chunks"]["total"], 2);
    let version = recording["model_version"].as_str().expect("a version");
    let jobs: Vec<ChunkJob> =
        stack.drain(&topology::chunk_queue(version, diarization::analysis::CONFIGURATION)).await;
    assert_eq!(jobs.len(), 2);
    assert_eq!(stack.count("SELECT count(*) FROM chunks").await, 2);
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_takeover_orders_just_what_is_missing() {
    let stack = Stack::start(&[]).await;
    let accepted = stack.upload("?chunk_blocks=1", interview()).await;
    let id = accepted["id"].as_str().expect("an id");
    let version = stack.decoded(id).await["model_version"].as_str().expect("a version").to_owned();
    stack.drain::<ChunkJob>(&topology::chunk_queue(&version, diarization::analysis::CONFIGURATION)).await;

    sqlx::query("UPDATE recordings SET chunk_count = NULL").execute(&stack.pool).await.expect("updates");
    sqlx::query("DELETE FROM chunks WHERE chunk >= 2").execute(&stack.pool).await.expect("deletes");
    stack.publish(topology::DECODE, &DecodeJob { recording: id.parse().expect("an id"), run: 1 }).await;
    stack.decoded(id).await;
    let jobs: Vec<ChunkJob> =
        stack.drain(&topology::chunk_queue(&version, diarization::analysis::CONFIGURATION)).await;
    assert_eq!(jobs.iter().map(|job| job.chunk).collect::<Vec<_>>(), [2, 3]);
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_file_that_calls_itself_audio_fails_with_the_reason() {
    let stack = Stack::start(&[]).await;
    let accepted = stack.upload("?file_name=notes.wav", b"Dear diary, nothing happened.\n".repeat(40)).await;
    let id = accepted["id"].as_str().expect("an id");
    let recording = stack.recording_when(id, |r| r["state"] == "failed").await;
    let failure = recording["failure"].as_str().expect("a reason");
    assert!(failure.contains("no audio was recognised") && !failure.contains('/'), "{failure}");
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_of_an_older_run_or_of_a_deleted_recording_changes_nothing() {
    let stack = Stack::start(&[]).await;
    let accepted = stack.upload("", interview()).await;
    let id = accepted["id"].as_str().expect("an id");
    stack.decoded(id).await;
    let stale = DecodeJob { recording: id.parse().expect("an id"), run: 0 };
    let unknown = DecodeJob { recording: uuid::Uuid::now_v7(), run: 1 };
    // What a crash between chunk and row leaves of a recording that was deleted meanwhile.
    let leftover = stack.object(&format!("recordings/{}/runs/1/chunks/0", unknown.recording));
    std::fs::create_dir_all(leftover.parent().expect("a folder")).expect("makes it");
    std::fs::write(&leftover, b"voice").expect("writes");
    let before = stack.recording(id).await;
    stack.publish(topology::DECODE, &stale).await;
    stack.publish(topology::DECODE, &unknown).await;
    stack.files_become(2).await;
    stack.consumed(topology::DECODE).await;
    assert_eq!(stack.recording(id).await, before);
    assert!(!leftover.exists());
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_crashes_its_decoder_fails_and_the_api_goes_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let crashes = folder.path().join("decoder");
    std::fs::write(&crashes, "#!/bin/sh\nkill -SEGV $$\n").expect("writes");
    std::fs::set_permissions(&crashes, Permissions::from_mode(0o755)).expect("makes it a program");
    let stack = Stack::start(&[&format!("--decoder={}", crashes.display())]).await;
    for _ in 0..2 {
        let accepted = stack.upload("", interview()).await;
        let id = accepted["id"].as_str().expect("an id");
        let recording = stack.recording_when(id, |r| r["state"] == "failed").await;
        let failure = recording["failure"].as_str().expect("a reason");
        assert!(failure.contains("the decoder broke on it; convert it"), "{failure}");
    }
    assert_eq!(stack.get("/healthz").send().await.expect("answers").status(), 200);
    stack.stop().await;
}
