//! Audio files as samples.

use std::path::Path;

/// All samples of the file at `path`, which is relative to the crate.
pub fn samples(path: &str) -> Vec<f32> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    let mut stream = diarization::audio::open(&path)
        .unwrap_or_else(|error| panic!("{} does not open: {error}", path.display()));
    let mut samples = Vec::new();
    while let Some(more) = stream.next_samples().expect("the file decodes") {
        samples.extend(more);
    }
    samples
}
