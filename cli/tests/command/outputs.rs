//! Destinations of results and messages: files, standard output, a reader who leaves, a disk that is full.

use crate::run::{clip, interview, text, throughline};
use serde_json::Value;
use std::fs::{self, File};
use std::process::{Command, Output, Stdio};

/// `throughline` with `arguments`, whose reader has left before the first line.
fn unread(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_throughline"));
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    command.args(arguments).stdout(writer).stderr(Stdio::piped());
    command.output().expect("the program starts")
}

#[test]
fn a_reader_who_leaves_ends_a_command_quietly_and_files_are_written_all_the_same() {
    let folder = tempfile::tempdir().expect("a folder");
    let rttm = folder.path().join("out.rttm");
    let clip = clip();
    for arguments in [vec!["token"], vec!["--help"], vec!["diarize", text(&clip), "--rttm", text(&rttm)]] {
        let Output { status, stderr, .. } = unread(&arguments);
        let told = String::from_utf8_lossy(&stderr);
        assert!(status.success() && told.is_empty(), "{arguments:?}: {status}, {told}");
    }
    assert!(fs::read_to_string(rttm).expect("is written").starts_with("SPEAKER "));
}

#[test]
fn a_reader_of_errors_who_leaves_changes_nothing() {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let mut command = Command::new(env!("CARGO_BIN_EXE_throughline"));
    let status = command.args(["diarize", "no_such_file.wav"]).stderr(writer).status().expect("starts");
    assert_eq!(status.code(), Some(1));
}

#[test]
fn standard_output_that_is_full_is_a_failure_in_words() {
    let full = File::options().write(true).open("/dev/full").expect("is there");
    let mut command = Command::new(env!("CARGO_BIN_EXE_throughline"));
    let output = command.arg("token").stdout(full).stderr(Stdio::piped()).output().expect("starts");
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("cannot write to standard output: No space left on device"), "{told}");
}

#[test]
fn places_that_cannot_be_written_are_found_before_the_models_are_loaded() {
    let folder = tempfile::tempdir().expect("a folder");
    let (clip, folder) = (clip(), text(folder.path()).to_owned());
    for (option, place) in [
        ("--rttm", "no_such_folder/out.rttm"),
        ("--json", folder.as_str()),
        ("--export", "no_such_folder/out.srt"),
    ] {
        let complaint =
            throughline(["diarize", text(&clip), "--models", "no_such_models", option, place]).complains();
        assert!(complaint.contains(&format!("cannot write {place}")), "{option} {place}: {complaint}");
    }
    let wanted = ["bench", &folder, "--json", "no_such_folder/out.json"];
    fs::copy(clip, format!("{folder}/clip.flac")).expect("copies");
    fs::write(format!("{folder}/clip.rttm"), "SPEAKER clip 1 0 1 <NA> <NA> a <NA> <NA>\n").expect("writes");
    let complaint = throughline(wanted.into_iter().chain(["--models", "no_such_models"])).complains();
    assert!(complaint.contains("cannot write no_such_folder/out.json"), "{complaint}");
}

#[test]
fn a_file_that_is_there_keeps_its_content_until_there_is_a_result_and_none_is_left_behind() {
    let folder = tempfile::tempdir().expect("a folder");
    let (old, new) = (folder.path().join("old.rttm"), folder.path().join("new.json"));
    fs::write(&old, "what was there\n").expect("writes");
    throughline(["diarize", "no_such_recording.wav", "--rttm", text(&old), "--json", text(&new)]).complains();
    assert_eq!(fs::read_to_string(&old).expect("reads"), "what was there\n");
    assert!(!new.exists());
}

#[test]
fn a_result_that_cannot_be_written_after_all_is_kept_elsewhere_and_the_others_are_written() {
    let folder = tempfile::tempdir().expect("a folder");
    let (json, clip) = (folder.path().join("out.json"), clip());
    let mut command = Command::new(env!("CARGO_BIN_EXE_throughline"));
    let arguments = ["diarize", text(&clip), "--rttm", "/dev/full", "--json", text(&json)];
    let output = command.args(arguments).env("TMPDIR", folder.path()).output().expect("starts");
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{told}");
    let place = told.split("the result is in ").nth(1).expect("says where").trim();
    assert!(told.contains("cannot write /dev/full: No space left on device"), "{told}");
    let kept = fs::read_to_string(place).expect("the result is there");
    let turns: Value = serde_json::from_str(&fs::read_to_string(json).expect("is written")).expect("JSON");
    assert_eq!(kept.lines().count(), turns["turns"].as_array().expect("turns").len());
}

#[test]
fn a_dash_is_standard_output_with_nothing_beside_the_result() {
    let folder = tempfile::tempdir().expect("a folder");
    let interview = interview();
    let run = |option: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_throughline"));
        let arguments = ["diarize", text(&interview)].into_iter().chain(option.iter().copied());
        let output = command.args(arguments).current_dir(folder.path()).output().expect("starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("UTF-8")
    };
    let json: Value = serde_json::from_str(&run(&["--json", "-"])).expect("nothing but JSON");
    let turns = json["turns"].as_array().expect("turns").len();
    assert!(turns > 20);
    let rttm = run(&["--rttm", "-", "--json", "out.json"]);
    assert!(rttm.lines().all(|line| line.starts_with("SPEAKER ")) && rttm.lines().count() == turns, "{rttm}");
    assert!(run(&["--export", "-.srt"]).starts_with("1\n00:00:"));
    let left: Vec<_> =
        fs::read_dir(folder.path()).expect("reads").flatten().map(|it| it.file_name()).collect();
    assert_eq!(left, ["out.json"]);
}

#[test]
fn standard_output_takes_one_result() {
    let complaint = throughline(["diarize", text(&clip()), "--rttm", "-", "--json", "-"]).complains();
    assert!(complaint.contains("only one result can go to standard output"), "{complaint}");
}
