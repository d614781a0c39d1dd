//! `throughline completions SHELL`.

use crate::printing;
use clap_complete::Shell;

/// Arguments of the command.
#[derive(clap::Args)]
pub struct Args {
    /// The shell.
    shell: Shell,
}

/// Prints what the shell is to read; `program` is the whole command line.
pub fn run(args: &Args, mut program: clap::Command) -> anyhow::Result<()> {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut program, "throughline", &mut text);
    printing::text(&String::from_utf8_lossy(&text));
    Ok(())
}
