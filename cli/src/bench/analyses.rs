//! Analyses: what the models make of a recording, computed or, where only what comes after them is of interest, kept from an earlier
//! run.

use crate::bench::recordings::Recording;
use crate::local;
use anyhow::Context;
use diarization::analysis::{self, BlockAnalysis, CONFIGURATION};
use diarization::audio::Wish;
use diarization::blocks::SAMPLE_RATE;
use diarization::channels::Channels;
use diarization::features::FilterBank;
use diarization::onnx::Models;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// A recording's blocks.
pub struct Analysed {
    /// In order.
    pub blocks: Vec<BlockAnalysis>,
    /// Length of the recording.
    pub audio_seconds: f64,
    /// Time that decoding and the models took; `None` where the blocks were kept.
    pub seconds: Option<f64>,
}

/// Analysis as it is kept on disk, with the models, configuration and file size that it holds for.
#[derive(Serialize, Deserialize)]
struct Kept {
    model_version: String,
    configuration: String,
    file_bytes: u64,
    audio_seconds: f64,
    blocks: Vec<BlockAnalysis>,
}

/// Way in which a recording is cut for analysis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Into chunks of so many blocks.
    Chunks(usize),
    /// Not at all: one block as long as the recording.
    Unblocked,
}

impl Cut {
    /// Name of the configuration of an analysis so cut. Analyses under different names must not be mixed.
    fn configuration(self, wish: Wish) -> String {
        let cut = match self {
            Self::Chunks(_) => "",
            Self::Unblocked => ".unblocked",
        };
        let channels = match wish {
            Wish { channels: Channels::Auto, max_speakers: Some(1), .. } => ".one".to_owned(),
            Wish { channels: Channels::Auto, .. } => String::new(),
            Wish { channels, .. } => format!(".{channels}"),
        };
        let tracks = if wish.tracks.is_default() { String::new() } else { format!(".{}", wish.tracks) };
        format!("{CONFIGURATION}{cut}{channels}{tracks}")
    }

    fn analyse(
        self,
        audio: &Path,
        wish: Wish,
        models: &mut [Models],
    ) -> anyhow::Result<(Vec<BlockAnalysis>, usize)> {
        let mut blocks = Vec::new();
        let Self::Chunks(chunk_blocks) = self else {
            let channels = local::samples(audio, wish)?;
            let model = models.first_mut().context("at least one thread is needed")?;
            blocks.push(analysis::analyse_unblocked(model, &mut FilterBank::default(), &channels)?);
            return Ok((blocks, channels[0].len()));
        };
        let mut take = |block| {
            blocks.push(block);
            Ok(())
        };
        let read = local::analyse(audio, wish, models, chunk_blocks, &mut take, &|_, _| {})?;
        Ok((blocks, read.samples))
    }
}

/// Analyses `recording`, or takes what `cache` holds of it by the same models.
pub fn of(
    recording: &Recording,
    models: &mut [Models],
    wish: Wish,
    cut: Cut,
    cache: Option<&Path>,
) -> anyhow::Result<Analysed> {
    let file_bytes = std::fs::metadata(&recording.audio).map_or(0, |file| file.len());
    let model_version = models.first().map_or("", |model| &model.manifest().model_version).to_owned();
    let configuration = cut.configuration(wish);
    let place = cache.map(|folder| folder.join(format!("{}.msgpack", recording.stem)));
    if let Some(kept) = place.as_ref().and_then(read)
        && (kept.model_version.as_str(), kept.configuration.as_str(), kept.file_bytes)
            == (model_version.as_str(), configuration.as_str(), file_bytes)
    {
        return Ok(Analysed { blocks: kept.blocks, audio_seconds: kept.audio_seconds, seconds: None });
    }
    let started = Instant::now();
    let (blocks, samples) = cut.analyse(&recording.audio, wish, models)?;
    let seconds = started.elapsed().as_secs_f64();
    let audio_seconds = samples as f64 / f64::from(SAMPLE_RATE);
    let kept = Kept { model_version, configuration, file_bytes, audio_seconds, blocks };
    if let Some(place) = place {
        std::fs::write(&place, rmp_serde::to_vec_named(&kept)?)
            .with_context(|| format!("cannot write {}", place.display()))?;
    }
    Ok(Analysed { blocks: kept.blocks, audio_seconds, seconds: Some(seconds) })
}

/// Reads the analysis kept at `place`; `None` where there is none that can be read.
fn read(place: &PathBuf) -> Option<Kept> {
    rmp_serde::from_slice(&std::fs::read(place).ok()?).ok()
}
