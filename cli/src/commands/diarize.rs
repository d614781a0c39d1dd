//! `throughline diarize FILE`.

use crate::options::{ModelOptions, RecordingOptions};
use crate::{local, output, report};
use anyhow::Context;
use diarization::channels::Channels;
use diarization::export::Format;
use diarization::rttm;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Arguments of the command.
#[derive(clap::Args)]
pub struct Args {
    /// Audio or video file.
    file: PathBuf,
    /// Write the turns as RTTM; `-` is standard output.
    #[arg(long, value_name = "OUT")]
    rttm: Option<PathBuf>,
    /// Write turns, speakers and voice vectors as JSON; `-` is standard output.
    #[arg(long, value_name = "OUT")]
    json: Option<PathBuf>,
    /// Write the turns for another program. The ending of the name says which: .csv, .srt, .vtt, .txt (Audacity), .TextGrid (Praat),
    /// .eaf (ELAN), .label-studio.json. `-.srt` is SRT on standard output. May be given several times.
    #[arg(long, value_name = "OUT", value_parser = exported, allow_hyphen_values = true)]
    export: Vec<(Format, PathBuf)>,
    /// Print nothing but errors and warnings.
    #[arg(long, short)]
    quiet: bool,
    #[command(flatten)]
    recording: RecordingOptions,
    #[command(flatten)]
    models: ModelOptions,
}

/// The JSON document.
#[derive(Serialize)]
struct Document<'a> {
    file: &'a str,
    duration_seconds: f64,
    model_version: &'a str,
    /// What was done with the channels: mix or separate.
    channels: Channels,
    warnings: &'a [String],
    speakers: Vec<DocumentSpeaker<'a>>,
    turns: Vec<report::Turn>,
}

#[derive(Serialize)]
struct DocumentSpeaker<'a> {
    #[serde(flatten)]
    share: report::Share,
    embedding: &'a [f32],
}

/// Runs the command.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let settings = args.recording.settings()?;
    output::prove(args.outputs())?;
    let mut models =
        (0..args.models.threads.max(1)).map(|_| args.models.load()).collect::<anyhow::Result<Vec<_>>>()?;
    let model_version = models[0].manifest().model_version.clone();
    let started = Instant::now();
    let bar = progress_bar();
    let mut progress = |seconds: f64, total: Option<f64>| {
        if let Some(total) = total {
            bar.set_length(total as u64);
        }
        bar.set_position(seconds as u64);
    };
    let outcome =
        local::diarize(&args.file, &mut models, args.recording.chunk_blocks, settings, &mut progress)?;
    bar.finish_and_clear();
    for warning in &outcome.warnings {
        eprintln!("warning: {}: {warning}", args.file.display());
    }
    let stem = file_stem(&args.file);
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
        let embeddings = outcome.diarization.speakers.iter().map(|s| s.embedding.as_slice());
        let document = Document {
            file: &stem,
            duration_seconds: outcome.seconds(),
            model_version: &model_version,
            channels: outcome.layout.done(),
            warnings: &outcome.warnings,
            speakers: shares
                .iter()
                .cloned()
                .zip(embeddings)
                .map(|(share, embedding)| DocumentSpeaker { share, embedding })
                .collect(),
            turns: turns.clone(),
        };
        written.push(output::write(path, &format!("{}\n", serde_json::to_string_pretty(&document)?)));
    }
    if !args.quiet && !args.outputs().any(output::is_standard) {
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
    /// Where results are to go.
    fn outputs(&self) -> impl Iterator<Item = &Path> {
        let exports = self.export.iter().map(|(_, path)| path);
        self.rttm.iter().chain(&self.json).chain(exports).map(PathBuf::as_path)
    }
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
