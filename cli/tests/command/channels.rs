//! `throughline diarize --channels`.

#[path = "../../../diarization/tests/support/call.rs"]
mod call;

use crate::run::{Run, clip, text, throughline};
use call::{call, write_wav};
use serde_json::Value;
use std::path::Path;

fn diarize(file: &Path, folder: &Path, options: &str) -> (Run, Value) {
    let json = folder.join("out.json");
    let run = throughline(
        ["diarize", text(file), "--json", text(&json)].into_iter().chain(options.split_whitespace()),
    )
    .succeeds();
    let text = std::fs::read_to_string(&json).expect("the file was written");
    (run, serde_json::from_str(&text).expect("the file is JSON"))
}

#[test]
fn a_call_is_told_apart_by_its_channels_unless_the_caller_wants_them_mixed() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("call.wav");
    let call = call(40.0, 0.1, 0.01);
    write_wav(&file, &[&call.channels[0], &call.channels[1]]);
    let speakers = |json: &Value| json["speakers"].as_array().map(Vec::len);

    let (run, json) = diarize(&file, folder.path(), "");
    assert_eq!((json["channels"].as_str(), speakers(&json)), (Some("separate"), Some(2)));
    assert!(run.stdout.contains("both channels by themselves") && run.stderr.is_empty(), "{run:?}");
    let (_, chunks) = diarize(&file, folder.path(), "--chunk-blocks 1 --threads 2");
    assert!(json == chunks, "chunks and threads change nothing");
    assert!(json == diarize(&file, folder.path(), "--channels separate").1, "nor does it to ask for it");

    let (run, json) = diarize(&file, folder.path(), "--channels mix");
    assert_eq!((json["channels"].as_str(), speakers(&json)), (Some("mix"), Some(2)));
    assert!(!run.stdout.contains("by themselves") && run.stderr.is_empty(), "{run:?}");

    let (run, json) = diarize(&file, folder.path(), "--channels separate --num-speakers 1");
    assert_eq!(speakers(&json), Some(2));
    assert!(run.stderr.contains("1 speaker asked for, and 2 found"), "{run:?}");
}

#[test]
fn what_cannot_be_separated_is_said_and_so_is_a_word_that_means_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let (run, json) = diarize(&clip(), folder.path(), "--channels separate");
    assert!(run.stderr.contains("one channel") && json["channels"] == "mix", "{run:?}");

    let file = folder.path().join("many.wav");
    let noise: Vec<f32> = (0..8000).map(|n| (n as f32 * 0.7).sin() * 0.1).collect();
    write_wav(&file, &vec![&noise[..]; 64]);
    let said = throughline(["diarize", text(&file), "--channels", "separate"]).complains();
    assert!(said.contains("64 channels") && said.contains("`mix`"), "{said}");
    throughline(["diarize", text(&file), "--channels", "mix"]).succeeds();
    let said = throughline(["diarize", text(&file), "--channels", "left"]).complains();
    assert!(said.contains("auto, mix or separate"), "{said}");
}
