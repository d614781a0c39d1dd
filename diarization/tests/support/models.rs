//! The real models. A test that needs them fails where they are missing; it is never skipped.

use diarization::installation;
use diarization::onnx::{Device, Models};

/// The models of this checkout, on the CPU.
pub fn load() -> Models {
    Models::load(&installation::models(), &installation::onnx_runtime(), Device::Cpu).unwrap_or_else(
        |error| panic!("these tests need the models and ONNX Runtime (deploy/install): {error}"),
    )
}
