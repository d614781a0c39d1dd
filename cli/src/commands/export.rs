//! `throughline export ID…`.

use crate::api::{Api, Server};
use crate::batch::outputs::{self, Form};
use crate::printing;
use anyhow::bail;
use std::path::PathBuf;

/// Arguments of the command.
#[derive(clap::Args)]
pub struct Args {
    /// Ids of recordings.
    #[arg(required = true, value_name = "ID")]
    ids: Vec<String>,
    /// Formats, with commas between: rttm, json, csv, srt, vtt, audacity, textgrid, eaf, label-studio.
    #[arg(long, value_name = "FORMAT,…", value_delimiter = ',', default_value = "rttm")]
    format: Vec<Form>,
    /// Folder for the files, which are named by id [default: standard output, of one recording in one format].
    #[arg(long, value_name = "FOLDER")]
    out_dir: Option<PathBuf>,
    #[command(flatten)]
    server: Server,
}

/// Runs the command.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let api = Api::new(&args.server);
    runtime.block_on(async {
        let Some(folder) = &args.out_dir else {
            let ([id], [form]) = (&args.ids[..], &args.format[..]) else {
                bail!("several files go to a folder: name it with --out-dir");
            };
            printing::text(&api.export(id, *form).await?);
            return Ok(());
        };
        outputs::prepare(folder)?;
        let mut failed = Vec::new();
        for id in &args.ids {
            for &form in &args.format {
                let path = folder.join(format!("{id}.{}", form.extension()));
                let written = async {
                    outputs::write(&path, &api.export(id, form).await?)?;
                    println!("{}", path.display());
                    anyhow::Ok(())
                };
                if let Err(error) = written.await {
                    failed.push(format!("{id}: {error:#}"));
                    break;
                }
            }
        }
        if failed.is_empty() {
            return Ok(());
        }
        bail!("{} of {} not exported:\n  {}", failed.len(), args.ids.len(), failed.join("\n  "))
    })
}
