//! `throughline bench-data FOLDER OUT`: recordings with an exact reference, for `throughline bench`: out of what single speakers said, or with
//! `--stress` out of real conversations.

use crate::bench::recordings;
use crate::bench::sources::{self, Apart, Sources};
use crate::local;
use crate::synthesis::conversation::Kind;
use crate::synthesis::material::{self, Speaker};
use crate::synthesis::recording;
use crate::synthesis::stress::cast::Ensemble;
use crate::synthesis::stress::{self, compose, excerpts};
use anyhow::{Context, bail};
use clap::ValueEnum;
use diarization::rttm;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Arguments of the command.
#[derive(clap::Args)]
pub struct Args {
    /// Folder with one folder of audio files per speaker; with --stress, of recordings that have an RTTM of the same name beside them.
    folder: PathBuf,
    /// Folder for the recordings; made if it is not there.
    out: PathBuf,
    /// Kinds of recording [default: all].
    #[arg(long, value_enum)]
    kind: Vec<Kind>,
    /// Recordings of each kind.
    #[arg(long, default_value_t = 8, value_name = "N")]
    each: u64,
    /// Which speakers: of the two halves, what is tuned on one can be tested on the other.
    #[arg(long, value_enum, default_value = "all")]
    half: Half,
    /// Put together conversations, by their references, in ways that make speakers hard to count: one alone, one who speaks 95 % of the time, a
    /// question every minute, digital silence between turns, one voice 20 dB down, and others; --each is of each kind and number of speakers.
    #[arg(long, conflicts_with_all = ["kind", "half"])]
    stress: bool,
    /// With --stress, where the recordings come from: a file like SOURCES.tsv, in place of that in the folder.
    #[arg(long, value_name = "FILE", requires = "stress")]
    sources: Option<PathBuf>,
    /// Other seeds make other recordings.
    #[arg(long, default_value_t = 0, value_name = "N")]
    seed: u64,
}

/// Halves of the speakers, by turns in the order of their seconds of speech.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Half {
    /// All speakers.
    All,
    /// Every other one, the one with most speech included.
    Tune,
    /// The others.
    Test,
}

/// Runs the command.
pub fn run(args: &Args) -> anyhow::Result<()> {
    std::fs::create_dir_all(&args.out).with_context(|| format!("cannot make {}", args.out.display()))?;
    if args.stress { stress(args) } else { conversations(args) }
}

fn conversations(args: &Args) -> anyhow::Result<()> {
    let speakers = half(material::read(&args.folder)?, args.half);
    let kinds = if args.kind.is_empty() { Kind::value_variants().to_vec() } else { args.kind.clone() };
    let mut groups = String::from("stem\tgroup\n");
    for kind in kinds {
        if speakers.len() < *kind.speakers().end() {
            bail!(
                "a {} needs up to {} speakers, there are {}",
                kind.name(),
                kind.speakers().end(),
                speakers.len()
            );
        }
        for number in 0..args.each {
            let stem = format!("{}_{}_{number:02}", kind.name(), args.seed);
            // Far apart, so that no two runs share a recording.
            let seed = args.seed * 1_000_003 + kind as u64 * 10_007 + number;
            let made = recording::make(kind, &speakers, &stem, seed);
            write_wav(&args.out.join(format!("{stem}.wav")), &made.samples)?;
            write(&args.out.join(format!("{stem}.rttm")), rttm::write(&made.reference))?;
            groups += &format!("{stem}\t{}\n", kind.name());
            println!("{stem}: {:.0} s", made.samples.len() as f64 / 16_000.0);
        }
    }
    write(&args.out.join("GROUPS.tsv"), groups)
}

fn stress(args: &Args) -> anyhow::Result<()> {
    let folders = [args.folder.clone()];
    let sources = Sources::find(args.sources.as_deref(), &folders)?;
    let (mut voices, mut apart) = (Vec::new(), BTreeMap::new());
    for recording in recordings::find(&folders, "", &sources)? {
        // What was itself put together holds the voices of others.
        if recording.origin.apart != Apart::FromAll {
            let source = recording.origin.source.to_string();
            let samples = local::mixed(&recording.audio)?;
            voices.extend(excerpts::voices(&samples, &recording.reference, &recording.stem, &source));
            apart.insert(recording.stem, recording.origin.apart);
        }
    }
    let ensemble = Ensemble::new(voices, apart);
    println!("{} voices", ensemble.len());
    let mut list = String::from("stem\tsource\tkind\n");
    let cells = stress::kind::Kind::ALL.iter().flat_map(|(kind, all)| all.iter().map(|n| (*kind, *n)));
    for (cell, (kind, speakers)) in cells.enumerate() {
        for number in 0..args.each {
            let stem = format!("stress_{}_{speakers}spk_{}_{number:02}", kind.name(), args.seed);
            let seed = args.seed * 1_000_003 + cell as u64 * 10_007 + number;
            let Some(made) = compose::make(kind, speakers, &ensemble, &stem, seed) else {
                eprintln!("{stem}: the recordings have not enough voices for it");
                continue;
            };
            write_wav(&args.out.join(format!("{stem}.wav")), &made.samples)?;
            write(&args.out.join(format!("{stem}.rttm")), rttm::write(&made.reference))?;
            list += &format!("{stem}\t{}\t{}\n", made.source, kind.name());
            println!("{stem}: {:.0} s of {}", made.samples.len() as f64 / 16_000.0, made.source);
        }
    }
    write(&args.out.join(sources::FILE), list)
}

fn half(mut speakers: Vec<Speaker>, which: Half) -> Vec<Speaker> {
    // Those with much speech are shared out like those with little.
    speakers.sort_by(|a, b| b.seconds().total_cmp(&a.seconds()).then_with(|| a.name.cmp(&b.name)));
    let wanted = |at: usize| match which {
        Half::All => true,
        Half::Tune => at.is_multiple_of(2),
        Half::Test => !at.is_multiple_of(2),
    };
    speakers.into_iter().enumerate().filter(|(at, _)| wanted(*at)).map(|(_, speaker)| speaker).collect()
}

fn write(path: &Path, text: String) -> anyhow::Result<()> {
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

fn write_wav(path: &Path, samples: &[f32]) -> anyhow::Result<()> {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: 16_000,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut writer =
        hound::WavWriter::create(path, spec).with_context(|| format!("cannot write {}", path.display()))?;
    for &sample in samples {
        writer.write_sample((sample.clamp(-1.0, 1.0) * 32_767.0).round() as i16)?;
    }
    writer.finalize()?;
    Ok(())
}
