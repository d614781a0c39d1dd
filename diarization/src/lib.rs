//! .

pub mod rttm;
pub mod scoring;
