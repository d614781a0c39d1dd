//! `throughline man`.

use crate::printing;
use anyhow::Context;
use std::path::PathBuf;

/// Arguments of the command.
#[derive(clap::Args)]
pub struct Args {
    /// Folder that gets a page for every command, such as ~/.local/share/man/man1 [default: the main page, on standard output].
    #[arg(long, value_name = "FOLDER")]
    out_dir: Option<PathBuf>,
}

/// Writes manual pages; `program` is the whole command line.
pub fn run(args: &Args, program: clap::Command) -> anyhow::Result<()> {
    if let Some(folder) = &args.out_dir {
        let cannot = || format!("cannot write to {}", folder.display());
        std::fs::create_dir_all(folder).with_context(cannot)?;
        return clap_mangen::generate_to(program, folder).with_context(cannot);
    }
    let mut page = Vec::new();
    clap_mangen::Man::new(program).render(&mut page)?;
    printing::text(&String::from_utf8_lossy(&page));
    Ok(())
}
