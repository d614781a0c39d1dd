//! Reader: decodes a file on a thread of its own and hands out finished chunks, one ahead of the one being stored.

use super::peaks::Peaks;
use super::scratch::Scratch;
use bytes::Bytes;
use diarization::audio::{self, AudioError, GiveUp, Layout, Wish};
use diarization::blocks::{Chunk, SAMPLE_RATE};
use diarization::chunks::{ChunkAudio, Chunker};
use diarization::pcm;
use std::borrow::Cow;
use std::path::Path;
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

/// What is known at the end of a file.
#[derive(Debug, PartialEq, Eq)]
pub struct Whole {
    /// Length of the recording.
    pub samples: u64,
    /// Number of its chunks.
    pub chunks: usize,
    /// What was damaged.
    pub warnings: Vec<String>,
    /// How loud it is, for the player: [`super::peaks`].
    pub peaks: Vec<u8>,
}

/// Why there is no whole.
#[derive(Debug, PartialEq, Eq)]
pub enum Fault {
    /// The file's fault, in words for the uploader.
    File(String),
    /// The server's fault.
    Server(String),
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
            // A decoder that panics has met a file it cannot read; the process goes on.
            Err(error) => {
                tracing::error!(%error, "the decoder panicked");
                let advice = "convert it to WAV or FLAC and upload it again";
                Err(Fault::File(format!(
                    "the recording could not be decoded: the decoder broke on it; {advice}"
                )))
            }
        }
    }
}

/// Starts decoding `upload`.
pub fn read(upload: Scratch, wish: Wish, chunk_blocks: usize, max_hours: u32) -> Reading {
    let (sender, chunks) = mpsc::channel(1);
    let span = tracing::Span::current();
    let give_up = GiveUp::default();
    let asked = give_up.clone();
    let thread = tokio::task::spawn_blocking(move || {
        span.in_scope(|| decode(upload.path(), wish, chunk_blocks, max_hours, &asked, &sender))
    });
    Reading { chunks, thread, give_up }
}

fn decode(
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
    let bytes = std::fs::metadata(path).map_err(|error| fault(&AudioError::Read(error), path))?.len();
    let plausible = audio::longest_seconds(bytes);
    let decoded_seconds = metrics::counter!("throughline_audio_decoded_seconds_total");
    let mut stream = audio::open_for(path, wish, most_seconds.min(plausible.saturating_add(1)), give_up)
        .map_err(|error| fault(&error, path))?;
    let mut chunker = Chunker::new(chunk_blocks);
    let (mut samples, mut chunks, mut peaks) = (0, 0, Peaks::default());
    let layout = stream.layout();
    while let Some(part) = stream.next_channels().map_err(|error| fault(&error, path))? {
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
    let warnings = stream.warnings().iter().map(|warning| clean(warning, path)).collect();
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

/// What a player shows of `channels`: the louder of two, as loud as it is in the file.
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

fn fault(error: &AudioError, path: &Path) -> Fault {
    match error {
        // The temporary file is the server's.
        AudioError::Open(why) | AudioError::Read(why) => {
            Fault::Server(format!("reading the temporary file: {why}"))
        }
        AudioError::GivenUp => abandoned(),
        error => Fault::File(clean(&error.to_string(), path)),
    }
}

/// Words for the uploader: without the server's path, which decoders quote, and without the NUL that Postgres refuses.
fn clean(words: &str, path: &Path) -> String {
    words.replace(&*path.to_string_lossy(), "the file").replace('\0', "")
}

#[cfg(test)]
mod tests {
    use super::*;
    /// `seconds` of a ramp as 16-bit PCM.
    fn wav(seconds: u32) -> Scratch {
        let data: Vec<u8> =
            (0..seconds * SAMPLE_RATE).flat_map(|i| ((i % 1000) as i16).to_le_bytes()).collect();
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
        let mut reading = read(wav(150), Wish::default(), 1, 24);
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
        let mut reading = read(wav(3601), Wish::default(), 20, 1);
        while reading.chunks.recv().await.is_some() {}
        let Err(Fault::File(words)) = reading.whole().await else { panic!("it was taken") };
        assert!(words.contains("longer than an hour, the most"), "{words}");
    }

    #[tokio::test]
    async fn a_file_that_claims_hours_in_a_few_bytes_is_refused_after_the_first_minutes() {
        let bomb = std::fs::read("tests/data/bomb_8khz.flac").expect("is there");
        let file = Scratch::new().expect("a temporary file");
        std::fs::write(file.path(), &bomb).expect("writes");
        let mut reading = read(file, Wish::default(), 1, 24);
        let mut stored = 0;
        while let Some(chunk) = reading.chunks.recv().await {
            stored += chunk.bytes.len();
        }
        let Err(Fault::File(words)) = reading.whole().await else { panic!("it was taken") };
        assert!(words.contains("claims more than") && words.contains("no recording has"), "{words}");
        assert!(stored < 200_000_000, "{stored} bytes were cut");
    }

    #[tokio::test]
    async fn a_reader_that_is_dropped_stops_decoding() {
        let mut reading = read(wav(600), Wish::default(), 1, 24);
        let thread = std::mem::replace(&mut reading.thread, tokio::spawn(async { Err(abandoned()) }));
        drop(reading);
        assert_eq!(thread.await.expect("did not panic"), Err(abandoned()));
    }

    #[test]
    fn words_for_the_uploader_have_no_path_of_the_server() {
        let words = clean("/scratch/.tmpAb: no such\0 codec", Path::new("/scratch/.tmpAb"));
        assert_eq!(words, "the file: no such codec");
    }
}
