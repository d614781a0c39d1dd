//! `throughline diarize --tracks`.

use crate::run::{repository, text, throughline};

#[test]
fn of_several_tracks_one_is_heard_with_a_word_on_the_others_unless_the_caller_chooses() {
    let folder = tempfile::tempdir().expect("a folder");
    let (file, json) =
        (repository("diarization/tests/data/clock/two_audio_tracks.m4a"), folder.path().join("out.json"));
    let speakers = |options: &str| {
        let run = throughline(
            ["diarize", text(&file), "--json", text(&json)].into_iter().chain(options.split_whitespace()),
        );
        let run = run.succeeds();
        let written = std::fs::read_to_string(&json).expect("the file was written");
        let json: serde_json::Value = serde_json::from_str(&written).expect("the file is JSON");
        (json["speakers"].as_array().map(Vec::len), run.stderr)
    };
    let (one, said) = speakers("");
    assert!(one == Some(1) && said.contains("2 audio tracks, of which track 1 was heard"), "{one:?} {said}");
    let (both, said) = speakers("--tracks all");
    assert!(both == Some(2) && said.is_empty(), "{both:?} {said}");
    let (second, said) = speakers("--tracks 2");
    assert!(second == Some(1) && said.is_empty(), "{second:?} {said}");
    let said = throughline(["diarize", text(&file), "--tracks", "3"]).complains();
    assert!(said.contains("no audio track 3: it has 2"), "{said}");
    let said = throughline(["diarize", text(&file), "--tracks", "both"]).complains();
    assert!(said.contains("default, all, or the number"), "{said}");
}
