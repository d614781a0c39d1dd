//! `throughline token`.

use rand::TryRngCore;
use rand::rngs::OsRng;
use sha2::{Digest, Sha256};

/// Random bytes of a token.
const BYTES: usize = 32;

/// Arguments of the command.
#[derive(clap::Args)]
pub struct Args {
    /// Name of the token's owner, for the file named by THROUGHLINE_API_TOKENS_FILE.
    #[arg(default_value = "name", value_parser = name)]
    name: String,
}

fn name(text: &str) -> Result<String, String> {
    let fits = (1..=80).contains(&text.len())
        && text.chars().all(|c| c.is_ascii_graphic())
        && !text.starts_with('#');
    if fits {
        Ok(text.to_owned())
    } else {
        Err("use up to 80 printable ASCII characters without blanks".to_owned())
    }
}

/// Runs the command.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let mut random = [0; BYTES];
    OsRng.try_fill_bytes(&mut random)?;
    let token = hex::encode(random);
    let digest = hex::encode(Sha256::digest(&token));
    println!("THROUGHLINE_API_TOKEN={token}");
    println!("  for the caller; shown only once");
    println!("THROUGHLINE_API_TOKEN_SHA256={digest}");
    println!("  for the service; or, as one of several tokens, this line in its tokens file:");
    println!("{} {digest}", args.name);
    Ok(())
}
