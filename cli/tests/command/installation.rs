//! Messages where the models or ONNX Runtime are missing or damaged.

use crate::run::{clip, text, throughline};
use serde_json::{Value, json};
use std::path::Path;

/// Diarizes a clip with the models of `folder`, which must fail.
fn complaint_with_models(folder: &Path) -> String {
    throughline(["diarize", text(&clip()), "--models", text(folder)]).complains()
}

/// A copy of the models with `change` made to their manifest.
fn models_with(change: impl Fn(&mut Value)) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let original = diarization::installation::models();
    for file in std::fs::read_dir(&original).expect("there are models") {
        let from = file.expect("a file").path();
        let name = from.file_name().expect("a file has a name");
        std::fs::copy(&from, folder.path().join(name)).expect("it is copied");
    }
    let path = folder.path().join("manifest.json");
    let text = std::fs::read_to_string(&path).expect("there is a manifest");
    let mut manifest: Value = serde_json::from_str(&text).expect("it is JSON");
    change(&mut manifest);
    std::fs::write(&path, manifest.to_string()).expect("it is written");
    folder
}

#[test]
fn the_models_match_their_manifest_and_load() {
    let run = throughline(["models"]).succeeds();
    assert!(run.stdout.contains("both files match the manifest and can be loaded"), "{}", run.stdout);
}

#[test]
fn an_unchanged_copy_of_the_models_does_as_well() {
    let folder = models_with(|_| {});
    throughline(["models", "--models", text(folder.path())]).succeeds();
}

#[test]
fn a_model_with_another_checksum_is_refused() {
    for (role, file) in [("segmentation", "segmentation-3.0.onnx"), ("embedding", "resnet34-lm.onnx")] {
        let wrong = "0".repeat(64);
        let folder = models_with(|manifest| manifest[role]["sha256"] = json!(wrong));
        let complaint = complaint_with_models(folder.path());
        assert!(
            complaint.contains(file) && complaint.contains("is damaged or is another model"),
            "{complaint}"
        );
        assert!(complaint.contains(&format!("the manifest says {wrong}")), "{complaint}");
    }
}

#[test]
fn models_of_another_sample_rate_are_refused() {
    let folder = models_with(|manifest| manifest["embedding"]["sample_rate"] = json!(8000));
    let complaint = complaint_with_models(folder.path());
    assert!(complaint.contains("wants 8000 Hz; this program works at 16000 Hz"), "{complaint}");
}

#[test]
fn a_folder_without_models_is_refused_with_what_to_do() {
    let folder = tempfile::tempdir().expect("a folder");
    let complaint = complaint_with_models(folder.path());
    assert!(
        complaint.contains("manifest.json") && complaint.contains("set THROUGHLINE_MODELS"),
        "{complaint}"
    );
}

#[test]
fn a_missing_or_broken_onnx_runtime_is_refused_with_what_to_do() {
    let folder = tempfile::tempdir().expect("a folder");
    let broken = folder.path().join("libonnxruntime.so");
    let missing = folder.path().join("missing.so");
    std::fs::write(&broken, "no library").expect("it is written");
    for runtime in [broken, missing] {
        let complaint = throughline(["diarize", text(&clip()), "--onnxruntime", text(&runtime)]).complains();
        let message = format!("cannot load ONNX Runtime from {}", runtime.display());
        assert!(complaint.contains(&message), "{complaint}");
        assert!(complaint.contains("run deploy/install, or set THROUGHLINE_ONNXRUNTIME"), "{complaint}");
    }
}
