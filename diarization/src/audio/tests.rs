//! Tests of the stream as a whole on files made here.

use std::io::Write;

use super::*;

/// A 32-bit float WAV in a temporary file.
fn wav(rate: u32, channels: u16, samples: &[f32]) -> tempfile::NamedTempFile {
    let data = samples.len() as u32 * 4;
    let mut bytes = Vec::new();
    bytes.extend_from_slice(b"RIFF");
    bytes.extend_from_slice(&(36 + data).to_le_bytes());
    bytes.extend_from_slice(b"WAVEfmt \x10\0\0\0\x03\0");
    bytes.extend_from_slice(&channels.to_le_bytes());
    bytes.extend_from_slice(&rate.to_le_bytes());
    bytes.extend_from_slice(&(rate * u32::from(channels) * 4).to_le_bytes());
    bytes.extend_from_slice(&(channels * 4).to_le_bytes());
    bytes.extend_from_slice(b"\x20\0data");
    bytes.extend_from_slice(&data.to_le_bytes());
    bytes.extend(samples.iter().flat_map(|x| x.to_le_bytes()));
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    file.write_all(&bytes).expect("writing it");
    file
}

fn read(path: &Path) -> (Vec<f32>, Vec<String>) {
    let mut stream = open(path).expect("it opens");
    let mut all = Vec::new();
    while let Some(samples) = stream.next_samples().expect("it reads") {
        assert!(!samples.is_empty() && samples.len() <= CHUNK);
        all.extend(samples);
    }
    (all, stream.warnings().to_vec())
}

#[test]
fn samples_that_are_not_numbers_become_silence_and_are_reported() {
    let file = wav(16_000, 1, &[0.5, f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -0.5]);
    let (samples, warnings) = read(file.path());
    assert_eq!(samples, [0.5, 0.0, 0.0, 0.0, -0.5]);
    assert!(warnings.len() == 1 && warnings[0].contains("3 samples"), "{warnings:?}");
}

#[test]
fn a_sound_stereo_file_at_48_khz_gives_its_length_and_no_warning() {
    let samples: Vec<f32> = (0..96_000).map(|n| (n as f32 * 0.01).sin() * 0.3).collect();
    let (out, warnings) = read(wav(48_000, 2, &samples).path());
    assert_eq!((out.len(), warnings.len()), (16_000, 0));
}

#[test]
fn a_recorder_that_never_wrote_the_length_still_gives_its_sound() {
    let file = wav(16_000, 1, &[0.25; 1_000]);
    let mut bytes = std::fs::read(file.path()).expect("reading it back");
    bytes[40..44].fill(0);
    std::fs::write(file.path(), bytes).expect("writing it");
    assert_eq!(read(file.path()).0.len(), 1_000);
}

#[test]
fn impossible_headers_are_refused_with_the_number_in_the_message() {
    let message = |rate, channels| match open(wav(rate, channels, &[0.0; 64]).path()) {
        Ok(_) => String::new(),
        Err(e) => e.to_string(),
    };
    assert!(message(0, 1).contains("0 Hz"));
    assert!(message(900_000, 1).contains("900000 Hz"));
    assert!(message(16_000, 0).contains("0 channels"));
    assert!(message(16_000, 65).contains("65 channels"));
}

#[test]
fn after_an_error_the_stream_is_at_its_end() {
    let file = wav(16_000, 1, &[]);
    let mut stream = open(file.path()).expect("the header is sound");
    assert!(matches!(stream.next_samples(), Err(AudioError::NoAudio { .. })));
    assert!(matches!(stream.next_samples(), Ok(None)));
}
