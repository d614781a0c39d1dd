//! `throughline diarize` of many files.

use crate::run::{clip, repository, text, throughline};
use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};

/// A folder with two recordings, one of them further down, one file that is none although it is called so, and notes.
fn recordings() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str| folder.path().join(name);
    fs::create_dir(file("deeper")).expect("a folder");
    fs::copy(clip(), file("one.flac")).expect("is copied");
    fs::copy(repository("diarization/tests/data/formats/m4a_alac.m4a"), file("deeper/two.m4a"))
        .expect("is copied");
    fs::write(file("broken.wav"), "no sound").expect("is written");
    fs::write(file("notes.txt"), "not a recording").expect("is written");
    folder
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn a_folder_becomes_a_folder_of_results_and_what_fails_is_said_at_the_end() {
    let (folder, out) = (recordings(), tempfile::tempdir().expect("a folder"));
    let out = out.path().join("results");
    let (from, to) = (text(folder.path()).to_owned(), text(&out).to_owned());
    let batch = ["diarize", &from, "--out-dir", &to, "--format", "rttm,json,srt", "--jobs", "2"];
    let run = throughline(batch);
    assert_eq!(run.code, Some(1), "{run:#?}");
    assert!(run.stderr.contains("1 of 3 files failed") && run.stderr.contains("broken.wav"), "{run:#?}");
    for line in ["[1/3] ", "[2/3] ", "[3/3] ", "one.flac: ", "two.m4a: ", "2 files done, 1 failed"] {
        assert!(run.stdout.contains(line), "{line}: {run:#?}");
    }
    for name in ["one", "deeper/two"] {
        for ending in ["rttm", "json", "srt"] {
            assert!(out.join(format!("{name}.{ending}")).is_file(), "{name}.{ending}");
        }
    }
    assert_eq!(
        fs::read_dir(&out).expect("a folder").count(),
        4,
        "nothing of what failed, and nothing half written"
    );

    // The same as of one file by itself.
    let alone = folder.path().join("alone");
    let one = folder.path().join("one.flac");
    let (rttm, json) = (alone.with_extension("rttm"), alone.with_extension("json"));
    throughline(["diarize", text(&one), "--rttm", text(&rttm), "--json", text(&json), "-q"]).succeeds();
    assert_eq!(read(&rttm), read(&out.join("one.rttm")));
    assert_eq!(read(&json), read(&out.join("one.json")));

    // Again, with what was broken mended: only that is done.
    fs::copy(clip(), folder.path().join("broken.wav")).expect("is copied");
    fs::write(out.join("one.rttm"), "kept").expect("is written");
    let run = throughline(batch.into_iter().chain(["--skip-existing"])).succeeds();
    assert!(run.stdout.contains("1 file done, 2 skipped"), "{run:#?}");
    assert_eq!(read(&out.join("one.rttm")), "kept");
}

#[test]
fn standard_input_is_a_file_too() {
    let out = tempfile::tempdir().expect("a folder");
    let piped = |options: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_throughline"))
            .args(["diarize", "-", "--quiet"])
            .args(options)
            .stdin(Stdio::from(File::open(clip()).expect("opens")))
            .status()
            .expect("the program starts")
    };
    let rttm = out.path().join("one.rttm");
    assert!(piped(&["--rttm", text(&rttm)]).success());
    assert!(piped(&["--out-dir", text(out.path())]).success());
    assert!(read(&rttm).contains("SPEAKER stdin 1 "));
    assert_eq!(read(&rttm), read(&out.path().join("stdin.rttm")));
}

#[test]
fn what_cannot_be_is_refused_before_anything_is_loaded() {
    let folder = recordings();
    let (clip, folder) = (clip(), text(folder.path()).to_owned());
    let file = format!("{folder}/notes.txt");
    for (arguments, message) in [
        (vec![text(&clip), &folder], "name it with --out-dir"),
        (vec![&folder], "name it with --out-dir"),
        (vec![text(&clip), "--out-dir", &file], "cannot make the folder"),
        (vec![text(&clip), "--out-dir", &folder, "--format", "docx"], "use one of rttm, json, csv"),
        (vec![text(&clip), "--out-dir", &folder, "--rttm", "x.rttm"], "cannot be used with"),
        (vec![text(&clip), "--skip-existing"], "--out-dir"),
    ] {
        let no_models = ["--models", "no/such/models"];
        let said = throughline(["diarize"].into_iter().chain(arguments.clone()).chain(no_models)).complains();
        assert!(said.contains(message), "{arguments:?}: {said}");
    }
}
