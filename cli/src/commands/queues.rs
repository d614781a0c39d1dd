//! `throughline queues`: pausing and resuming.

use crate::api::{Api, Server};
use clap::Subcommand;

/// Arguments of the command.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    server: Server,
}

#[derive(Subcommand)]
enum Action {
    /// Pause a queue; jobs already started are finished.
    Pause {
        /// Name of the queue; `throughline operations` lists them.
        name: String,
    },
    /// Resume a queue.
    Resume {
        /// Name of the queue.
        name: String,
    },
}

/// Runs the command.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let api = Api::new(&args.server);
        match &args.action {
            Action::Pause { name } => {
                api.set_queue(name, true).await?;
                println!("{name}: paused; jobs already started are finished");
            }
            Action::Resume { name } => {
                api.set_queue(name, false).await?;
                println!("{name}: resumed");
            }
        }
        Ok(())
    })
}
