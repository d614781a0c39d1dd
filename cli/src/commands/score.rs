//! `throughline score REF HYP`.

use crate::report;
use anyhow::{Context, bail};
use diarization::rttm::{self, Segment};
use diarization::scoring::{self, Options};
use std::path::{Path, PathBuf};

/// Arguments of the command.
#[derive(clap::Args)]
pub struct Args {
    /// Reference RTTM.
    reference: PathBuf,
    /// RTTM to score.
    hypothesis: PathBuf,
    /// Seconds not scored on each side of a border in the reference.
    #[arg(long, default_value_t = 0.0, value_name = "S")]
    collar: f64,
    /// Do not score overlapping speech.
    #[arg(long)]
    skip_overlap: bool,
    /// Fail when the diarization error rate is above this many percent.
    #[arg(long, value_name = "PERCENT")]
    max_der: Option<f64>,
}

/// Reads the segments of an RTTM file.
pub fn read(path: &Path) -> anyhow::Result<Vec<Segment>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let segments = rttm::parse(&text).with_context(|| path.display().to_string())?;
    // An empty file says that nobody speaks; another kind of file says nothing.
    if segments.is_empty() && !text.trim().is_empty() {
        bail!("{} holds no SPEAKER line: is it RTTM?", path.display());
    }
    Ok(segments)
}

/// Runs the command.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let options = Options { collar_s: args.collar, skip_overlap: args.skip_overlap };
    let score = scoring::score(&read(&args.reference)?, &read(&args.hypothesis)?, &options);
    let percent = |x: f64| format!("{:.2} %", 100.0 * x);
    let mut table =
        report::table(&["DER", "miss", "false alarm", "confusion", "JER", "speakers found / true"], 0..6);
    table.add_row([
        percent(score.der()),
        percent(score.miss()),
        percent(score.false_alarm()),
        percent(score.confusion()),
        percent(score.jer),
        format!("{} / {}", score.speakers_hypothesis, score.speakers_reference),
    ]);
    println!("{table}");
    println!(
        "{:.1} s of reference speech, collar ±{} s, overlapping speech {}",
        score.reference_s,
        args.collar,
        if args.skip_overlap { "not scored" } else { "scored" }
    );
    for (found, truth) in &score.mapping {
        println!("  {found} = {truth}");
    }
    match args.max_der {
        Some(most) if 100.0 * score.der() > most => bail!("the DER is above {most} %"),
        _ => Ok(()),
    }
}
