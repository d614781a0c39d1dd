//! Bench: accuracy and speed on recordings with a reference.

pub mod analyses;
pub mod criteria;
pub mod marks;
pub mod mean_voice;
pub mod recordings;
pub mod show;
pub mod summary;
