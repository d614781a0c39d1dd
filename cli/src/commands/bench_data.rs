//! `throughline bench-data SPEAKERS OUT`: recordings with an exact reference, for `throughline bench`.

use crate::synthesis::conversation::Kind;
use crate::synthesis::material::{self, Speaker};
use crate::synthesis::recording;
use anyhow::{Context, bail};
use clap::ValueEnum;
use diarization::rttm;
use std::path::{Path, PathBuf};

/// Arguments of the command.
#[derive(clap::Args)]
pub struct Args {
    /// Folder with one folder of audio files per speaker.
    speakers: PathBuf,
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
    let speakers = half(material::read(&args.speakers)?, args.half);
    let kinds = if args.kind.is_empty() { Kind::value_variants().to_vec() } else { args.kind.clone() };
    std::fs::create_dir_all(&args.out).with_context(|| format!("cannot make {}", args.out.display()))?;
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
