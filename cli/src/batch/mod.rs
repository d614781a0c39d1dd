//! Batch: many files with one command. What is the same whether they are diarized here or by the service.

pub mod inputs;
pub mod outputs;
pub mod tally;
