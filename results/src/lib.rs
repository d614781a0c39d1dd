//! Results: what is stored of who spoke when, and how it is read and replaced. What the matcher does when a recording is completed, and
//! the API when a person corrects it, is the same, so it is here once.
//!
//! [`analysis`] is what workers sent, read page by page as [`chunks`]; a [`reading`] labels a whole recording, by clustering it or by the
//! [`decision`] that was stored when that was done, and applies [`corrections`]; an [`outcome`] replaces [`turns`], [`matches`] and [`speakers`].

pub mod analysis;
pub mod chunks;
pub mod corrections;
pub mod decision;
pub mod matches;
pub mod outcome;
pub mod reading;
pub mod speakers;
pub mod turns;
