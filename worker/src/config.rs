//! Configuration of a worker.

use clap::Parser;
use diarization::onnx::Device;
use service_kit::config::{AdminConfig, BrokerConfig, StoppingConfig, StoreConfig, TelemetryConfig};
use std::path::PathBuf;

/// Analyses chunks of recordings.
#[derive(Parser, Clone, Debug)]
#[command(name = "throughline-worker", version)]
pub struct Config {
    /// Where RabbitMQ is.
    #[command(flatten)]
    pub broker: BrokerConfig,
    /// Where chunks are.
    #[command(flatten)]
    pub store: StoreConfig,
    /// Logs and traces.
    #[command(flatten)]
    pub telemetry: TelemetryConfig,
    /// Health and metrics.
    #[command(flatten)]
    pub admin: AdminConfig,
    /// Folder with manifest.json and the models [default: models/ nearby].
    #[arg(long, env = "THROUGHLINE_MODELS")]
    pub models: Option<PathBuf>,
    /// ONNX Runtime's shared library [default: the one deploy/install fetched].
    #[arg(long, env = "THROUGHLINE_ONNXRUNTIME")]
    pub onnxruntime: Option<PathBuf>,
    /// Where to infer: cpu or cuda.
    #[arg(long, env = "THROUGHLINE_DEVICE", default_value = "cpu")]
    pub device: Device,
    /// Inference threads, each with its own copy of the models. One per core does most.
    #[arg(long, env = "THROUGHLINE_WORKER_THREADS", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub threads: u16,
    /// Seconds after which an inference counts as hanging: the attempt is counted and the worker ends. The longest chunk
    /// takes some 20 s on one core.
    #[arg(long, env = "THROUGHLINE_INFERENCE_SECONDS", default_value_t = 300, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub inference_seconds: u64,
    /// How it stops.
    #[command(flatten)]
    pub stopping: StoppingConfig,
}
