//! Bench: accuracy and speed on recordings with a reference.

pub mod analyses;
pub mod criteria;
pub mod marks;
pub mod recordings;
pub mod show;
pub mod summary;
