//! `throughline diarize FILE…`.

use super::diarize_many;
use crate::batch::inputs::{self, Readable, is_stdin};
use crate::batch::outputs::Outputs;
use crate::local::{self, Outcome};
use crate::options::{ModelOptions, RecordingOptions};
use crate::{output, report};
use anyhow::{Context, bail};
use diarization::channels::Channels;
use diarization::diarize::{Settings, Speaker};
use diarization::export::Format;
use diarization::rttm;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Arguments of the command.
#[derive(clap::Args)]
pub struct Args {
    /// Audio or video files, and folders of them; `-` is standard input.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    pub(super) outputs: Outputs,
    /// Files that are diarized at once, each with --threads copies of the models.
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub(super) jobs: usize,
    /// Of one file: write the turns as RTTM; `-` is standard output.
    #[arg(long, value_name = "OUT", conflicts_with = "out_dir")]
    rttm: Option<PathBuf>,
    /// Of one file: write turns, speakers and voice vectors as JSON; `-` is standard output.
    #[arg(long, value_name = "OUT", conflicts_with = "out_dir")]
    json: Option<PathBuf>,
    /// Of one file: write the turns for another program. The ending of the name says which: .csv, .srt, .vtt, .txt (Audacity), .TextGrid (Praat),
    /// .eaf (ELAN), .label-studio.json. `-.srt` is SRT on standard output. May be given several times.
    #[arg(long, value_name = "OUT", value_parser = exported, allow_hyphen_values = true, conflicts_with = "out_dir")]
    export: Vec<(Format, PathBuf)>,
    /// Print nothing but errors and warnings.
    #[arg(long, short)]
    pub(super) quiet: bool,
    #[command(flatten)]
    pub(super) recording: RecordingOptions,
    #[command(flatten)]
    pub(super) models: ModelOptions,
}

/// The JSON document.
#[derive(Serialize)]
struct Document<'a> {
    file: &'a str,
    duration_seconds: f64,
    model_version: &'a str,
    /// Treatment of the channels: mix or separate.
    channels: Channels,
    warnings: &'a [String],
    speakers: Vec<DocumentSpeaker>,
    turns: Vec<report::Turn>,
}

#[derive(Serialize)]
struct DocumentSpeaker {
    #[serde(flatten)]
    share: report::Share,
    embedding: Vec<f32>,
}

/// Runs the command.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let settings = args.recording.settings()?;
    if args.outputs.out_dir.is_some() {
        return diarize_many::run(args, &settings, &inputs::find(&args.files)?);
    }
    match &args.files[..] {
        [file] if !file.is_dir() => one(args, file, settings),
        _ => bail!("of several files results go to a folder: name it with --out-dir"),
    }
}

/// Diarizes one file and prints what was found.
fn one(args: &Args, file: &Path, settings: Settings) -> anyhow::Result<()> {
    output::prove(args.outputs_of_one())?;
    let mut models = args.models.load_all()?;
    let model_version = models[0].manifest().model_version.clone();
    let started = Instant::now();
    let bar = progress_bar();
    let progress = |seconds: f64, total: Option<f64>| {
        if let Some(total) = total {
            bar.set_length(total as u64);
        }
        bar.set_position(seconds as u64);
    };
    let readable = Readable::of(file)?;
    let outcome =
        local::diarize(readable.path(), &mut models, args.recording.chunk_blocks, settings, &progress)?;
    bar.finish_and_clear();
    for warning in &outcome.warnings {
        eprintln!("warning: {}: {warning}", file.display());
    }
    let stem = if is_stdin(file) { "stdin".into() } else { file_stem(file) };
    // One that cannot be written does not keep the others from being written.
    let mut written = Vec::new();
    if let Some(path) = &args.rttm {
        written.push(output::write(path, &rttm::write(&outcome.diarization.segments(&stem))));
    }
    for (format, path) in &args.export {
        let sheet = report::sheet(&stem, outcome.seconds(), &outcome.diarization);
        written.push(output::write(path, &format.write(&sheet)));
    }
    let (turns, shares) = (report::turns(&outcome.diarization), report::shares(&outcome.diarization));
    if let Some(path) = &args.json {
        written.push(output::write(path, &json(&stem, &outcome, &model_version)?));
    }
    if !args.quiet && !args.outputs_of_one().any(output::is_standard) {
        report::print(&turns, &shares);
        let took = started.elapsed().as_secs_f64();
        println!(
            "{} of {}{} in {took:.1} s: {:.0} × real time",
            report::clock(outcome.seconds()),
            outcome.info.container_or_codec,
            if outcome.layout.done() == Channels::Separate { ", both channels by themselves," } else { "" },
            outcome.seconds() / took
        );
    }
    output::all(written)
}

impl Args {
    /// Paths that results are written to.
    fn outputs_of_one(&self) -> impl Iterator<Item = &Path> {
        let exports = self.export.iter().map(|(_, path)| path);
        self.rttm.iter().chain(&self.json).chain(exports).map(PathBuf::as_path)
    }
}

/// The JSON document of what was found in the recording `stem`.
pub fn json(stem: &str, outcome: &Outcome, model_version: &str) -> anyhow::Result<String> {
    let speakers = &outcome.diarization.speakers;
    let speaker = |(share, speaker): (report::Share, &'_ Speaker)| DocumentSpeaker {
        share,
        embedding: speaker.embedding.clone(),
    };
    let document = Document {
        file: stem,
        duration_seconds: outcome.seconds(),
        model_version,
        channels: outcome.layout.done(),
        warnings: &outcome.warnings,
        speakers: report::shares(&outcome.diarization).into_iter().zip(speakers).map(speaker).collect(),
        turns: report::turns(&outcome.diarization),
    };
    Ok(format!("{}\n", serde_json::to_string_pretty(&document)?))
}

/// A file and the format that its name says.
fn exported(name: &str) -> anyhow::Result<(Format, PathBuf)> {
    let format = Format::of_file_name(name).with_context(|| {
        let endings: Vec<String> = Format::all().map(|format| format!(".{}", format.extension())).collect();
        format!("the name must end in one of {}", endings.join(", "))
    })?;
    let is_standard = name.to_lowercase() == format!("-.{}", format.extension().to_lowercase());
    Ok((format, if is_standard { "-" } else { name }.into()))
}

/// Name of the recording in RTTM: the file's name without its extension.
pub fn file_stem(path: &Path) -> String {
    path.file_stem().map_or_else(|| "recording".into(), |stem| stem.to_string_lossy().into_owned())
}

/// A bar on a terminal, nothing elsewhere.
fn progress_bar() -> ProgressBar {
    let style =
        ProgressStyle::with_template("{elapsed_precise} [{bar:40}] {pos}/{len} s of audio, {eta} left");
    ProgressBar::new(0)
        .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> "))
}
