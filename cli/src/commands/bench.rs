//! `throughline bench FOLDER`: accuracy and speed on recordings with a reference.
//!
//! Each recording is scored over its whole extent, overlapped speech included. Groups are pooled (errors summed over
//! speech summed); the headline is the mean of the groups, so that no group of short clips and no single long recording rules it.

use crate::commands::{diarize::file_stem, score};
use crate::options::{ModelOptions, RecordingOptions};
use crate::{local, process, report};
use anyhow::{Context, bail};
use diarization::rttm::{self, Segment};
use diarization::scoring::{self, Options, Pooled, Score};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Forgiveness on each side of a border in the second DER column, seconds.
const COLLAR_S: f64 = 0.25;

/// Arguments of the command.
#[derive(clap::Args)]
pub struct Args {
    /// Folder with audio files that have an RTTM of the same name beside them; GROUPS.tsv (stem, group) names their groups.
    folder: PathBuf,
    /// Score the RTTM files of this folder instead of diarizing.
    #[arg(long, value_name = "FOLDER")]
    score_only: Option<PathBuf>,
    /// Write the RTTM files found into this folder.
    #[arg(long, value_name = "FOLDER")]
    rttm: Option<PathBuf>,
    /// Only recordings whose name contains this.
    #[arg(long, value_name = "TEXT", default_value = "")]
    only: String,
    #[command(flatten)]
    recording: RecordingOptions,
    #[command(flatten)]
    models: ModelOptions,
}

/// A recording with its reference.
struct Recording {
    audio: PathBuf,
    stem: String,
    group: String,
    reference: Vec<Segment>,
}

/// What came of one recording.
struct Measured {
    group: String,
    exact: Score,
    forgiving: Score,
    audio_seconds: f64,
    seconds: f64,
}

/// Runs the command.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let recordings = find(&args.folder, &args.only)?;
    let mut models = match args.score_only {
        Some(_) => Vec::new(),
        None => {
            (0..args.models.threads.max(1)).map(|_| args.models.load()).collect::<anyhow::Result<Vec<_>>>()?
        }
    };
    if let Some(folder) = &args.rttm {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    let mut measured = Vec::new();
    let mut table = report::table(
        &[
            "recording",
            "group",
            "DER",
            "miss",
            "false alarm",
            "confusion",
            "DER ±0.25",
            "JER",
            "speakers",
            "× real time",
        ],
        2..10,
    );
    for recording in recordings {
        let started = Instant::now();
        let (hypothesis, audio_seconds) = match &args.score_only {
            Some(folder) => (score::read(&folder.join(format!("{}.rttm", recording.stem)))?, 0.0),
            None => {
                let settings = args.recording.settings()?;
                let blocks = args.recording.chunk_blocks;
                let outcome =
                    local::diarize(&recording.audio, &mut models, blocks, settings, &mut |_, _| {})?;
                (outcome.diarization.segments(&recording.stem), outcome.seconds())
            }
        };
        let seconds = started.elapsed().as_secs_f64();
        if let Some(folder) = &args.rttm {
            let path = folder.join(format!("{}.rttm", recording.stem));
            std::fs::write(&path, rttm::write(&hypothesis))
                .with_context(|| format!("cannot write {}", path.display()))?;
        }
        // Scored as written, to the millisecond, so that the files score the same.
        let hypothesis = rttm::parse(&rttm::write(&hypothesis))?;
        let score = |collar_s| {
            scoring::score(&recording.reference, &hypothesis, &Options { collar_s, skip_overlap: false })
        };
        let one = Measured {
            group: recording.group,
            exact: score(0.0),
            forgiving: score(COLLAR_S),
            audio_seconds,
            seconds,
        };
        eprintln!("{}: DER {:.2} %", recording.stem, 100.0 * one.exact.der());
        let speakers = format!("{} / {}", one.exact.speakers_hypothesis, one.exact.speakers_reference);
        let row = rates(
            one.exact.der(),
            one.exact.miss(),
            one.exact.false_alarm(),
            one.exact.confusion(),
            one.forgiving.der(),
            one.exact.jer,
        );
        table.add_row(
            [recording.stem, one.group.clone()]
                .into_iter()
                .chain(row)
                .chain([speakers, speed(audio_seconds, seconds)]),
        );
        measured.push(one);
    }
    println!("{table}");
    summarise(&measured);
    if let Some(bytes) = process::peak_memory() {
        println!("peak memory {} MB, {} thread(s)", bytes / 1_000_000, args.models.threads);
    }
    Ok(())
}

/// The groups pooled, then the headline.
fn summarise(measured: &[Measured]) {
    let mut groups: BTreeMap<&str, Vec<&Measured>> = BTreeMap::new();
    for one in measured {
        groups.entry(&one.group).or_default().push(one);
    }
    let header = [
        "group",
        "DER",
        "miss",
        "false alarm",
        "confusion",
        "DER ±0.25",
        "JER",
        "exact count",
        "× real time",
    ];
    let mut table = report::table(&header, 1..9);
    let mut rows: Vec<[f64; 6]> = Vec::new();
    for (group, members) in &groups {
        let exact: Pooled = scoring::pool(members.iter().map(|m| &m.exact));
        let forgiving: Pooled = scoring::pool(members.iter().map(|m| &m.forgiving));
        let row =
            [exact.der(), exact.miss(), exact.false_alarm(), exact.confusion(), forgiving.der(), exact.jer];
        let (audio, took) = members.iter().fold((0.0, 0.0), |(a, t), m| (a + m.audio_seconds, t + m.seconds));
        let count = format!("{} of {}", exact.count_exact, exact.recordings);
        table.add_row(
            [(*group).to_owned()].into_iter().chain(percents(row)).chain([count, speed(audio, took)]),
        );
        rows.push(row);
    }
    let mean = |column: usize| rows.iter().map(|row| row[column]).sum::<f64>() / rows.len() as f64;
    let exact = measured.iter().filter(|m| m.exact.is_count_exact()).count();
    let (audio, took) = measured.iter().fold((0.0, 0.0), |(a, t), m| (a + m.audio_seconds, t + m.seconds));
    let headline = percents(std::array::from_fn(mean)).into_iter();
    let count = format!("{exact} of {}", measured.len());
    table.add_row(["headline".to_owned()].into_iter().chain(headline).chain([count, speed(audio, took)]));
    println!("{table}");
}

fn rates(der: f64, miss: f64, false_alarm: f64, confusion: f64, forgiving: f64, jer: f64) -> [String; 6] {
    percents([der, miss, false_alarm, confusion, forgiving, jer])
}

fn percents(rates: [f64; 6]) -> [String; 6] {
    rates.map(|rate| format!("{:.2}", 100.0 * rate))
}

fn speed(audio_seconds: f64, seconds: f64) -> String {
    if audio_seconds > 0.0 { format!("{:.0}", audio_seconds / seconds) } else { "-".into() }
}

/// The recordings under `folder`, at any depth, whose name contains `only`: by group, then by name.
fn find(folder: &Path, only: &str) -> anyhow::Result<Vec<Recording>> {
    let groups = groups(folder)?;
    let mut recordings = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in
            std::fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?
        {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let reference = path.with_extension("rttm");
            let is_data =
                path.extension().is_none_or(|e| ["rttm", "json", "md", "tsv", "txt"].iter().any(|x| e == *x));
            let stem = file_stem(&path);
            if is_data || !reference.is_file() || !stem.contains(only) {
                continue;
            }
            let group = match &groups {
                Some(groups) => match groups.get(&stem) {
                    Some(group) => group.clone(),
                    None => continue,
                },
                None => {
                    folder.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
                }
            };
            recordings.push(Recording { reference: score::read(&reference)?, audio: path, stem, group });
        }
    }
    if recordings.is_empty() {
        bail!("{} holds no audio file with an RTTM of the same name beside it", folder.display());
    }
    recordings.sort_by(|a, b| (&a.group, &a.stem).cmp(&(&b.group, &b.stem)));
    Ok(recordings)
}

/// GROUPS.tsv of `folder`, if there is one: stem and group. Recordings that it does not name are left out.
fn groups(folder: &Path) -> anyhow::Result<Option<BTreeMap<String, String>>> {
    let path = folder.join("GROUPS.tsv");
    if !path.is_file() {
        return Ok(None);
    }
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let pairs = text.lines().skip(1).filter_map(|line| line.split_once('\t'));
    Ok(Some(pairs.map(|(stem, group)| (stem.to_owned(), group.trim().to_owned())).collect()))
}
