//! Release: a rolling upgrade of the models stands half way all the while. Half of the services run with the models in force, the
//! others with those of the next release, so that recordings are pinned to either, and a reprocessing may go from one to the other.

use super::plan::Target;
use serde_json::{Value, json};
use service_kit::testing::required;
use sha2::{Digest, Sha256};
use std::fs;
use std::path::{Path, PathBuf};

/// Weights of the next release's embedding model that differ.
const CHANGED: usize = 64;
/// By which factor.
const FACTOR: f32 = 1.25;

/// A folder of models.
#[derive(Clone, Debug)]
pub struct Release {
    /// Folder of the models.
    pub models: PathBuf,
    /// Version of the models.
    pub model_version: String,
}

/// The models in force, and those of the next release, written to `folder`.
pub fn releases(folder: &Path) -> [Release; 2] {
    let models = PathBuf::from(required("THROUGHLINE_MODELS"));
    let mut manifest = manifest(&models);
    let in_force = Release { model_version: version(&manifest), models };
    let models = folder.join("next-models");
    fs::create_dir(&models).expect("a folder");
    let file = |part: &str| manifest[part]["file"].as_str().expect("the manifest names its files").to_owned();
    let (segmentation, embedding) = (file("segmentation"), file("embedding"));
    fs::copy(in_force.models.join(&segmentation), models.join(&segmentation)).expect("copies");
    let mut weights = fs::read(in_force.models.join(&embedding)).expect("the model is read");
    retrain(&mut weights);
    manifest["model_version"] = json!(format!("{}-next", in_force.model_version));
    manifest["embedding"]["sha256"] = json!(hex::encode(Sha256::digest(&weights)));
    fs::write(models.join(embedding), weights).expect("writes");
    fs::write(models.join("manifest.json"), manifest.to_string()).expect("writes");
    let next = Release { model_version: version(&manifest), models };
    [in_force, next]
}

/// Number of the release that runs at a post: every other post has been upgraded.
pub fn at(target: Target) -> usize {
    target.slot % 2
}

fn manifest(models: &Path) -> Value {
    let text = fs::read(models.join("manifest.json")).expect("a manifest");
    serde_json::from_slice(&text).expect("the manifest is JSON")
}

fn version(manifest: &Value) -> String {
    manifest["model_version"].as_str().expect("the manifest names its version").to_owned()
}

/// Changes some weights of an ONNX model a little. They lie there as little-endian floats, past a quarter of the file (its last layer, which
/// is not in 8 bits) among thousands of others, so at the alignment at which most around are numbers as weights are.
fn retrain(model: &mut [u8]) {
    let number = |bytes: &[u8]| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    let is_weight = |bytes: &&mut [u8]| (1e-6..10.0).contains(&number(bytes).abs());
    let there = model.len() / 4;
    let mut weights = |at: usize| {
        let around = model[at..].chunks_exact_mut(4).take(16 * CHANGED);
        around.filter(is_weight).count()
    };
    let at = (there..there + 4).max_by_key(|&at| weights(at)).expect("four of them");
    for bytes in model[at..].chunks_exact_mut(4).filter(is_weight).take(CHANGED) {
        let changed = number(bytes) * FACTOR;
        bytes.copy_from_slice(&changed.to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_weights_are_changed_where_they_lie_and_nothing_else() {
        let weight = |n: usize| 0.01 + (n % 7) as f32 / 100.0;
        let mut model = vec![0xff; 5];
        (0..4096).for_each(|n| model.extend(weight(n).to_le_bytes()));
        let before = model.clone();
        retrain(&mut model);
        let changed: Vec<usize> =
            (0..4096).filter(|n| model[5 + 4 * n..][..4] != before[5 + 4 * n..][..4]).collect();
        assert_eq!(changed.len(), CHANGED);
        assert_eq!(model.len(), before.len());
        assert_eq!(model[..5], before[..5]);
        let first = changed[0];
        assert_eq!(model[5 + 4 * first..][..4], (weight(first) * FACTOR).to_le_bytes());
    }
}
