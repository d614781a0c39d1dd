//! One file per command.

pub mod bench;
pub mod bench_data;
pub mod cancel;
pub mod completions;
pub mod correct;
pub mod dead_letters;
pub mod delete;
pub mod diarize;
pub mod diarize_many;
pub mod export;
pub mod list;
pub mod man;
pub mod migrate;
pub mod models;
pub mod operations;
pub mod queues;
pub mod reprocess;
pub mod score;
pub mod status;
pub mod submit;
pub mod submit_many;
pub mod token;
