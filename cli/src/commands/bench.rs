//! `throughline bench FOLDER…`: accuracy and speed on recordings with a reference.
//!
//! Each recording is scored over its whole extent, overlapped speech included.

use crate::bench::analyses::{self, Cut};
use crate::bench::grid::{self, Point};
use crate::bench::marks::{self, Marks};
use crate::bench::recordings::{self, Recording};
use crate::bench::report::Report;
use crate::bench::sources::Sources;
use crate::bench::speed::{self, Stages};
use crate::bench::summary::{Measured, Peer};
use crate::bench::table::Table;
use crate::commands::score;
use crate::options::{ModelOptions, RecordingOptions};
use crate::{output, process, report as words};
use anyhow::{Context, bail};
use diarization::diarize::Settings;
use diarization::onnx::Models;
use diarization::rttm;
use std::path::{Path, PathBuf};

/// Arguments of the command.
#[derive(clap::Args)]
pub struct Args {
    /// Folders with audio files that have an RTTM of the same name beside them; GROUPS.tsv (stem, group) in one names groups,
    /// SOURCES.tsv (stem, source, kind) sources.
    #[arg(required = true, value_name = "FOLDER")]
    folders: Vec<PathBuf>,
    /// Where the recordings come from: a file like SOURCES.tsv, in place of those in the folders.
    #[arg(long, value_name = "FILE")]
    sources: Option<PathBuf>,
    /// Score the RTTM files of this folder instead of diarizing.
    #[arg(long, value_name = "FOLDER")]
    score_only: Option<PathBuf>,
    /// Set the RTTM files of this folder, a peer's or those of another build, beside ours; may be given several times.
    #[arg(long, value_name = "FOLDER")]
    against: Vec<PathBuf>,
    /// Choose among settings for each source by all others, and say what that is worth.
    #[arg(long, conflicts_with = "score_only")]
    cross_validate: bool,
    /// Say what each stage costs in processor time, on one thread.
    #[arg(long, conflicts_with_all = ["score_only", "cache", "unblocked"])]
    speed: bool,
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
    /// Only recordings whose name contains this.
    #[arg(long, value_name = "TEXT", default_value = "")]
    only: String,
    #[command(flatten)]
    recording: RecordingOptions,
    #[command(flatten)]
    models: ModelOptions,
}

/// Request for every recording, with the models, and the processor time over all.
struct Bench<'a> {
    args: &'a Args,
    settings: Settings,
    /// Settings to choose among; none unless that is asked for.
    points: Vec<Point>,
    models: Vec<Models>,
    stages: Stages,
}

/// Runs the command.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let sources = Sources::find(args.sources.as_deref(), &args.folders)?;
    let recordings = recordings::find(&args.folders, &args.only, &sources)?;
    for folder in &args.against {
        if !recordings.iter().any(|recording| beside(folder, recording).is_file()) {
            bail!("{} holds no RTTM file that is named after a recording", folder.display());
        }
    }
    let settings = args.recording.settings()?;
    output::prove([&args.markdown, &args.json].into_iter().flatten().map(PathBuf::as_path))?;
    let models = match args.score_only {
        Some(_) => Vec::new(),
        None => (0..args.models.threads.max(1)).map(|_| args.models.load()).collect::<anyhow::Result<_>>()?,
    };
    for folder in [&args.rttm, &args.cache].into_iter().flatten() {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    let points = if args.cross_validate { grid::points(&settings) } else { Vec::new() };
    let mut bench = Bench { args, settings, points, models, stages: Stages::default() };
    let mut measured = Vec::new();
    for recording in &recordings {
        let one = bench.measure(recording)?;
        eprintln!("{}: DER {:.2} %", recording.stem, 100.0 * one.last.exact.der());
        measured.push(one);
    }
    let mut report = Report::of(&measured, &bench.points);
    report.speed = args.speed.then_some(bench.stages);
    show(args, &report)
}

impl Bench<'_> {
    fn measure(&mut self, recording: &Recording) -> anyhow::Result<Measured> {
        let args = self.args;
        let chunk_seconds = marks::chunk_seconds(args.recording.chunk_blocks);
        let marks = |found: &[rttm::Segment]| Marks::of(&recording.reference, found, chunk_seconds);
        let (mut audio_seconds, mut seconds, mut ours, mut count_given) = (0.0, None, None, None);
        let (mut last, mut points) = (Vec::new(), Vec::new());
        if let Some(folder) = &args.score_only {
            last = score::read(&beside(folder, recording))?;
        } else {
            let analysed = self.analyse(recording)?;
            let mut results = marks::results(&analysed.blocks, &self.settings, recording)?;
            self.stages.clustering += results.processor_seconds;
            audio_seconds = analysed.audio_seconds;
            seconds = analysed.seconds.map(|seconds| seconds + results.seconds);
            count_given = marks::count_given(&analysed.blocks, &self.settings, recording)?;
            points = grid::figures(&analysed.blocks, &self.points, recording, args.models.threads)?;
            std::mem::swap(&mut last, &mut results.last.segments);
            ours = Some(results);
        }
        if let Some(folder) = &args.rttm {
            output::write(&beside(folder, recording), &rttm::write(&last))?;
        }
        let peer = |folder: &PathBuf| -> anyhow::Result<Peer> {
            let file = beside(folder, recording);
            let marks = if file.is_file() { Some(marks(&score::read(&file)?)?) } else { None };
            Ok(Peer { name: folder.display().to_string(), marks })
        };
        Ok(Measured {
            recording: recording.stem.clone(),
            group: recording.group.clone(),
            source: recording.origin.source.clone(),
            kind: recording.origin.kind.clone(),
            audio_seconds,
            seconds,
            last: marks(&last)?,
            reliability: ours.as_ref().map(|results| results.last.reliability),
            judged: ours.as_ref().map(|results| results.last.judged.clone()),
            matching_seconds: ours.as_ref().map(|results| results.seconds),
            in_order: ours.as_ref().map(|results| marks(&results.in_order.segments)).transpose()?,
            in_order_reliability: ours.as_ref().map(|results| results.in_order.reliability),
            count_given,
            points,
            peers: args.against.iter().map(peer).collect::<anyhow::Result<_>>()?,
        })
    }

    fn analyse(&mut self, recording: &Recording) -> anyhow::Result<analyses::Analysed> {
        let args = self.args;
        if args.speed {
            let models = self.models.first_mut().context("at least one thread is needed")?;
            let (blocks, stages) = speed::analyse(recording, models, args.recording.chunk_blocks)?;
            self.stages.add(&stages);
            return Ok(analyses::Analysed {
                blocks,
                audio_seconds: stages.audio,
                seconds: Some(stages.elapsed),
            });
        }
        let cut = if args.unblocked { Cut::Unblocked } else { Cut::Chunks(args.recording.chunk_blocks) };
        analyses::of(recording, &mut self.models, self.settings.wish(), cut, args.cache.as_deref())
    }
}

/// The result of `recording` in `folder`.
fn beside(folder: &Path, recording: &Recording) -> PathBuf {
    folder.join(format!("{}.rttm", recording.stem))
}

fn show(args: &Args, report: &Report) -> anyhow::Result<()> {
    let tables = report.tables();
    let to_standard =
        [&args.markdown, &args.json].into_iter().flatten().any(|path| output::is_standard(path));
    let mut written = Vec::new();
    if let Some(path) = &args.markdown {
        let text: Vec<String> = tables.iter().map(Table::markdown).collect();
        written.push(output::write(path, &text.join("\n")));
    }
    if let Some(path) = &args.json {
        written.push(output::write(path, &format!("{}\n", serde_json::to_string_pretty(report)?)));
    }
    if !to_standard {
        tables.iter().for_each(|table| println!("{}", table.text()));
        if args.speed {
            println!("instruction set: {}", speed::instruction_set());
        }
        if let Some(bytes) = process::peak_memory() {
            let threads = words::count(args.models.threads as u64, "thread");
            println!("peak memory {} MB, {threads}", bytes / 1_000_000);
        }
    }
    output::all(written)
}
