//! The `throughline` command, run as its users run it. Needs the models and ONNX Runtime (deploy/install); a test fails
//! where they are missing.

mod batch;
mod bench;
mod channels;
mod diarize;
mod export;
mod formats;
mod help;
mod installation;
mod outputs;
mod run;
mod score;
mod submit;
mod tracks;
