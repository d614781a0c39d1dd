//! Local: the whole pipeline in this process, chunk by chunk, in bounded memory.

use anyhow::{Context, anyhow};
use diarization::analysis::{self, Analyst, BlockAnalysis};
use diarization::audio::{self, AudioInfo, GiveUp, Layout, Wish};
use diarization::blocks::{BLOCK_SAMPLES, SAMPLE_RATE};
use diarization::channels::Channels;
use diarization::chunks::{ChunkAudio, Chunker};
use diarization::diarize::{Diarization, Diarizer, Settings};
use diarization::features::FilterBank;
use diarization::onnx::Models;
use std::path::Path;
use std::sync::mpsc::sync_channel;
use std::thread;

/// Outcome of a file.
pub struct Outcome {
    /// Turns and speakers.
    pub diarization: Diarization,
    /// Description of the file from its headers.
    pub info: AudioInfo,
    /// Length in samples at 16 kHz.
    pub samples: usize,
    /// Layout that its channels were given.
    pub layout: Layout,
    /// Damage found in the file, and requests that could not be met.
    pub warnings: Vec<String>,
}

impl Outcome {
    /// Length in seconds.
    pub fn seconds(&self) -> f64 {
        self.samples as f64 / f64::from(SAMPLE_RATE)
    }
}

/// Hears of the seconds analysed and, if the file says, of the seconds in all; from whichever thread did the work, after every batch of windows.
pub type Progress<'a> = &'a (dyn Fn(f64, Option<f64>) + Sync);

/// Diarizes `path` with one thread per element of `models`, which share each chunk.
pub fn diarize(
    path: &Path,
    models: &mut [Models],
    chunk_blocks: usize,
    settings: Settings,
    progress: Progress<'_>,
) -> anyhow::Result<Outcome> {
    let (wish, hints) = (settings.wish(), settings.hints);
    let mut diarizer = Diarizer::new(settings);
    let mut take = |block: BlockAnalysis| Ok(diarizer.push(block).map(|_| ())?);
    let Audio { info, samples, layout, mut warnings } =
        analyse(path, wish, models, chunk_blocks, &mut take, progress)?;
    let diarization = diarizer.finish();
    warnings.extend(hints.unmet(diarization.speakers.len()));
    Ok(Outcome { diarization, info, samples, layout, warnings })
}

/// Description of the audio that was read from a file.
pub struct Audio {
    /// Description of the file from its headers.
    pub info: AudioInfo,
    /// Length in samples at 16 kHz.
    pub samples: usize,
    /// Layout that its channels were given.
    pub layout: Layout,
    /// Damage found in the file.
    pub warnings: Vec<String>,
}

/// Opens `path` as `wish` says.
fn open(path: &Path, wish: Wish) -> anyhow::Result<audio::AudioStream> {
    audio::open_for(path, wish, u64::MAX, &GiveUp::default()).with_context(|| path.display().to_string())
}

/// All samples of `path`, of each channel: one number each, some 230 MB an hour.
pub fn samples(path: &Path, wish: Wish) -> anyhow::Result<Vec<Vec<f32>>> {
    let mut stream = open(path, wish)?;
    let mut channels = vec![Vec::new(); stream.layout().channels()];
    while let Some(more) = stream.next_channels().with_context(|| path.display().to_string())? {
        channels.iter_mut().zip(more).for_each(|(channel, more)| channel.extend(more));
    }
    Ok(channels)
}

/// All samples of `path` with its channels mixed into one.
pub fn mixed(path: &Path) -> anyhow::Result<Vec<f32>> {
    let mut channels = samples(path, Wish { channels: Channels::Mix, ..Wish::default() })?;
    Ok(channels.pop().unwrap_or_default())
}

/// Is given the blocks in order.
type Take<'a> = &'a mut dyn FnMut(BlockAnalysis) -> anyhow::Result<()>;

/// Analyses `path` with one thread per element of `models`, which share each chunk, and hands its blocks to `take`.
pub fn analyse(
    path: &Path,
    wish: Wish,
    models: &mut [Models],
    chunk_blocks: usize,
    take: Take<'_>,
    progress: Progress<'_>,
) -> anyhow::Result<Audio> {
    let threads = models.len();
    let stream = open(path, wish)?;
    let (info, layout) = (stream.info().clone(), stream.layout());
    let mut filter_banks: Vec<FilterBank> = models.iter().map(|_| FilterBank::default()).collect();
    let mut analysts: Vec<Analyst<Models>> = models
        .iter_mut()
        .zip(&mut filter_banks)
        .map(|(models, filter_bank)| Analyst { models, filter_bank })
        .collect();
    let mut analysed = 0.0;
    let analyse = |chunk: ChunkAudio| {
        let seconds = seconds_of(&chunk);
        let told = |share: f64| progress(analysed + share * seconds, info.duration_hint_s);
        let blocks = analysis::analyse_telling(&mut analysts, chunk.chunk, &chunk.channels, &told)?;
        analysed += seconds;
        progress(analysed, info.duration_hint_s);
        blocks.into_iter().try_for_each(&mut *take)
    };
    let decoded = match threads {
        0 => return Err(anyhow!("at least one thread is needed")),
        1 => decode(stream, chunk_blocks, analyse),
        _ => decode_beside(stream, chunk_blocks, analyse),
    };
    let (samples, warnings) = decoded.with_context(|| path.display().to_string())?;
    Ok(Audio { info, samples, layout, warnings })
}

/// Seconds of the recording that a chunk is about, margins left out.
fn seconds_of(chunk: &ChunkAudio) -> f64 {
    let first_sample = chunk.chunk.first_block * BLOCK_SAMPLES;
    let end = chunk.chunk.sample_range().start + chunk.channels.first().map_or(0, Vec::len);
    end.saturating_sub(first_sample).min(chunk.chunk.blocks * BLOCK_SAMPLES) as f64 / f64::from(SAMPLE_RATE)
}

/// Decodes and cuts the stream, handing each chunk to `take`. Returns the number of samples and the warnings.
fn decode(
    mut stream: audio::AudioStream,
    chunk_blocks: usize,
    mut take: impl FnMut(ChunkAudio) -> anyhow::Result<()>,
) -> anyhow::Result<(usize, Vec<String>)> {
    let mut chunker = Chunker::new(chunk_blocks);
    while let Some(channels) = stream.next_channels()? {
        chunker.push(&channels).into_iter().try_for_each(&mut take)?;
    }
    let samples = chunker.samples();
    chunker.finish().into_iter().try_for_each(&mut take)?;
    Ok((samples, stream.warnings().to_vec()))
}

/// The same with a thread that decodes the next chunk while `take` has one: it is at most one ahead of the queue's one.
fn decode_beside(
    stream: audio::AudioStream,
    chunk_blocks: usize,
    take: impl FnMut(ChunkAudio) -> anyhow::Result<()>,
) -> anyhow::Result<(usize, Vec<String>)> {
    let (send, chunks) = sync_channel::<ChunkAudio>(1);
    thread::scope(|scope| {
        let decoder = scope.spawn(move || {
            // A closed queue means that an analysis failed, and that failure is the one to tell.
            decode(stream, chunk_blocks, |chunk| send.send(chunk).map_err(|_| anyhow!("stopped")))
        });
        let taken = chunks.into_iter().try_for_each(take);
        let decoded = decoder.join().map_err(|_| anyhow!("the decoder crashed; please report the file"))?;
        taken.and(decoded)
    })
}
