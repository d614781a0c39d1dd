//! Takeover: the real program is killed while it decodes, and another process ends what it began.

use crate::stack::{Stack, model_version};
use service_kit::messages::{ChunkJob, RecordingDecoded};
use service_kit::topology;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// The program, killed when the test ends however it ends.
struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_killed_while_it_decodes_is_taken_over() {
    // Takes the upload but not the job, for which it would need the broker.
    let stack = Stack::start_without_broker().await;
    let program = Command::new(env!("CARGO_BIN_EXE_throughline-ingest"))
        .args(&stack.arguments()[1..])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("starts");
    let program = Program(program);
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/samples/interview_20min.opus");
    let bytes = std::fs::read(sample).expect("deploy/samples is there");
    let accepted = stack.upload("?chunk_blocks=1", bytes).await;
    let id = accepted["id"].as_str().expect("an id");
    stack.count_when("SELECT count(*) FROM chunks", |chunks| chunks >= 2).await;
    drop(program);
    assert!(
        stack.recording(id).await["chunks"]["total"].is_null(),
        "it was killed too late to be taken over"
    );

    let heir = stack.another().await;
    let recording = stack.decoded(id).await;
    let total = recording["chunks"]["total"].as_u64().expect("a number");
    let jobs: Vec<ChunkJob> =
        stack.drain(&topology::chunk_queue(&model_version(), diarization::analysis::CONFIGURATION)).await;
    let chunks: BTreeSet<u64> = jobs.iter().map(|job| u64::from(job.chunk)).collect();
    assert_eq!(chunks, (0..total).collect());
    // No chunk is ordered again; jobs confirmed but not yet deleted when the process died may be sent again.
    assert!(total > 15, "{total} chunks");
    assert_eq!(stack.count("SELECT count(*) FROM chunks").await, total as i64);
    assert_eq!(stack.drain::<RecordingDecoded>(topology::MATCH).await.len(), 1);
    heir.stop().await;
    stack.stop().await;
}
