//! `throughline status ID`.

use crate::api::{Api, Recording, Server};
use crate::report;

/// Arguments of the command.
#[derive(clap::Args)]
pub struct Args {
    /// Id of the recording.
    id: String,
    /// Print the turns too; they are provisional until the recording is completed.
    #[arg(long)]
    turns: bool,
    #[command(flatten)]
    server: Server,
}

/// Runs the command.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let api = Api::new(&args.server);
        let recording = api.recording(&args.id).await?;
        print(&recording);
        if args.turns {
            report::print(&api.turns(&args.id).await?, &recording.speakers);
        }
        Ok(())
    })
}

/// Prints what is known of a recording.
pub fn print(recording: &Recording) {
    let total = recording.chunks.total.map_or("?".into(), |n| n.to_string());
    println!("{} '{}': {}", recording.id, recording.title, recording.state);
    if let Some(failure) = &recording.failure {
        println!("  it failed: {failure}");
    }
    for warning in &recording.warnings {
        println!("  warning: {warning}");
    }
    for gap in &recording.gaps {
        let (start, end) = (report::clock(gap.start_seconds), report::clock(gap.end_seconds));
        println!("  gap from {start} to {end}: {}", gap.reason);
    }
    println!("  {} of {total} chunks matched, models {}", recording.chunks.done, recording.model_version);
    if let Some(seconds) = recording.duration_seconds {
        println!("  {} long, {} speaker(s)", report::clock(seconds), recording.speakers.len());
    }
}
