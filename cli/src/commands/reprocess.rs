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
    /// Analyse the audio again, even if the earlier analysis could be reused.
    #[arg(long)]
    analyse: bool,
    #[command(flatten)]
    server: Server,
}

/// What is to be different; the rest stays as it was.
#[derive(clap::Args, Serialize)]
struct Changes {
    /// Probability from which two voices count as the same: lower merges more speakers, higher splits more.
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    threshold: Option<f64>,
    /// Exact number of speakers.
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
    /// Names of the speakers in the order in which they first speak: interview, numbered, or NAME,NAME,…
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    labels: Option<String>,
    /// What to do with the channels of the file: auto, mix or separate.
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    channels: Option<String>,
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
    let analysis = match begun.analyses.as_str() {
        "reused" => "reusing earlier analysis",
        _ => "analysing the audio again",
    };
    println!("{}: run {} started ({analysis})", args.id, begun.run);
    Ok(())
}
