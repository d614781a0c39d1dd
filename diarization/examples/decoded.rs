//! Output of decoding files: length, a sum over all samples, and the warnings, one line a file. Two builds that print the same read the
//! files alike.
//!
//! `cargo run --release -p diarization --example decoded -- FILES`

use diarization::audio::{self, SAMPLE_RATE};
use sha2::{Digest, Sha256};
use std::path::Path;

fn main() {
    for file in std::env::args().skip(1) {
        match decoded(Path::new(&file)) {
            Ok(line) => println!("{file}\t{line}"),
            Err(error) => println!("{file}\trefused: {error}"),
        }
    }
}

fn decoded(path: &Path) -> Result<String, audio::AudioError> {
    let mut stream = audio::open(path)?;
    let (mut sum, mut count) = (Sha256::new(), 0);
    while let Some(samples) = stream.next_samples()? {
        count += samples.len();
        samples.iter().for_each(|sample| sum.update(sample.to_le_bytes()));
    }
    let seconds = count as f64 / f64::from(SAMPLE_RATE);
    Ok(format!("{seconds:.4} s\t{}\t{:?}", &hex::encode(sum.finalize())[..16], stream.warnings()))
}
