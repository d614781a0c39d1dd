//! `throughline diarize`.

use crate::run::{clip, interview, text, throughline};
use diarization::installation;
use diarization::manifest::Manifest;
use diarization::rttm;
use serde_json::Value;
use std::path::Path;

/// Diarizes the interview with `options` and returns its RTTM, its JSON and what was printed.
fn diarize(folder: &Path, options: &str) -> (String, Value, String) {
    let (rttm, json) = (folder.join("out.rttm"), folder.join("out.json"));
    let interview = interview();
    let run = throughline(
        ["diarize", text(&interview), "--rttm", text(&rttm), "--json", text(&json)]
            .into_iter()
            .chain(options.split_whitespace()),
    )
    .succeeds();
    let read = |path| std::fs::read_to_string(path).expect("the file was written");
    (read(&rttm), serde_json::from_str(&read(&json)).expect("the file is JSON"), run.stdout)
}

#[test]
fn chunks_and_threads_change_neither_the_rttm_nor_the_json() {
    let folder = tempfile::tempdir().expect("a folder");
    let (rttm, json, _) = diarize(folder.path(), "--labels interview");
    assert!(rttm.lines().count() > 20, "{rttm}");
    for options in ["--chunk-blocks 1", "--chunk-blocks 4", "--chunk-blocks 1 --threads 2"] {
        let (other_rttm, other_json, _) = diarize(folder.path(), &format!("--labels interview {options}"));
        assert!(rttm == other_rttm, "{options}: the RTTM differs");
        assert!(json == other_json, "{options}: the JSON differs");
    }
}

#[test]
fn the_json_has_the_turns_of_the_rttm_and_the_table_names_both_speakers() {
    let folder = tempfile::tempdir().expect("a folder");
    let (rttm, json, table) = diarize(folder.path(), "--labels Ann,Bob");
    let segments = rttm::parse(&rttm).expect("the file is RTTM");
    let turns = json["turns"].as_array().expect("a list of turns");
    assert_eq!(segments.len(), turns.len());
    for (segment, turn) in segments.iter().zip(turns) {
        let seconds = |key: &str| turn[key].as_f64().expect("seconds");
        assert_eq!(segment.file, "interview_3min");
        assert_eq!(Some(segment.speaker.as_str()), turn["speaker"].as_str());
        // Both are rounded to the millisecond, the duration on its own.
        assert!((segment.start_s - seconds("start")).abs() < 1e-6, "{segment:?} {turn}");
        assert!((segment.end_s() - seconds("end")).abs() < 0.0011, "{segment:?} {turn}");
    }
    let speakers = json["speakers"].as_array().expect("a list of speakers");
    assert_eq!(speakers.iter().map(|s| &s["label"]).collect::<Vec<_>>(), ["Ann", "Bob"]);
    let manifest = Manifest::read(&installation::models()).expect("the models are there");
    for speaker in speakers {
        assert_eq!(speaker["embedding"].as_array().map(Vec::len), Some(manifest.dimension()));
        let said: f64 = segments.iter().filter(|s| speaker["label"] == s.speaker).map(|s| s.duration_s).sum();
        let seconds = speaker["speech_seconds"].as_f64().expect("seconds");
        assert!((said - seconds).abs() < 0.1, "{said} s in the RTTM, {seconds} s in the JSON");
    }
    let seconds = json["duration_seconds"].as_f64().expect("seconds");
    assert!((seconds - 180.0).abs() < 0.1, "{seconds}");
    assert!(table.contains("Ann") && table.contains("Bob") && !table.contains("SPEAKER_"), "{table}");
    assert!(table.contains("Opus in Ogg") && table.contains("real time"), "{table}");
}

#[test]
fn a_quiet_run_prints_nothing() {
    let run = throughline(["diarize", text(&clip()), "--quiet"]).succeeds();
    assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("", ""));
}

#[test]
fn a_number_of_speakers_is_obeyed() {
    let (rttm, json, _) = diarize(tempfile::tempdir().expect("a folder").path(), "--num-speakers 3");
    assert_eq!(json["speakers"].as_array().map(Vec::len), Some(3));
    assert!(rttm.contains("SPEAKER_02"), "{rttm}");
}

#[test]
fn options_that_cannot_hold_are_refused_in_words() {
    for (options, message) in [
        ("--num-speakers 2 --min-speakers 1", "either the exact number of speakers or a minimum and maximum"),
        ("--min-speakers 3 --max-speakers 2", "at least 3 speakers and at most 2 cannot both hold"),
        ("--num-speakers 0", "the number of speakers must be 1 to 100, not 0"),
        ("--max-speakers 101", "the number of speakers must be 1 to 100, not 101"),
        ("--threshold 1.5", "must lie between 0.01 and 0.99, not 1.5"),
        ("--threshold NaN", "must lie between 0.01 and 0.99, not NaN"),
        ("--chunk-blocks 0", "--chunk-blocks must be 1 to 20, not 0"),
        ("--chunk-blocks 21", "--chunk-blocks must be 1 to 20, not 21"),
        ("--labels Ann,Ann", "the speaker name 'Ann' is given twice"),
        ("--labels Ann,,Bob", "cannot be a speaker's name"),
        ("--device tpu", "unknown device 'tpu'"),
    ] {
        let clip = clip();
        let complaint =
            throughline(["diarize", text(&clip)].into_iter().chain(options.split(' '))).complains();
        assert!(complaint.contains(message), "{options}: {complaint}");
    }
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let complaint = throughline(["diarize", "no_such_recording.wav"]).complains();
    assert!(complaint.contains("no_such_recording.wav"), "{complaint}");
}

#[test]
fn an_output_that_cannot_be_written_is_named() {
    let complaint = throughline(["diarize", text(&clip()), "--rttm", "no_such_folder/out.rttm"]).complains();
    assert!(complaint.contains("cannot write no_such_folder/out.rttm"), "{complaint}");
}
