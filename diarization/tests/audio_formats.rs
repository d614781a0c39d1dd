//! Every file of a folder of formats must open, decode or be refused as its MANIFEST.tsv says.
//!
//! The folder is `tests/data/formats`, or the one named by THROUGHLINE_FORMATS. Columns used:
//! `file`, `expect` (ok, partial, error, raw, ok?, error?) and `ffmpeg_decoded_s`. Some rows need
//! ffmpeg, which the project's scripts install.

use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

use diarization::audio::{SAMPLE_RATE, open};

/// No file of the folder is longer than a minute; this is a hang, even unoptimised on a busy machine.
const TIME_LIMIT: Duration = Duration::from_secs(60);

struct Row {
    file: String,
    expect: String,
    seconds: f64,
}

struct Outcome {
    seconds: f64,
    rms: f64,
    peak: f32,
    info: String,
    warnings: Vec<String>,
    error: Option<String>,
}

fn folder() -> PathBuf {
    std::env::var_os("THROUGHLINE_FORMATS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/formats"), PathBuf::from)
}

fn rows(folder: &Path) -> Vec<Row> {
    let manifest =
        std::fs::read_to_string(folder.join("MANIFEST.tsv")).expect("the folder has a MANIFEST.tsv");
    let row = |line: &str| {
        let cells: Vec<&str> = line.split('\t').collect();
        Row { file: cells[0].into(), expect: cells[1].into(), seconds: cells[2].parse().unwrap_or(0.0) }
    };
    manifest.lines().skip(1).filter(|line| !line.trim().is_empty()).map(row).collect()
}

fn decode(path: &Path) -> Outcome {
    let mut outcome =
        Outcome { seconds: 0.0, rms: 0.0, peak: 0.0, info: String::new(), warnings: Vec::new(), error: None };
    let mut stream = match open(path) {
        Ok(stream) => stream,
        Err(e) => return Outcome { error: Some(e.to_string()), ..outcome },
    };
    outcome.info = format!("{:?}", stream.info());
    let (mut count, mut squares) = (0u64, 0.0f64);
    loop {
        match stream.next_samples() {
            Ok(Some(samples)) => {
                assert!(
                    !samples.is_empty() && samples.len() <= SAMPLE_RATE as usize,
                    "a bounded, non-empty run"
                );
                assert!(samples.iter().all(|x| x.is_finite()), "only numbers");
                count += samples.len() as u64;
                squares += samples.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>();
                outcome.peak = samples.iter().fold(outcome.peak, |peak, x| peak.max(x.abs()));
            }
            Ok(None) => break,
            Err(e) => {
                outcome.error = Some(e.to_string());
                break;
            }
        }
    }
    outcome.seconds = count as f64 / f64::from(SAMPLE_RATE);
    outcome.rms = (squares / count.max(1) as f64).sqrt();
    outcome.warnings = stream.warnings().to_vec();
    outcome
}

/// Decodes in a thread of its own, so that neither a panic nor a hang of one file hides the others.
fn decode_guarded(path: PathBuf) -> Result<Outcome, String> {
    let (send, receive) = mpsc::channel();
    let worker = std::thread::spawn(move || {
        // The receiver is gone only after the time limit.
        let _ = send.send(decode(&path));
    });
    match receive.recv_timeout(TIME_LIMIT) {
        Ok(outcome) => {
            worker.join().map_err(|_| "panicked".to_owned())?;
            Ok(outcome)
        }
        Err(mpsc::RecvTimeoutError::Disconnected) => Err("panicked".into()),
        Err(mpsc::RecvTimeoutError::Timeout) => Err(format!("still not done after {TIME_LIMIT:?}")),
    }
}

/// Fault of the outcome of a row, if there is one.
fn complaint(row: &Row, outcome: &Outcome) -> Option<String> {
    let tolerance = (row.seconds * 0.03).max(0.15);
    match (row.expect.as_str(), &outcome.error) {
        ("ok", Some(error)) => Some(format!("must decode, but: {error}")),
        ("ok", None) if (outcome.seconds - row.seconds).abs() > tolerance => {
            Some(format!("gave {:.3} s, not {:.3} s", outcome.seconds, row.seconds))
        }
        // The collected originals are not all sound, whatever ffmpeg makes of them, and of two tracks one is left out.
        ("ok", None)
            if !outcome.warnings.is_empty()
                && !row.file.contains("nan")
                && !row.file.contains("two_audio_tracks")
                && !row.file.contains("originals/") =>
        {
            Some(format!("is sound, but: {:?}", outcome.warnings))
        }
        ("ok", None) if !row.file.starts_with("odd_") && outcome.rms < 1e-3 => {
            Some(format!("holds speech, but came out at an RMS of {:.6}", outcome.rms))
        }
        ("partial", None) if outcome.warnings.is_empty() => {
            Some("is damaged, but there is no warning".into())
        }
        ("error", None) => Some(format!("must be refused, but gave {:.3} s", outcome.seconds)),
        ("error", Some(_)) if outcome.seconds > 0.0 => Some("gave samples before the error".into()),
        ("ok" | "partial" | "error" | "raw" | "ok?" | "error?", _) => None,
        (other, _) => Some(format!("the manifest expects {other:?}, which is no known word")),
    }
}

#[test]
fn every_file_of_the_folder_ends_as_its_manifest_says() {
    let folder = folder();
    let rows = rows(&folder);
    assert!(!rows.is_empty(), "the manifest has rows");
    let mut failures = Vec::new();
    for row in &rows {
        match decode_guarded(folder.join(&row.file)) {
            Err(how) => failures.push(format!("{}: {how}", row.file)),
            Ok(outcome) => {
                println!(
                    "{:44} {:8} {:7.3} s of {:7.3}, rms {:.4}, peak {:.2}; {} {:?} {:?}",
                    row.file,
                    row.expect,
                    outcome.seconds,
                    row.seconds,
                    outcome.rms,
                    outcome.peak,
                    outcome.info,
                    outcome.warnings,
                    outcome.error
                );
                if let Some(what) = complaint(row, &outcome) {
                    failures.push(format!("{}: {what}", row.file));
                }
            }
        }
    }
    assert!(failures.is_empty(), "{} of {} files:\n{}", failures.len(), rows.len(), failures.join("\n"));
}

#[test]
fn the_same_file_gives_the_same_samples_twice() {
    let folder = folder();
    let all = |file: &str| {
        let mut stream = open(&folder.join(file)).expect("it opens");
        let mut bits = Vec::new();
        while let Some(samples) = stream.next_samples().expect("it reads") {
            bits.extend(samples.into_iter().map(f32::to_bits));
        }
        bits
    };
    for file in ["opus_24k_mono.opus", "mp3_cbr64_44k1_stereo.mp3", "m4a_aac_faststart.m4a"] {
        assert_eq!(all(file), all(file), "{file}");
    }
}
