//! Options that several commands share.

use anyhow::bail;
use clap::Args;
use diarization::blocks::{DEFAULT_CHUNK_BLOCKS, MAX_CHUNK_BLOCKS};
use diarization::channels::Channels;
use diarization::diarize::Settings;
use diarization::hints::Hints;
use diarization::installation;
use diarization::labels::LabelScheme;
use diarization::onnx::{Device, Models};
use diarization::similarity::Threshold;
use diarization::tracks::Tracks;
use std::path::PathBuf;

/// What the caller knows and wants of a recording.
#[derive(Args, Clone, Debug)]
pub struct RecordingOptions {
    /// Names of the speakers in the order in which they first speak: interview, numbered, or NAME,NAME,…
    #[arg(long, default_value = "numbered", value_name = "SCHEME")]
    pub labels: LabelScheme,
    /// Exact number of speakers.
    #[arg(long, value_name = "N")]
    pub num_speakers: Option<usize>,
    /// Fewest speakers.
    #[arg(long, value_name = "N")]
    pub min_speakers: Option<usize>,
    /// Most speakers.
    #[arg(long, value_name = "N")]
    pub max_speakers: Option<usize>,
    /// Probability from which two voices count as the same: lower merges more speakers, higher splits more.
    #[arg(long, default_value_t = Threshold::default().probability(), value_name = "P")]
    pub threshold: f64,
    /// What to do with the channels of a file: auto (the two sides of a call are kept apart, all others mixed), mix, or separate.
    #[arg(long, default_value_t = Channels::Auto, value_name = "WHAT")]
    pub channels: Channels,
    /// Which audio tracks of a file are heard: default (the one that the file marks as such, else the first), all, or the number of one.
    #[arg(long, default_value_t = Tracks::Default, value_name = "WHICH")]
    pub tracks: Tracks,
    /// Blocks of 59.94 s per chunk; the result is the same with any number.
    #[arg(long, default_value_t = DEFAULT_CHUNK_BLOCKS, value_name = "N")]
    pub chunk_blocks: usize,
}

impl RecordingOptions {
    /// The settings, checked.
    pub fn settings(&self) -> anyhow::Result<Settings> {
        if !(1..=MAX_CHUNK_BLOCKS).contains(&self.chunk_blocks) {
            bail!("--chunk-blocks must be 1 to {MAX_CHUNK_BLOCKS}, not {}", self.chunk_blocks);
        }
        let threshold = Threshold::try_from(self.threshold)?;
        let hints = Hints::new(self.num_speakers, self.min_speakers, self.max_speakers, threshold)?;
        Ok(Settings { hints, labels: self.labels.clone(), channels: self.channels, tracks: self.tracks })
    }
}

/// How to run the models.
#[derive(Args, Clone, Debug)]
pub struct ModelOptions {
    /// Folder with manifest.json and the models [default: THROUGHLINE_MODELS, or models/ nearby].
    #[arg(long, value_name = "FOLDER")]
    pub models: Option<PathBuf>,
    /// ONNX Runtime's shared library [default: THROUGHLINE_ONNXRUNTIME, or the one deploy/install fetched].
    #[arg(long, value_name = "FILE")]
    pub onnxruntime: Option<PathBuf>,
    /// Where to run the models: cpu or cuda.
    #[arg(long, default_value = "cpu")]
    pub device: Device,
    /// Threads to run the models on, each with its own copy of them; the result is the same with any number.
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub threads: usize,
}

impl ModelOptions {
    /// The model folder.
    pub fn folder(&self) -> PathBuf {
        self.models.clone().unwrap_or_else(installation::models)
    }

    /// Loads a copy of the models for each thread.
    pub fn load_all(&self) -> anyhow::Result<Vec<Models>> {
        (0..self.threads.max(1)).map(|_| self.load()).collect()
    }

    /// Loads a copy of the models.
    pub fn load(&self) -> anyhow::Result<Models> {
        let runtime = self.onnxruntime.clone().unwrap_or_else(installation::onnx_runtime);
        Ok(Models::load(&self.folder(), &runtime, self.device)?)
    }
}
