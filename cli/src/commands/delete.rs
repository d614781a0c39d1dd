//! `throughline delete ID…`.

use crate::api::{Api, Server};
use crate::report::count;
use anyhow::bail;
use std::io::{BufRead, IsTerminal, Write};

/// Arguments of the command.
#[derive(clap::Args)]
pub struct Args {
    /// Ids of recordings.
    #[arg(required = true, value_name = "ID")]
    ids: Vec<String>,
    /// Do not ask whether to.
    #[arg(long, short)]
    yes: bool,
    #[command(flatten)]
    server: Server,
}

/// Runs the command.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let many = count(args.ids.len() as u64, "recording");
    if !args.yes && !confirmed(&many)? {
        bail!("nothing was deleted");
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let api = Api::new(&args.server);
    let mut failed = Vec::new();
    for id in &args.ids {
        match runtime.block_on(api.delete(id)) {
            Ok(()) => println!("deleted {id}"),
            Err(error) => failed.push(format!("{id}: {error:#}")),
        }
    }
    if failed.is_empty() {
        return Ok(());
    }
    bail!("{} of {many} not deleted:\n  {}", failed.len(), failed.join("\n  "))
}

/// Asks at the terminal. Where there is none, nobody can say yes.
fn confirmed(many: &str) -> anyhow::Result<bool> {
    let stdin = std::io::stdin();
    if !stdin.is_terminal() {
        bail!("say --yes to delete {many} for good");
    }
    eprint!("Delete {many} for good, with audio, turns and corrections? [y/N] ");
    std::io::stderr().flush()?;
    let mut answer = String::new();
    stdin.lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
