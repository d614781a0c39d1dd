//! Installation: where the models and ONNX Runtime are when nobody says.

use std::env;
use std::path::{Path, PathBuf};

/// The model folder: THROUGHLINE_MODELS, else `models` here or above the program.
pub fn models() -> PathBuf {
    named(&["THROUGHLINE_MODELS"])
        .or_else(|| nearby("models/manifest.json")?.parent().map(Path::to_owned))
        .unwrap_or("models".into())
}

/// ONNX Runtime's shared library: THROUGHLINE_ONNXRUNTIME or ORT_DYLIB_PATH, else the one that deploy/install put here or
/// above the program, else the system's.
pub fn onnx_runtime() -> PathBuf {
    named(&["THROUGHLINE_ONNXRUNTIME", "ORT_DYLIB_PATH"])
        .or_else(|| nearby(".throughline/onnxruntime/libonnxruntime.so"))
        .unwrap_or("libonnxruntime.so".into())
}

fn named(variables: &[&str]) -> Option<PathBuf> {
    variables.iter().find_map(env::var_os).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// `file` in the working folder, or in a folder above the program.
fn nearby(file: &str) -> Option<PathBuf> {
    let here = env::current_dir().ok();
    let program = env::current_exe().ok();
    let above = program.iter().flat_map(|p| p.ancestors().skip(1)).map(Path::to_owned);
    here.into_iter().chain(above).map(|folder| folder.join(file)).find(|path| path.exists())
}
