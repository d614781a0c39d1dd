//! `throughline reprocess ID`.

use crate::api::{Api, Server};
use serde::Serialize;

/// Arguments of the command.
#[derive(clap::Args)]
pub struct Args {
    /// Id of the recording.
    id: String,
    #[command(flatten)]
    changes: Changes,
    /// Analyse all of it anew, although what is stored could be used.
    #[arg(long)]
    analyse: bool,
    #[command(flatten)]
    server: Server,
}

/// What is to be different; the rest stays as it was.
#[derive(clap::Args, Serialize)]
struct Changes {
    /// Probability from which two voices count as the same.
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    threshold: Option<f64>,
    /// Number of speakers, in place of a range given before.
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    num_speakers: Option<u32>,
    /// Fewest speakers.
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    min_speakers: Option<u32>,
    /// Most speakers.
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    max_speakers: Option<u32>,
    /// numbered, interview, or names with commas between.
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    labels: Option<String>,
    /// auto, mix or separate: what is done with the channels of the file.
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    channels: Option<String>,
    /// default, all, or the number of one: which audio tracks of the file are heard.
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    tracks: Option<String>,
}

#[derive(Serialize)]
struct Body<'a> {
    #[serde(flatten)]
    changes: &'a Changes,
    analyse: &'static str,
}

/// Runs the command.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let body = Body { changes: &args.changes, analyse: if args.analyse { "always" } else { "auto" } };
    let begun = runtime.block_on(Api::new(&args.server).reprocess(&args.id, &body))?;
    println!(
        "{} is in run {}; its analyses are {}",
        args.id,
        begun.run,
        match begun.analyses.as_str() {
            "reused" => "used again",
            _ => "made anew",
        }
    );
    Ok(())
}
