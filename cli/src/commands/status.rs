//! .
/// Arguments of the command.
#[derive(clap::Args)]
pub struct Args {}
/// Runs the command.
pub fn run(_args: &Args) -> anyhow::Result<()> { Ok(()) }
