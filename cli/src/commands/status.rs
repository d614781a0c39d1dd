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
    println!("{}", text(recording));
}

/// Status of a recording, in lines.
pub fn text(recording: &Recording) -> String {
    let mut lines = vec![format!("{} '{}': {}", recording.id, recording.title, words(&recording.state))];
    lines.extend(recording.failure.iter().map(|failure| format!("  error: {failure}")));
    lines.extend(recording.warnings.iter().map(|warning| format!("  warning: {warning}")));
    for gap in &recording.gaps {
        let (start, end) = (report::clock(gap.start_seconds), report::clock(gap.end_seconds));
        lines.push(format!("  gap from {start} to {end}: {}", gap.reason));
    }
    let done = match recording.chunks.total {
        Some(total) => format!("{} of {}", recording.chunks.done, report::count(total, "chunk")),
        None => report::count(recording.chunks.done, "chunk"),
    };
    lines.push(format!("  {done} done, models {}", recording.model_version));
    if let Some(seconds) = recording.duration_seconds {
        let speakers = report::count(recording.speakers.len() as u64, "speaker");
        lines.push(format!("  {} long, {speakers}", report::clock(seconds)));
    }
    lines.join("\n")
}

/// A state as people say it.
pub fn words(state: &str) -> &str {
    match state {
        "completed_with_gaps" => "completed with gaps",
        state => state,
    }
}
