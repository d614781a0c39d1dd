//! `throughline list`.

use crate::api::recordings::Wanted;
use crate::api::{Api, Server};
use crate::report;
use std::num::NonZeroUsize;

/// Arguments of the command.
#[derive(clap::Args)]
pub struct Args {
    /// Only recordings in these states, with commas between: queued, processing, completed, completed_with_gaps, failed, cancelled.
    #[arg(long, value_name = "STATE,…")]
    state: Option<String>,
    /// Only recordings with this in the title.
    #[arg(long, value_name = "TEXT")]
    title: Option<String>,
    /// Only recordings uploaded after this time, such as 2026-01-31T12:00:00Z.
    #[arg(long, value_name = "TIME")]
    after: Option<String>,
    /// Only recordings uploaded before this time.
    #[arg(long, value_name = "TIME")]
    before: Option<String>,
    /// Most recordings to list, newest first.
    #[arg(long, default_value = "50", value_name = "N")]
    limit: NonZeroUsize,
    /// Print ids and nothing else, for other commands.
    #[arg(long, short)]
    quiet: bool,
    #[command(flatten)]
    server: Server,
}

/// Runs the command.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let wanted = Wanted {
        state: args.state.clone(),
        title: args.title.clone(),
        after: args.after.clone(),
        before: args.before.clone(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let found = runtime.block_on(Api::new(&args.server).recordings(&wanted, args.limit.get()))?;
    if args.quiet {
        found.iter().for_each(|it| println!("{}", it.id));
        return Ok(());
    }
    if found.is_empty() {
        println!("No recordings.");
        return Ok(());
    }
    let mut table = report::table(&["id", "uploaded", "state", "length", "title"], 3..4);
    for it in found {
        let uploaded: String = it.created_at.replace('T', " ").chars().take(16).collect();
        let length = it.duration_seconds.map_or("?".into(), report::clock);
        table.add_row([it.id, uploaded, it.state.replace('_', " "), length, it.title]);
    }
    println!("{table}");
    Ok(())
}
