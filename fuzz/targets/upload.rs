//! An upload from anybody: its form, its query, its headers and names go through the real parsers, and what comes out can be
//! shown, stored and written.

#![no_main]

use ingest::fuzzing::{is_harmless, upload};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let outcome = upload(data);
    assert!(is_harmless(&outcome), "{outcome:?}");
});
