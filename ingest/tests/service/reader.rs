//! Reader: files through the decoder's process, as chunks.

use diarization::audio::Wish;
use diarization::blocks::SAMPLE_RATE;
use diarization::pcm;
use ingest::decode::reader::{Fault, Program, Reading, read};
use ingest::decode::scratch::Scratch;
use service_kit::testing::program;

fn reading(file: Scratch, max_hours: u32) -> Reading {
    let limits = decoder::Limits { memory_mib: 2048, cpu_seconds: 60 };
    let program = Program { path: program("throughline-decoder"), limits };
    read(program, file, Wish::default(), 1, max_hours)
}

/// `seconds` of a ramp as 16-bit PCM.
fn wav(seconds: u32) -> Scratch {
    let data: Vec<u8> = (0..seconds * SAMPLE_RATE).flat_map(|i| ((i % 1000) as i16).to_le_bytes()).collect();
    let file = Scratch::new().expect("a temporary file");
    let (rate, length) = (SAMPLE_RATE, data.len() as u32);
    let mut bytes = b"RIFF".to_vec();
    bytes.extend((36 + length).to_le_bytes());
    bytes.extend(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
    bytes.extend([rate.to_le_bytes(), (rate * 2).to_le_bytes()].concat());
    bytes.extend(b"\x02\0\x10\0data");
    bytes.extend(length.to_le_bytes());
    std::fs::write(file.path(), [bytes, data].concat()).expect("writes");
    file
}

#[tokio::test]
async fn a_file_comes_out_as_chunks_and_then_as_a_whole() {
    let mut reading = reading(wav(150), 24);
    let mut lengths = Vec::new();
    while let Some(chunk) = reading.chunks.recv().await {
        assert_eq!(
            (chunk.bytes.len() as u64, chunk.channels),
            (pcm::packed_len(chunk.samples as usize) as u64, 1)
        );
        lengths.push(chunk.samples);
    }
    assert_eq!(lengths.len(), 3);
    let whole = reading.whole().await.expect("is whole");
    assert_eq!((whole.samples, whole.chunks, whole.warnings.len()), (150 * 16_000, 3, 0));
    assert_eq!(whole.peaks.len(), 150 * 20);
}

#[tokio::test]
async fn a_recording_longer_than_the_limit_is_refused_with_the_limit() {
    let mut reading = reading(wav(3601), 1);
    while reading.chunks.recv().await.is_some() {}
    let Err(Fault::File(words)) = reading.whole().await else { panic!("it was taken") };
    assert!(words.contains("longer than an hour, the most"), "{words}");
}

#[tokio::test]
async fn a_file_that_claims_hours_in_a_few_bytes_is_refused_after_the_first_minutes() {
    let bomb = std::fs::read("tests/data/bomb_8khz.flac").expect("is there");
    let file = Scratch::new().expect("a temporary file");
    std::fs::write(file.path(), &bomb).expect("writes");
    let mut reading = reading(file, 24);
    let mut stored = 0;
    while let Some(chunk) = reading.chunks.recv().await {
        stored += chunk.bytes.len();
    }
    let Err(Fault::File(words)) = reading.whole().await else { panic!("it was taken") };
    assert!(words.contains("claims more than") && words.contains("no recording has"), "{words}");
    assert!(stored < 250_000_000, "{stored} bytes were cut");
}

#[tokio::test]
async fn a_reader_that_is_dropped_stops_decoding() {
    let mut reading = reading(wav(600), 24);
    let given_up = || Err(Fault::Server("decoding was given up".to_owned()));
    let thread = std::mem::replace(&mut reading.thread, tokio::spawn(async move { given_up() }));
    drop(reading);
    assert_eq!(thread.await.expect("did not panic"), given_up());
}
