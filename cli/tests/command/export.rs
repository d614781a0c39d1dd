//! `throughline diarize --export`, read by other people's programs.

use crate::run::{interview, repository, text, throughline};
use diarization::export::Format;
use serde_json::{Value, json};
use std::process::Command;

/// `readers.py` over the files `stem`.* in `folder`.
fn read_by_others(folder: &str, stem: &str) -> Value {
    let python = repository(".throughline/tools/bin/python3");
    let output = Command::new(&python)
        .args([text(&repository("cli/tests/command/readers.py")), folder, stem])
        .output()
        .unwrap_or_else(|error| panic!("{}: {error}; run deploy/install --tests", python.display()));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

#[test]
fn every_export_says_to_its_own_reader_what_the_json_says() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |ending: &str| text(&folder.path().join(format!("talk.{ending}"))).to_owned();
    let audio = interview();
    let mut arguments =
        vec!["diarize".to_owned(), text(&audio).to_owned(), "--labels".into(), "Ann & Co,Bob <b>".into()];
    arguments.extend(["--json".to_owned(), file("json"), "--quiet".into()]);
    for format in Format::all() {
        arguments.extend(["--export".to_owned(), file(format.extension())]);
    }
    throughline(arguments).succeeds();
    let json: Value =
        serde_json::from_str(&std::fs::read_to_string(file("json")).expect("was written")).expect("JSON");
    let milliseconds = |seconds: &Value| (seconds.as_f64().expect("seconds") * 1000.0).round() as u64;
    let turns = json["turns"].as_array().expect("a list").iter();
    let mut wanted: Vec<(u64, u64, &str)> = turns
        .map(|turn| {
            (
                milliseconds(&turn["start"]),
                milliseconds(&turn["end"]),
                turn["speaker"].as_str().expect("a name"),
            )
        })
        .collect();
    wanted.sort_unstable();
    assert!(wanted.len() > 20);
    let read = read_by_others(text(folder.path()), "talk");
    assert_eq!(read.as_object().map(serde_json::Map::len), Some(Format::all().count()));
    for (format, turns) in read.as_object().expect("formats") {
        // SubRip has no way to write them.
        let name = |name: &str| {
            if format == "srt" { name.replace('<', "‹").replace('>', "›") } else { name.to_owned() }
        };
        let wanted: Vec<_> = wanted.iter().map(|(start, end, speaker)| (start, end, name(speaker))).collect();
        assert_eq!(turns, &json!(wanted), "{format}");
    }
}

#[test]
fn a_name_that_no_format_has_is_refused_before_anything_is_done() {
    let audio = interview();
    let said = throughline(["diarize", text(&audio), "--export", "talk.docx"]).complains();
    assert!(
        said.contains("must end in one of .csv, .srt, .vtt, .txt, .TextGrid, .eaf, .label-studio.json"),
        "{said}"
    );
}
