//! `throughline models`.

use crate::options::ModelOptions;

/// Arguments of the command.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    models: ModelOptions,
}

/// Runs the command: loads both models, which checks them.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let models = args.models.load()?;
    let manifest = models.manifest();
    println!("{} in {}", manifest.model_version, args.models.folder().display());
    for (role, model) in [("segmentation", &manifest.segmentation), ("embedding", &manifest.embedding)] {
        println!("  {role}: {} ({}), sha256 {}", model.file, model.licence, model.sha256);
        println!("    {}", model.provenance);
    }
    println!(
        "  voice vectors of {} numbers; both files match the manifest and can be loaded",
        manifest.dimension()
    );
    Ok(())
}
