//! Who spoke when: samples in, turns out.

pub mod audio;
