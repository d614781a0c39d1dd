//! Reader: has a file decoded by a process of its own and hands out finished chunks, one ahead of the one being stored.

use super::peaks::Peaks;
use super::scratch::Scratch;
use bytes::Bytes;
use decoder::{Decoder, Failure, Limits};
use diarization::audio::{self, GiveUp, Layout, Wish};
use diarization::blocks::{Chunk, SAMPLE_RATE};
use diarization::chunks::{ChunkAudio, Chunker};
use diarization::pcm;
use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::Once;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// A chunk as it is stored.
pub struct ReadyChunk {
    /// Number of the chunk.
    pub index: usize,
    /// Its blocks.
    pub chunk: Chunk,
    /// Number of samples of each channel.
    pub samples: u64,
    /// Number of channels.
    pub channels: u32,
    /// The samples, all of the first channel and then all of the second, as [`pcm`] packs them.
    pub bytes: Bytes,
}

/// Facts known at the end of a file.
#[derive(Debug, PartialEq, Eq)]
pub struct Whole {
    /// Length of the recording.
    pub samples: u64,
    /// Number of its chunks.
    pub chunks: usize,
    /// Damages of the file, and other warnings about it.
    pub warnings: Vec<String>,
    /// Loudness over time, for the player: [`super::peaks`].
    pub peaks: Vec<u8>,
}

/// Reason for which a file has no [`Whole`].
#[derive(Debug, PartialEq, Eq)]
pub enum Fault {
    /// The file's fault, in words for the uploader.
    File(String),
    /// The server's fault.
    Server(String),
}

/// Program that decodes files, and its limits.
#[derive(Clone, Debug)]
pub struct Program {
    /// The program throughline-decoder.
    pub path: PathBuf,
    /// Limits of the program for one file.
    pub limits: Limits,
}

/// A file being decoded. Dropping it stops the thread, whatever it is at.
pub struct Reading {
    /// Chunks in order, ended by the end of the file or by a fault.
    pub chunks: mpsc::Receiver<ReadyChunk>,
    /// Ends with the outcome, once all chunks are handed out.
    pub thread: JoinHandle<Result<Whole, Fault>>,
    /// Stops the thread.
    pub give_up: GiveUp,
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.give_up.ask();
    }
}

impl Reading {
    /// The outcome, once `chunks` has ended.
    pub async fn whole(mut self) -> Result<Whole, Fault> {
        match (&mut self.thread).await {
            Ok(outcome) => outcome,
            Err(error) => Err(Fault::Server(format!("the thread that reads the decoder: {error}"))),
        }
    }
}

/// Starts decoding `upload` with `program`.
pub fn read(program: Program, upload: Scratch, wish: Wish, chunk_blocks: usize, max_hours: u32) -> Reading {
    let (sender, chunks) = mpsc::channel(1);
    let span = tracing::Span::current();
    let give_up = GiveUp::default();
    let asked = give_up.clone();
    let thread = tokio::task::spawn_blocking(move || {
        span.in_scope(|| decode(&program, upload.path(), wish, chunk_blocks, max_hours, &asked, &sender))
    });
    Reading { chunks, thread, give_up }
}

fn decode(
    program: &Program,
    path: &Path,
    wish: Wish,
    chunk_blocks: usize,
    max_hours: u32,
    give_up: &GiveUp,
    sender: &mpsc::Sender<ReadyChunk>,
) -> Result<Whole, Fault> {
    let rate = u64::from(SAMPLE_RATE);
    let most_seconds = u64::from(max_hours) * 3600;
    let longest = most_seconds * rate;
    let bytes = std::fs::metadata(path)
        .map_err(|error| Fault::Server(format!("reading the temporary file: {error}")))?
        .len();
    let plausible = audio::longest_seconds(bytes);
    let decoded_seconds = metrics::counter!("throughline_audio_decoded_seconds_total");
    let plausible_seconds = most_seconds.min(plausible.saturating_add(1));
    let mut stream = Decoder::start(&program.path, path, wish, plausible_seconds, program.limits, give_up)?;
    tell_of(&stream);
    let mut chunker = Chunker::new(chunk_blocks);
    let (mut samples, mut chunks, mut peaks) = (0, 0, Peaks::default());
    let layout = stream.layout();
    while let Some(part) = stream.next_channels()? {
        let before = samples / rate;
        samples += part[0].len() as u64;
        decoded_seconds.increment(samples / rate - before);
        if samples > longest {
            let limit = format!(
                "the recording is longer than {}, the most that this service takes",
                hours(max_hours)
            );
            return Err(Fault::File(format!("{limit}; split it into shorter files")));
        }
        if samples / rate > plausible {
            return Err(Fault::File(format!(
                "the file has {bytes} bytes and claims more than {} minutes of sound, which no recording has; record or export it again",
                plausible / 60
            )));
        }
        peaks.push(&loudest(&part, layout));
        chunks += send(chunker.push(&part), sender)?;
        if sender.is_closed() {
            return Err(abandoned());
        }
    }
    chunks += send(chunker.finish(), sender)?;
    let warnings = stream.warnings().to_vec();
    Ok(Whole { samples, chunks, warnings, peaks: peaks.finish() })
}

fn hours(count: u32) -> String {
    if count == 1 { "an hour".to_owned() } else { format!("{count} hours") }
}

fn send(ready: Vec<ChunkAudio>, sender: &mpsc::Sender<ReadyChunk>) -> Result<usize, Fault> {
    let count = ready.len();
    for audio in ready {
        let (samples, ChunkAudio { index, chunk, channels }) = (audio.samples(), audio);
        let mut bytes = Vec::with_capacity(channels.len() * pcm::packed_len(samples));
        channels.iter().for_each(|samples| pcm::pack(samples, &mut bytes));
        let (samples, channels) = (samples as u64, channels.len() as u32);
        let ready = ReadyChunk { index, chunk, samples, channels, bytes: bytes.into() };
        sender.blocking_send(ready).map_err(|_| abandoned())?;
    }
    Ok(count)
}

/// Samples that a player shows of `channels`. Of two that are heard separately: the larger magnitude, as loud as in the file. Else the
/// first channel.
fn loudest<'a>(channels: &'a [Vec<f32>], layout: Layout) -> Cow<'a, [f32]> {
    match (channels, layout) {
        ([first, second], Layout::Separate([a, b])) => {
            first.iter().zip(second).map(|(x, y)| (x / a).abs().max((y / b).abs())).collect()
        }
        _ => Cow::Borrowed(&channels[0]),
    }
}

/// Nobody waits for the chunks any more, nor for this answer.
fn abandoned() -> Fault {
    Fault::Server("decoding was given up".to_owned())
}

impl From<Failure> for Fault {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::File(words) => Self::File(words),
            Failure::Server(why) => Self::Server(why),
            Failure::Broken(why) => {
                tracing::error!(why, "the decoder broke on a file");
                let advice = "convert it to WAV or FLAC and upload it again";
                Self::File(format!("the recording could not be decoded: the decoder broke on it; {advice}"))
            }
        }
    }
}

/// Says once what this system lacks.
fn tell_of(decoder: &Decoder) {
    static TOLD: Once = Once::new();
    TOLD.call_once(|| {
        for missing in decoder.fence().missing() {
            tracing::warn!(missing, "strangers' files are decoded behind a fence with a gap");
        }
    });
}
