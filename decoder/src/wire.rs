//! Wire: what the decoder's process says to the one that started it, as frames over a pipe.
//!
//! A frame is a byte for its kind, its length in bytes as a little-endian u32, and its content. The reading side believes nothing: a frame
//! that is longer than it may be, or samples that are not numbers, are faults of the decoder.

use crate::fence::Fence;
use diarization::audio::{Layout, SAMPLE_RATE};
use serde::{Deserialize, Serialize};
use std::io::{self, Read, Write};

/// Longest text of a failure or a warning that is taken over, in characters.
const LONGEST_TEXT: usize = 2000;
/// Most warnings that are taken over; a damaged file has some twenty.
const MOST_WARNINGS: usize = 64;
/// Longest frame that is not samples, in bytes.
const LONGEST_WORDS: usize = 1 << 20;

/// Reason why a file was not decoded, in words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum Failure {
    /// The file's fault, in words for whoever uploaded it.
    #[error("{0}")]
    File(String),
    /// The server's fault; another attempt may succeed.
    #[error("{0}")]
    Server(String),
    /// The decoder broke on the file, in words for the operator.
    #[error("the decoder broke: {0}")]
    Broken(String),
}

/// Message ahead of the first sample.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Begun {
    /// Channels that are handed out, and how they are made from those of the file.
    pub layout: Layout,
    /// Parts of the fence that hold the process back.
    pub fence: Fence,
}

/// One thing said.
#[derive(Debug, PartialEq)]
pub(crate) enum Frame {
    /// The file is open.
    Begun(Begun),
    /// Up to a second of samples at 16 kHz, per channel of the layout; all of one length.
    Samples(Vec<Vec<f32>>),
    /// The file's end, and what was damaged in it.
    Ended(Vec<String>),
    /// It cannot be decoded, or no further.
    Failed(Failure),
}

const BEGUN: u8 = b'B';
const SAMPLES: u8 = b'S';
const ENDED: u8 = b'E';
const FAILED: u8 = b'F';

/// Writes one frame.
pub(crate) fn write(frame: &Frame, out: &mut impl Write) -> io::Result<()> {
    let (kind, content) = match frame {
        Frame::Begun(begun) => (BEGUN, serde_json::to_vec(begun)?),
        Frame::Samples(channels) => (SAMPLES, bytes_of(channels)),
        Frame::Ended(warnings) => (ENDED, serde_json::to_vec(warnings)?),
        Frame::Failed(failure) => (FAILED, serde_json::to_vec(failure)?),
    };
    let length = u32::try_from(content.len()).map_err(io::Error::other)?;
    out.write_all(&[kind])?;
    out.write_all(&length.to_le_bytes())?;
    out.write_all(&content)?;
    out.flush()
}

/// Reads one frame, whose samples are of so many channels; `None` where the other side has closed its end between two frames.
///
/// # Errors
///
/// Fails when the pipe breaks, ends within a frame, or says what no decoder says.
pub(crate) fn read(from: &mut impl Read, channels: usize) -> io::Result<Option<Frame>> {
    let mut kind = [0];
    if from.read(&mut kind)? == 0 {
        return Ok(None);
    }
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let length = u32::from_le_bytes(length) as usize;
    let longest =
        if kind[0] == SAMPLES { channels * SAMPLE_RATE as usize * size_of::<f32>() } else { LONGEST_WORDS };
    if length > longest {
        return Err(io::Error::other(format!("a frame of {length} bytes, where {longest} are the most")));
    }
    let mut content = vec![0; length];
    from.read_exact(&mut content)?;
    Ok(Some(match kind[0] {
        BEGUN => Frame::Begun(serde_json::from_slice(&content)?),
        SAMPLES => Frame::Samples(samples_of(&content, channels)?),
        ENDED => Frame::Ended(tidy_all(serde_json::from_slice(&content)?)),
        FAILED => Frame::Failed(match serde_json::from_slice(&content)? {
            Failure::File(words) => Failure::File(tidy(&words)),
            Failure::Server(words) => Failure::Server(tidy(&words)),
            Failure::Broken(words) => Failure::Broken(tidy(&words)),
        }),
        other => return Err(io::Error::other(format!("a frame of the unknown kind {other}"))),
    }))
}

/// All of the first channel and then all of the second: f32, little-endian.
fn bytes_of(channels: &[Vec<f32>]) -> Vec<u8> {
    channels.iter().flatten().flat_map(|sample| sample.to_le_bytes()).collect()
}

fn samples_of(content: &[u8], channels: usize) -> io::Result<Vec<Vec<f32>>> {
    let (samples, rest) = content.as_chunks();
    if channels == 0 || !rest.is_empty() || samples.is_empty() || samples.len() % channels != 0 {
        return Err(io::Error::other("samples that are not of the channels announced"));
    }
    let samples: Vec<f32> = samples.iter().copied().map(f32::from_le_bytes).collect();
    if samples.iter().any(|sample| !sample.is_finite()) {
        return Err(io::Error::other("samples that are not numbers"));
    }
    Ok(samples.chunks_exact(samples.len() / channels).map(<[f32]>::to_vec).collect())
}

fn tidy_all(warnings: Vec<String>) -> Vec<String> {
    warnings.iter().take(MOST_WARNINGS).map(|words| tidy(words)).collect()
}

/// Text as it may be shown and stored: bounded, and without control characters, of which Postgres refuses one.
fn tidy(words: &str) -> String {
    words.chars().filter(|c| !c.is_control()).take(LONGEST_TEXT).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn there_and_back(frame: &Frame, channels: usize) -> Frame {
        let mut bytes = Vec::new();
        write(frame, &mut bytes).expect("writes");
        read(&mut bytes.as_slice(), channels).expect("reads").expect("is there")
    }

    fn refused(bytes: &[u8], channels: usize) -> String {
        read(&mut &*bytes, channels).expect_err("is refused").to_string()
    }

    #[test]
    fn every_frame_arrives_as_it_was_sent() {
        let layout = Layout::Separate([0.1, 1.0 / 3.0]);
        for frame in [
            Frame::Begun(Begun { layout, fence: Fence::default() }),
            Frame::Samples(vec![vec![0.5, f32::MIN_POSITIVE], vec![-0.25, 1e9]]),
            Frame::Ended(vec!["a packet is damaged".into()]),
            Frame::Failed(Failure::File("no audio".into())),
            Frame::Failed(Failure::Server("no disk".into())),
        ] {
            assert_eq!(there_and_back(&frame, 2), frame);
        }
    }

    #[test]
    fn the_end_of_the_pipe_between_two_frames_is_no_fault_and_within_one_is() {
        assert_eq!(read(&mut [].as_slice(), 1).expect("reads"), None);
        let mut bytes = Vec::new();
        write(&Frame::Samples(vec![vec![0.0; 10]]), &mut bytes).expect("writes");
        bytes.pop();
        assert!(read(&mut bytes.as_slice(), 1).is_err());
    }

    #[test]
    fn what_no_decoder_says_is_refused() {
        let frame =
            |kind: u8, content: &[u8]| [&[kind][..], &(content.len() as u32).to_le_bytes(), content].concat();
        assert!(refused(&frame(SAMPLES, &f32::NAN.to_le_bytes()), 1).contains("not numbers"));
        assert!(refused(&frame(SAMPLES, &[0; 12]), 2).contains("channels announced"));
        assert!(refused(&frame(SAMPLES, &[0; 3]), 1).contains("channels announced"));
        assert!(refused(&frame(b'?', b""), 1).contains("unknown kind"));
        assert!(refused(&[SAMPLES, 0xff, 0xff, 0xff, 0xff], 1).contains("the most"));
        assert!(read(&mut frame(BEGUN, b"{}").as_slice(), 1).is_err());
    }

    #[test]
    fn words_are_bounded_and_have_no_control_characters() {
        let long = "x".repeat(3000);
        let Frame::Failed(Failure::File(words)) =
            there_and_back(&Frame::Failed(Failure::File(format!("a\0b\n{long}"))), 1)
        else {
            panic!("another frame")
        };
        assert!(words.starts_with("abx") && words.len() == LONGEST_TEXT);
        let Frame::Ended(warnings) = there_and_back(&Frame::Ended(vec![String::new(); 1000]), 1) else {
            panic!("another frame")
        };
        assert_eq!(warnings.len(), MOST_WARNINGS);
    }
}
