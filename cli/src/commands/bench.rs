//! `throughline bench FOLDER`: accuracy and speed on recordings with a reference.
//!
//! Each recording is scored over its whole extent, overlapped speech included.

use crate::bench::analyses::Cut;
use crate::bench::marks::{self, Marks};
use crate::bench::mean_voice::MeanVoice;
use crate::bench::recordings::{self, Recording};
use crate::bench::summary::{Measured, summary};
use crate::bench::{analyses, criteria, show};
use crate::commands::score;
use crate::options::{ModelOptions, RecordingOptions};
use crate::process;
use anyhow::Context;
use diarization::diarize::Settings;
use diarization::onnx::Models;
use diarization::rttm;
use std::path::{Path, PathBuf};

/// Arguments of the command.
#[derive(clap::Args)]
pub struct Args {
    /// Folder with audio files that have an RTTM of the same name beside them; GROUPS.tsv (stem, group) names their groups.
    folder: PathBuf,
    /// Score the RTTM files of this folder instead of diarizing.
    #[arg(long, value_name = "FOLDER")]
    score_only: Option<PathBuf>,
    /// Set the RTTM files of this folder, a peer's, beside ours.
    #[arg(long, value_name = "FOLDER")]
    against: Option<PathBuf>,
    /// Write the RTTM files found into this folder.
    #[arg(long, value_name = "FOLDER")]
    rttm: Option<PathBuf>,
    /// Keep what the models find in this folder, and take it from there the next time: for work on what comes after them.
    #[arg(long, value_name = "FOLDER")]
    cache: Option<PathBuf>,
    /// Write all figures as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write the tables as Markdown.
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
    /// Analyse each recording as one block as long as itself, in one thread: with --rttm, and that folder given to --against in another
    /// run, this shows what blocks cost.
    #[arg(long, conflicts_with = "score_only")]
    unblocked: bool,
    /// Print the mean vector of the speakers of the reference, for the clustering to be tuned to other models.
    #[arg(long, conflicts_with = "score_only")]
    mean_voice: bool,
    /// Only recordings whose name contains this.
    #[arg(long, value_name = "TEXT", default_value = "")]
    only: String,
    #[command(flatten)]
    recording: RecordingOptions,
    #[command(flatten)]
    models: ModelOptions,
}

/// Runs the command.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let recordings = recordings::find(&args.folder, &args.only)?;
    let settings = args.recording.settings()?;
    let mut models = match args.score_only {
        Some(_) => Vec::new(),
        None => (0..args.models.threads.max(1)).map(|_| args.models.load()).collect::<anyhow::Result<_>>()?,
    };
    for folder in [&args.rttm, &args.cache].into_iter().flatten() {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    let (mut measured, mut mean_voice) = (Vec::new(), MeanVoice::default());
    for recording in &recordings {
        let one = measure(args, recording, &settings, &mut models, &mut mean_voice)?;
        eprintln!("{}: DER {:.2} %", recording.stem, 100.0 * one.last.exact.der());
        measured.push(one);
    }
    show(args, &measured)?;
    if args.mean_voice {
        print!("{}", mean_voice.text());
    }
    if let Some(bytes) = process::peak_memory() {
        println!("peak memory {} MB, {} thread(s)", bytes / 1_000_000, args.models.threads);
    }
    Ok(())
}

fn measure(
    args: &Args,
    recording: &Recording,
    settings: &Settings,
    models: &mut [Models],
    mean_voice: &mut MeanVoice,
) -> anyhow::Result<Measured> {
    let chunk_seconds = marks::chunk_seconds(args.recording.chunk_blocks);
    let marks = |found: &[rttm::Segment]| Marks::of(&recording.reference, found, chunk_seconds);
    let beside = |folder: &Path| folder.join(format!("{}.rttm", recording.stem));
    let (audio_seconds, seconds, last, ours) = match &args.score_only {
        Some(folder) => (0.0, None, score::read(&beside(folder))?, None),
        None => {
            let cut = if args.unblocked { Cut::Unblocked } else { Cut::Chunks(args.recording.chunk_blocks) };
            let analysed = analyses::of(recording, models, settings.wish(), cut, args.cache.as_deref())?;
            mean_voice.add(&analysed.blocks, &recording.reference);
            let mut results = marks::results(&analysed.blocks, settings, recording)?;
            let seconds = analysed.seconds.map(|seconds| seconds + results.seconds);
            (analysed.audio_seconds, seconds, std::mem::take(&mut results.last.segments), Some(results))
        }
    };
    if let Some(folder) = &args.rttm {
        let path = beside(folder);
        std::fs::write(&path, rttm::write(&last))
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    let peer = args.against.as_ref().map(|folder| marks(&score::read(&beside(folder))?)).transpose()?;
    Ok(Measured {
        recording: recording.stem.clone(),
        group: recording.group.clone(),
        audio_seconds,
        seconds,
        last: marks(&last)?,
        reliability: ours.as_ref().map(|results| results.last.reliability),
        matching_seconds: ours.as_ref().map(|results| results.seconds),
        in_order: ours.as_ref().map(|results| marks(&results.in_order.segments)).transpose()?,
        in_order_reliability: ours.as_ref().map(|results| results.in_order.reliability),
        peer,
    })
}

fn show(args: &Args, measured: &[Measured]) -> anyhow::Result<()> {
    let groups = summary(measured);
    let mut tables = vec![show::recordings(measured), show::groups(&groups)];
    if args.against.is_some() {
        tables.push(show::against(&groups));
    }
    tables.extend(groups.last().map(show::continuity));
    tables.extend(show::confidence(&groups));
    tables.extend(groups.last().and_then(show::reliability));
    tables.push(criteria::table(measured));
    for table in &tables {
        println!("{}", table.text());
    }
    if let Some(path) = &args.markdown {
        let text: Vec<String> = tables.iter().map(show::Table::markdown).collect();
        write(path, text.join("\n"))?;
    }
    if let Some(path) = &args.json {
        let document = show::Document { groups: &groups, recordings: measured };
        write(path, serde_json::to_string_pretty(&document)?)?;
    }
    Ok(())
}

fn write(path: &Path, text: String) -> anyhow::Result<()> {
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}
