//! `throughline cancel ID`.

use crate::api::{Api, Server};

/// Arguments of the command.
#[derive(clap::Args)]
pub struct Args {
    /// Id of the recording.
    id: String,
    #[command(flatten)]
    server: Server,
}

/// Runs the command.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(Api::new(&args.server).cancel(&args.id))?;
    println!("{}: cancelled; `throughline reprocess` starts it again", args.id);
    Ok(())
}
