//! Decoder: files through the process, compared with the same decoders in this one; and processes that misbehave.

use decoder::{Decoder, Failure, Limits};
use diarization::audio::{self, GiveUp, Layout, Wish};
use diarization::channels::Channels;
use std::fs::{self, Permissions};
use std::io::{Seek, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use tempfile::{NamedTempFile, TempDir};

const PROGRAM: &str = env!("CARGO_BIN_EXE_throughline-decoder");
const LIMITS: Limits = Limits { memory_mib: 2048, cpu_seconds: 60 };
const DAY: u64 = 86_400;

type Decoded = (Vec<Vec<f32>>, Vec<String>);

fn start(program: &Path, file: &Path, wish: Wish, limits: Limits) -> Result<Decoder, Failure> {
    Decoder::start(program, file, wish, DAY, limits, &GiveUp::default())
}

fn decode(file: &Path, wish: Wish, limits: Limits) -> Result<Decoded, Failure> {
    let mut decoder = start(Path::new(PROGRAM), file, wish, limits)?;
    let mut channels = vec![Vec::new(); decoder.layout().channels()];
    while let Some(part) = decoder.next_channels()? {
        channels.iter_mut().zip(part).for_each(|(all, part)| all.extend(part));
    }
    Ok((channels, decoder.warnings().to_vec()))
}

fn decode_here(file: &Path, wish: Wish) -> Decoded {
    let mut stream = audio::open_for(file, wish, DAY, &GiveUp::default()).expect("opens");
    let mut channels = vec![Vec::new(); stream.layout().channels()];
    while let Some(part) = stream.next_channels().expect("decodes") {
        channels.iter_mut().zip(part).for_each(|(all, part)| all.extend(part));
    }
    (channels, stream.warnings().to_vec())
}

fn sample(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/samples").join(name)
}

/// The first seconds of a sample in another format, written by ffmpeg; `made` are its arguments.
fn made(folder: &TempDir, name: &str, made: &[&str]) -> PathBuf {
    let file = folder.path().join(name);
    let status = Command::new("ffmpeg")
        .args(["-nostdin", "-loglevel", "error", "-i"])
        .arg(sample(SPEECH))
        .args(["-t", "20"])
        .args(made)
        .arg(&file)
        .status();
    assert!(status.expect("ffmpeg is installed").success());
    file
}

/// A second channel that says something else at any time than the first.
const TWO_SIDES: [&str; 2] = ["-af", "aformat=channel_layouts=stereo,adelay=0|7000"];

const SPEECH: &str = "interview_3min.opus";

/// A program that is a shell script.
fn script(folder: &TempDir, lines: &str) -> PathBuf {
    let program = folder.path().join("program");
    fs::write(&program, format!("#!/bin/sh\n{lines}\n")).expect("writes");
    fs::set_permissions(&program, Permissions::from_mode(0o755)).expect("makes it a program");
    program
}

/// Failure of a file whose decoder does as `lines` say.
fn with_program(lines: &str) -> Failure {
    let folder = TempDir::new().expect("a folder");
    let program = script(&folder, lines);
    let decoder = start(&program, &sample(SPEECH), Wish::default(), LIMITS);
    decoder.and_then(|mut decoder| decoder.next_channels().map(drop)).expect_err("it breaks")
}

#[test]
fn the_samples_are_those_of_the_same_decoders_in_this_process_to_the_bit() {
    let folder = TempDir::new().expect("a folder");
    let separate = Wish { channels: Channels::Separate, ..Wish::default() };
    for (file, wish) in [
        (sample(SPEECH), Wish::default()),
        (made(&folder, "a.mp3", &["-ar", "44100"]), Wish::default()),
        (made(&folder, "a.wav", &TWO_SIDES), separate),
        (made(&folder, "a.ac3", &["-ac", "2"]), Wish::default()),
        (made(&folder, "a.wma", &[]), Wish::default()),
    ] {
        let (there, here) = (decode(&file, wish, LIMITS).expect("decodes"), decode_here(&file, wish));
        assert!(there == here && there.0[0].len() > 16_000, "{}", file.display());
    }
}

#[test]
fn both_sides_of_a_call_come_with_their_gains() {
    let folder = TempDir::new().expect("a folder");
    let wish = Wish { channels: Channels::Separate, ..Wish::default() };
    let call = made(&folder, "a.wav", &TWO_SIDES);
    let decoder = start(Path::new(PROGRAM), &call, wish, LIMITS).expect("starts");
    let here = audio::open_for(&call, wish, DAY, &GiveUp::default()).expect("opens");
    assert!(matches!(here.layout(), Layout::Separate(_)));
    assert_eq!(decoder.layout(), here.layout());
}

#[test]
fn what_is_damaged_is_said_as_in_this_process() {
    let folder = TempDir::new().expect("a folder");
    let file = made(&folder, "a.mp3", &[]);
    let mut bytes = fs::read(&file).expect("reads");
    let middle = bytes.len() / 2;
    bytes[middle..middle + 4000].fill(0);
    fs::write(&file, bytes).expect("writes");
    let here = decode_here(&file, Wish::default());
    assert!(!here.1.is_empty());
    assert_eq!(decode(&file, Wish::default(), LIMITS).expect("decodes"), here);
}

#[test]
fn a_file_that_is_no_audio_is_refused_in_words_without_a_path() {
    let mut file = NamedTempFile::new().expect("a file");
    file.write_all(b"%PDF-1.7 and so on").expect("writes");
    let Err(Failure::File(words)) = decode(file.path(), Wish::default(), LIMITS) else {
        panic!("it was taken")
    };
    assert!(words.contains("PDF") && !words.contains("/proc"), "{words}");
}

#[test]
fn the_process_has_nothing_of_our_environment() {
    let decoder = start(Path::new(PROGRAM), &sample(SPEECH), Wish::default(), LIMITS).expect("starts");
    assert!(decoder.fence().calls);
    let ours = std::process::id().to_string();
    let is_child = |folder: &Path| {
        let status = fs::read_to_string(folder.join("status")).unwrap_or_default();
        status.contains(&format!("PPid:\t{ours}\n")) && status.starts_with("Name:\tthroughline-dec")
    };
    let children: Vec<_> = fs::read_dir("/proc")
        .expect("lists")
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|folder| is_child(folder))
        .collect();
    assert!(!children.is_empty());
    for child in children {
        let environment = fs::read_to_string(child.join("environ")).expect("reads");
        let names: Vec<_> =
            environment.split('\0').filter_map(|one| one.split_once('=')).map(|(name, _)| name).collect();
        assert_eq!(names, ["PATH"]);
    }
}

#[test]
fn a_decoder_that_crashes_or_talks_nonsense_has_met_a_file_that_it_cannot_read() {
    for lines in [
        "kill -SEGV $$",
        "exit 101",
        "echo nonsense that is long enough to be a frame",
        "printf 'S\\1\\0\\0\\0x'",
    ] {
        let failure = with_program(lines);
        assert!(matches!(failure, Failure::Broken(_)), "{lines}: {failure:?}");
    }
}

#[test]
fn a_decoder_that_is_killed_or_missing_is_the_servers_fault() {
    assert!(matches!(with_program("kill -KILL $$"), Failure::Server(_)));
    let missing = start(Path::new("/no/such/program"), &sample(SPEECH), Wish::default(), LIMITS);
    let Err(Failure::Server(why)) = missing else { panic!("another end") };
    assert!(why.contains("/no/such/program"), "{why}");
}

#[test]
fn a_file_that_takes_more_processor_time_than_it_may_is_refused() {
    // Six hours of silence, of which the disk holds a header.
    let mut file = NamedTempFile::new().expect("a file");
    let bytes: u32 = 6 * 3600 * 192_000;
    file.write_all(b"RIFF").expect("writes");
    file.write_all(&(bytes + 36).to_le_bytes()).expect("writes");
    file.write_all(b"WAVEfmt \x10\0\0\0\x01\0\x02\0\x80\xbb\0\0\0\xee\x02\0\x04\0\x10\0data")
        .expect("writes");
    file.write_all(&bytes.to_le_bytes()).expect("writes");
    let head = file.stream_position().expect("tells");
    file.as_file().set_len(head + u64::from(bytes)).expect("grows");
    let failure = decode(file.path(), Wish::default(), Limits { cpu_seconds: 1, ..LIMITS });
    let Err(Failure::File(words)) = failure else { panic!("{:?}", failure.map(|decoded| decoded.1)) };
    assert!(words.contains("processor time"), "{words}");
}

#[test]
fn a_decoder_without_memory_fails_and_nothing_hangs() {
    let failure = decode(&sample(SPEECH), Wish::default(), Limits { memory_mib: 1, ..LIMITS });
    assert!(failure.is_err(), "{:?}", failure.map(|decoded| decoded.1));
}

#[test]
fn a_decoder_that_hangs_ends_when_it_is_given_up_with_all_that_it_started() {
    let folder = TempDir::new().expect("a folder");
    let seconds = 100_000 + std::process::id();
    let program = script(&folder, &format!("sleep {seconds} & exec sleep {seconds}"));
    let sleeping = || {
        let commands = fs::read_dir("/proc").expect("lists").filter_map(Result::ok);
        let command = format!("sleep\0{seconds}\0");
        commands
            .filter(|process| {
                fs::read_to_string(process.path().join("cmdline")).is_ok_and(|it| it == command)
            })
            .count()
    };
    let give_up = GiveUp::default();
    let asked = give_up.clone();
    let waiting = std::thread::spawn(move || {
        Decoder::start(&program, &sample(SPEECH), Wish::default(), DAY, LIMITS, &asked).map(drop)
    });
    eventually(|| sleeping() == 2);
    give_up.ask();
    assert!(matches!(waiting.join().expect("no panic"), Err(Failure::Server(_))));
    eventually(|| sleeping() == 0);
}

fn eventually(holds: impl Fn() -> bool) {
    let patience = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < patience, "it did not come to that");
        std::thread::sleep(Duration::from_millis(20));
    }
}
