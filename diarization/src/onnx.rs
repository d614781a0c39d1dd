//! The two models on ONNX Runtime.

use crate::blocks::{WINDOW_FRAMES, WINDOW_SAMPLES};
use crate::embedding::{self, EmbeddingModel};
use crate::features::MEL_BINS;
use crate::manifest::{Manifest, ManifestError};
use crate::segmentation::{BATCH, CLASSES, SegmentationModel};
use ort::environment::Environment;
use ort::session::Session;
use ort::session::builder::{GraphOptimizationLevel, SessionBuilder};
use ort::value::TensorRef;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// The models cannot be loaded or run.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// The model folder cannot be used.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The shared library of ONNX Runtime is missing or unusable.
    #[error(
        "cannot load ONNX Runtime from {path}: {reason} (run deploy/install, or set THROUGHLINE_ONNXRUNTIME to libonnxruntime.so)"
    )]
    Runtime {
        /// Path at which it was looked for.
        path: PathBuf,
        /// Message of the loader.
        reason: String,
    },
    /// The CUDA provider was asked for and cannot be had.
    #[error("cannot run on CUDA: {0}")]
    Cuda(String),
    /// ONNX Runtime refused the model or the input.
    #[error("ONNX Runtime: {0}")]
    Inference(#[from] ort::Error),
    /// A model answered with another shape than it should.
    #[error("the {model} model answered with {found} values where {expected} were expected")]
    Shape {
        /// Name of the model.
        model: &'static str,
        /// Values received.
        found: usize,
        /// Values expected.
        expected: usize,
    },
}

/// Device that inference runs on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Device {
    /// One CPU thread per session.
    #[default]
    Cpu,
    /// The first CUDA device; needs the `cuda` feature and a GPU build of ONNX Runtime.
    Cuda,
}

impl std::fmt::Display for Device {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Cpu => "cpu",
            Self::Cuda => "cuda",
        })
    }
}

impl std::str::FromStr for Device {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "cpu" => Ok(Self::Cpu),
            "cuda" => Ok(Self::Cuda),
            other => Err(format!("unknown device '{other}': use cpu or cuda")),
        }
    }
}

/// Both models, loaded. Owned by one thread; each thread that infers has its own.
pub struct Models {
    manifest: Manifest,
    segmentation: Session,
    embedding: Session,
}

impl Models {
    /// Loads the models of `folder` after checking them against its manifest. `runtime` is ONNX Runtime's shared library;
    /// the first call in a process decides which one is used.
    pub fn load(folder: &Path, runtime: &Path, device: Device) -> Result<Self, ModelError> {
        let environment = environment(runtime)?;
        let manifest = Manifest::read(folder)?;
        let segmentation = manifest.segmentation.load(folder)?;
        let embedding = manifest.embedding.load(folder)?;
        Ok(Self {
            segmentation: builder(environment, device)?.commit_from_memory(&segmentation)?,
            embedding: builder(environment, device)?.commit_from_memory(&embedding)?,
            manifest,
        })
    }

    /// Manifest of the models that were loaded.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }
}

/// ONNX Runtime, loaded once per process.
fn environment(runtime: &Path) -> Result<&'static Environment, ModelError> {
    static LOADED: OnceLock<Result<Environment, String>> = OnceLock::new();
    let outcome = LOADED.get_or_init(|| {
        let builder = ort::init_from(runtime).map_err(|error| error.to_string())?;
        builder.with_telemetry(false).build().map_err(|error| error.to_string())
    });
    outcome
        .as_ref()
        .map_err(|reason| ModelError::Runtime { path: runtime.to_owned(), reason: reason.clone() })
}

/// One thread per session: on a CPU, one session per core does more than several threads in one session, and a single
/// thread adds in a fixed order.
fn builder(environment: &Environment, device: Device) -> Result<SessionBuilder, ModelError> {
    let builder = Session::builder(environment)?
        .with_intra_threads(1)
        .map_err(ort::Error::from)?
        .with_inter_threads(1)
        .map_err(ort::Error::from)?
        .with_optimization_level(GraphOptimizationLevel::All)
        .map_err(ort::Error::from)?;
    match device {
        Device::Cpu => Ok(builder),
        Device::Cuda => with_cuda(builder),
    }
}

#[cfg(feature = "cuda")]
fn with_cuda(builder: SessionBuilder) -> Result<SessionBuilder, ModelError> {
    let provider = ort::ep::CUDA::default().build().error_on_failure();
    builder.with_execution_providers([provider]).map_err(|error| {
        ModelError::Cuda(format!(
            "{error} (is THROUGHLINE_ONNXRUNTIME a GPU build, and are CUDA and cuDNN installed?)"
        ))
    })
}

#[cfg(not(feature = "cuda"))]
fn with_cuda(_: SessionBuilder) -> Result<SessionBuilder, ModelError> {
    Err(ModelError::Cuda(
        "this program was built without it; build with --features cuda, or use the device cpu".into(),
    ))
}

impl SegmentationModel for Models {
    fn log_probabilities(&mut self, waveforms: &[f32]) -> Result<Vec<f32>, ModelError> {
        let input = TensorRef::from_array_view(([BATCH, 1, WINDOW_SAMPLES], waveforms))?;
        let outputs = self.segmentation.run(ort::inputs!["waveform" => input])?;
        let (_, scores) = outputs["logprobs"].try_extract_tensor::<f32>()?;
        checked("segmentation", scores, BATCH * WINDOW_FRAMES * CLASSES)
    }
}

impl EmbeddingModel for Models {
    fn dimension(&self) -> usize {
        self.manifest.dimension()
    }

    fn embed(&mut self, features: &[f32], masks: &[f32]) -> Result<Vec<f32>, ModelError> {
        let frames = features.len() / MEL_BINS;
        let pooled = embedding::pooled_frames(frames);
        let pieces = masks.len() / pooled.max(1);
        let features = TensorRef::from_array_view(([1, frames, MEL_BINS], features))?;
        let masks = TensorRef::from_array_view(([pieces, pooled], masks))?;
        let outputs = self.embedding.run(ort::inputs!["fbank" => features, "masks" => masks])?;
        let (_, vectors) = outputs["embeddings"].try_extract_tensor::<f32>()?;
        checked("embedding", vectors, pieces * self.manifest.dimension())
    }
}

fn checked(model: &'static str, values: &[f32], expected: usize) -> Result<Vec<f32>, ModelError> {
    if values.len() == expected {
        Ok(values.to_vec())
    } else {
        Err(ModelError::Shape { model, found: values.len(), expected })
    }
}
