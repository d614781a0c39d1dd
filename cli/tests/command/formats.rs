//! Every file of the format samples ends through `throughline diarize` as their MANIFEST.tsv says.

use crate::run::{Run, repository, text, throughline};
use std::sync::Mutex;

/// Complaint about the outcome of a file, if there is any.
fn complaint(expect: &str, run: &Run) -> Option<String> {
    let said = !run.stderr.trim().is_empty();
    if run.stderr.contains("panicked") {
        return Some("it panicked".into());
    }
    match (expect, run.code) {
        ("ok", Some(0)) if said => Some("it is sound, but something was said".into()),
        ("partial", Some(0)) if !run.stderr.contains("warning:") => Some("there is no warning".into()),
        ("ok" | "partial", Some(0)) => {
            (!run.stdout.contains("real time")).then(|| "the length is not told".into())
        }
        ("partial" | "error", Some(1)) => {
            (!run.stderr.starts_with("throughline: ")).then(|| "it failed without a message".into())
        }
        (_, code) => Some(format!("the exit code is {code:?}")),
    }
}

#[test]
fn every_format_ends_as_its_manifest_says() {
    let folder = repository("diarization/tests/data/formats");
    let manifest = std::fs::read_to_string(folder.join("MANIFEST.tsv")).expect("there is a MANIFEST.tsv");
    let rows = || manifest.lines().skip(1).filter_map(|line| line.split_once('\t'));
    assert!(rows().count() > 40, "the manifest has rows");
    let (next, failures) = (Mutex::new(rows()), Mutex::new(Vec::new()));
    let work = || {
        while let Some((file, rest)) = { next.lock().expect("the list").next() } {
            // Of two tracks one is left out, with a warning.
            let is_part = file.contains("two_audio_tracks");
            let expect = if is_part { "partial" } else { rest.split('\t').next().unwrap_or_default() };
            let run = throughline(["diarize", text(&folder.join(file))]);
            if let Some(what) = complaint(expect, &run) {
                let failure = format!("{file}, which should be {expect}: {what}: {run:#?}");
                failures.lock().expect("the failures").push(failure);
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(work);
        }
    });
    let failures = failures.into_inner().expect("the failures");
    assert!(failures.is_empty(), "{} files:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn a_file_without_speech_says_so() {
    let silence = repository("diarization/tests/data/formats/odd_silence_10s.flac");
    let run = throughline(["diarize", text(&silence)]).succeeds();
    assert!(run.stdout.contains("No speech was found."), "{}", run.stdout);
}

#[test]
fn a_voice_that_is_opposite_in_the_two_channels_is_heard() {
    let inverted = repository("diarization/tests/data/formats/odd_stereo_inverted.flac");
    let run = throughline(["diarize", text(&inverted)]).succeeds();
    assert!(run.stdout.contains("SPEAKER_00"), "{}", run.stdout);
}
