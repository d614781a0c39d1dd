//! Bench: accuracy and speed on recordings with a reference.

pub mod analyses;
pub mod criteria;
pub mod cross_validation;
pub mod figures;
pub mod grid;
pub mod interval;
pub mod marks;
pub mod methods;
pub mod over_sources;
pub mod recordings;
pub mod report;
pub mod review;
pub mod show;
pub mod sources;
pub mod speed;
pub mod summary;
pub mod table;
