//! Results: chunking, the number of workers and company change nothing.

use crate::{STEM, interview, interview_oracle};
use diarization::audio;
use diarization::blocks::SAMPLE_RATE;
use diarization::diarize::Settings;
use diarization::hints::Hints;
use diarization::installation;
use diarization::manifest::Manifest;
use pipeline_tests::{Stack, oracle};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// The check that operators were first given.
const OPERATORS_CHECK: &str = "
    SELECT r.title, se.speaker_label, array_length(se.embedding_vector::real[], 1) AS embedding_dims
    FROM speaker_embeddings se JOIN recordings r ON r.id = se.recording_id
    ORDER BY r.created_at DESC LIMIT 10;";

async fn equals_the_oracle(workers: usize, chunk_blocks: usize) {
    let mut stack = Stack::start(workers, 1, 1).await;
    let blocks = chunk_blocks.to_string();
    let options = [("labels", "interview"), ("chunk_blocks", blocks.as_str()), ("title", "The interview")];
    let id = stack.submit(&interview(), &options).await;
    let recording = stack.completed(id).await;
    assert_eq!(recording["chunks"]["total"], 4_usize.div_ceil(chunk_blocks));
    assert_eq!((recording["failure"].is_null(), recording["warnings"].to_string()), (true, "[]".to_owned()));
    stack.must_equal(id, STEM, &interview_oracle().await).await;
    let mut rows: Vec<(String, String, i32)> =
        sqlx::query_as(OPERATORS_CHECK).fetch_all(&stack.pool).await.expect("the operators' check runs");
    rows.sort();
    let manifest = Manifest::read(&installation::models()).expect("the models are there");
    let dimension = manifest.dimension() as i32;
    let row = |label: &str| ("The interview".to_owned(), label.to_owned(), dimension);
    assert_eq!(rows, [row("Interviewer"), row("Respondent")]);
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_worker_with_chunks_of_one_block_gives_what_one_process_gives() {
    equals_the_oracle(1, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_workers_with_chunks_of_two_blocks_give_what_one_process_gives() {
    equals_the_oracle(2, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn four_workers_with_chunks_of_one_block_give_what_one_process_gives() {
    equals_the_oracle(4, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_workers_with_one_chunk_of_four_blocks_give_what_one_process_gives() {
    equals_the_oracle(2, 4).await;
}

/// Another recording: a hundred seconds from the middle of the interview as 16-bit PCM.
fn excerpt(folder: &Path) -> PathBuf {
    let mut stream = audio::open(&interview()).expect("opens");
    let mut samples = Vec::new();
    while let Some(part) = stream.next_samples().expect("decodes") {
        samples.extend(part);
    }
    let rate = SAMPLE_RATE as usize;
    let data: Vec<u8> = samples[60 * rate..160 * rate]
        .iter()
        .flat_map(|sample| ((sample * 32_767.0) as i16).to_le_bytes())
        .collect();
    let mut wav = b"RIFF".to_vec();
    wav.extend((36 + data.len() as u32).to_le_bytes());
    wav.extend(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
    wav.extend([SAMPLE_RATE.to_le_bytes(), (SAMPLE_RATE * 2).to_le_bytes()].concat());
    wav.extend(b"\x02\0\x10\0data");
    wav.extend((data.len() as u32).to_le_bytes());
    wav.extend(data);
    let path = folder.join("excerpt.wav");
    std::fs::write(&path, wav).expect("writes");
    path
}

#[tokio::test(flavor = "multi_thread")]
async fn two_recordings_at_the_same_time_do_not_touch_each_other() {
    let folder = TempDir::new().expect("a folder");
    let excerpt = excerpt(folder.path());
    // Two matchers and two ingests, so that each may have both recordings in hand.
    let mut stack = Stack::start(2, 2, 2).await;
    let interview = interview();
    let (one, other) = tokio::join!(
        stack.submit(&interview, &[("labels", "interview"), ("chunk_blocks", "1")]),
        stack.submit(&excerpt, &[("num_speakers", "2"), ("chunk_blocks", "1")]),
    );
    stack.completed(one).await;
    stack.completed(other).await;
    stack.must_equal(one, STEM, &interview_oracle().await).await;
    let hints = Hints::new(Some(2), None, None, Default::default()).expect("hints");
    let expected = oracle::diarize(&excerpt, Settings { hints, ..Settings::default() }).await;
    assert_eq!(expected.speakers.len(), 2);
    stack.must_equal(other, "excerpt", &expected).await;
    stack.stop().await;
}
