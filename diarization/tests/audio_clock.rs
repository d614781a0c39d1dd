//! Sample `k` of the decoder is the sound at `k / 16000` s of the file's own clock, whoever reads the file and whatever is wrong with it.
//!
//! Every file holds the same recording, or parts of it. Where a part comes out is found by laying it over what was decoded, and moving it
//! to where both agree best. Some rows need ffmpeg, which the project's scripts install.

use diarization::audio::{self, AudioError, GiveUp, SAMPLE_RATE, Wish};
use diarization::channels::Channels;
use diarization::tracks::Tracks;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Half the width of where a part is looked for, in s.
const AROUND_S: f64 = 0.15;
/// Codecs change the sound: so alike are the same voices behind any of them, and others are not.
const ALIKE: f64 = 0.6;
/// Some containers count in milliseconds, and AMR has packets of 20 ms.
const WITHIN_S: f64 = 0.01;

/// So many seconds of the recording, from one place of it, come out at another.
#[derive(Clone, Copy)]
struct Part {
    from_s: f64,
    length_s: f64,
    at_s: f64,
}

const fn part(from_s: f64, length_s: f64, at_s: f64) -> Part {
    Part { from_s, length_s, at_s }
}

/// All of the recording but its edges, where it begins at `at_s`.
/// A delay that the coder adds and the format does not tell of is part of that place.
const fn all(at_s: f64) -> Part {
    part(0.5, 11.0, at_s + 0.5)
}

struct Row {
    file: &'static str,
    length_s: f64,
    parts: &'static [Part],
    /// Words of every warning; none where there must be no warning.
    warning: Option<&'static str>,
}

const fn row(
    file: &'static str,
    length_s: f64,
    parts: &'static [Part],
    warning: Option<&'static str>,
) -> Row {
    Row { file, length_s, parts, warning }
}

/// Warning of ffmpeg about packets without sound, which may stand beside the expected one.
const DAMAGE: &str = "ffmpeg met damage";
const TWICE: &[Part] = &[all(0.0), all(12.0)];
/// From second 4 to second 7 there is nothing.
const HOLE: &[Part] = &[part(0.5, 3.0, 0.5), part(7.5, 4.0, 7.5)];
const HOLE_FILLED: Option<&str> = Some("2.94 s of audio are missing at about 4.");

#[rustfmt::skip]
const ROWS: &[Row] = &[
    // Another shape midway.
    row("joined_mono_then_stereo.mp3", 24.0, TWICE, None),
    row("joined_rates.aac", 24.1, &[all(0.023), all(12.074)], None),
    row("joined.ts", 24.19, &[all(0.064), all(12.16)], None),
    // More than the header says, or less.
    row("wav_data_size_wrapped.wav", 12.0, &[all(0.0)], Some("the header says 4.0 s of audio, but the file goes on: 12.0 s were read")),
    row("wav_two_data_chunks.wav", 12.0, &[all(0.0)], None),
    row("wav_size_80000000.wav", 12.0, &[all(0.0)], None),
    // Something is missing.
    row("amr_dtx.amr", 12.0, &[part(0.5, 6.0, 0.5), part(8.2, 3.0, 8.2)], Some("of audio are missing at about")),
    row("ts_hole20.ts", 44.06, &[all(0.064), all(32.064)], Some("20.00 s of audio are missing at about 12.1 s; silence fills it")),
    row("mute61.webm", 85.01, &[all(0.0), all(73.0)], Some("61.00 s of audio are missing at about 12.0 s; silence fills it")),
    row("hole.m4a", 12.03, HOLE, HOLE_FILLED),
    row("hole.mka", 12.02, HOLE, HOLE_FILLED),
    row("hole.ogg", 12.0, HOLE, HOLE_FILLED),
    row("hole.opus", 12.0, HOLE, HOLE_FILLED),
    row("hole.ts", 12.02, &[part(0.5, 3.0, 0.53), part(7.5, 4.0, 7.53)], HOLE_FILLED),
    row("hole.wma", 11.97, &[part(0.5, 3.0, 0.468), part(7.5, 4.0, 7.468)], HOLE_FILLED),
    // The clock does not begin with the sound, or not at zero.
    row("audio_starts_at_10s.mp4", 22.03, &[all(10.0)], None),
    row("starts_at_3s.flv", 15.02, &[all(3.0)], None),
    row("starts_at_3s.mkv", 15.01, &[all(3.0)], None),
    row("starts_at_3s.ts", 14.99, &[all(3.0)], None),
    row("starts_at_3s.wmv", 14.94, &[all(2.936)], None),
    row("start1000.webm", 12.01, &[all(0.0)], None),
    row("trimmed.m4a", 7.53, &[part(5.0, 6.5, 0.5)], None),
    // Two pieces of four seconds, which an editor put one behind the other; the second begins with a whole packet of 64 ms.
    row("pieces.m4a", 8.06, &[part(0.5, 3.0, 0.5), part(8.5, 3.0, 4.532)], None),
    // Beginnings that are seldom seen.
    row("wav_id3_in_front.wav", 12.0, &[all(0.0)], None),
    row("avchd_192byte.mts", 12.0, &[all(0.008)], None),
    row("mov_free_first.mov", 12.03, &[all(0.0)], None),
    // Several tracks.
    row("two_audio_tracks.m4a", 26.05, &[], Some("the file has 2 audio tracks, of which track 1 was heard")),
    row("second_track_at_5s.mka", 12.01, &[all(0.0)], Some("the file has 2 audio tracks, of which track 1 was heard")),
];

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

fn read(path: &Path, wish: Wish) -> Result<(Vec<Vec<f32>>, Vec<String>), AudioError> {
    let mut stream = audio::open_for(path, wish, u64::MAX, &GiveUp::default())?;
    let mut channels = vec![Vec::new(); stream.layout().channels()];
    while let Some(more) = stream.next_channels()? {
        channels.iter_mut().zip(more).for_each(|(channel, more)| channel.extend(more));
    }
    Ok((channels, stream.warnings().to_vec()))
}

fn samples(path: &Path) -> (Vec<f32>, Vec<String>) {
    let (mut channels, warnings) =
        read(path, Wish { channels: Channels::Mix, ..Wish::default() }).expect("is read");
    (channels.swap_remove(0), warnings)
}

fn recording() -> Vec<f32> {
    samples(&folder("clock/wav_size_80000000.wav")).0
}

fn at(seconds: f64) -> usize {
    (seconds * f64::from(SAMPLE_RATE)).round() as usize
}

/// Similarity of two stretches as their cosine, at most 1.
fn likeness(a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| {
        // Eight sums side by side.
        let (a, b) = (a.as_chunks::<8>().0, b.as_chunks::<8>().0);
        let mut sums = [0.0_f32; 8];
        a.iter().zip(b).for_each(|(a, b)| (0..8).for_each(|n| sums[n] += a[n] * b[n]));
        f64::from(sums.iter().sum::<f32>())
    };
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt().max(1e-12)
}

/// By how much `part` of the recording is off in `decoded`, in s, and how alike both are there. Looked for by its loudest second.
fn off_by(recording: &[f32], decoded: &[f32], part: Part) -> (f64, f64) {
    let own = &recording[at(part.from_s)..at(part.from_s + part.length_s)];
    let power = |second: usize| own[second * at(1.0)..][..at(1.0)].iter().map(|x| x * x).sum::<f32>();
    let loudest = (0..own.len() / at(1.0)).max_by(|a, b| power(*a).total_cmp(&power(*b))).expect("is long");
    let around = at(AROUND_S) as i64;
    let look = |of: &[f32], from: i64| {
        let there = usize::try_from(from).ok().and_then(|from| decoded.get(from..from + of.len()));
        there.map_or(0.0, |there| likeness(of, there))
    };
    let (from, second) = (at(part.at_s) as i64, loudest * at(1.0));
    let best = (-around..=around)
        .map(|shift| (look(&own[second..][..at(1.0)], from + second as i64 + shift), shift))
        .max_by(|a, b| a.0.total_cmp(&b.0));
    let (_, shift) = best.expect("there are shifts");
    (shift as f64 / f64::from(SAMPLE_RATE), look(own, from + shift))
}

fn complaints(row: &Row, recording: &[f32]) -> Vec<String> {
    let (decoded, warnings) = samples(&folder("clock").join(row.file));
    let mut complaints = Vec::new();
    let length_s = decoded.len() as f64 / f64::from(SAMPLE_RATE);
    if (length_s - row.length_s).abs() > 0.01 {
        complaints.push(format!("{}: {length_s:.3} s, not {} s", row.file, row.length_s));
    }
    for &part in row.parts {
        let (off, alike) = off_by(recording, &decoded, part);
        println!("{:28} {:7.2} s: off by {off:+.4} s, {alike:.2} alike", row.file, part.at_s);
        if off.abs() > WITHIN_S || alike < ALIKE {
            complaints.push(format!("{}: at {} s off by {off} s, {alike:.2} alike", row.file, part.at_s));
        }
    }
    match (row.warning, warnings.as_slice()) {
        (None, []) => {}
        (Some(words), [_, ..])
            if warnings.iter().all(|note| note.contains(words) || note.contains(DAMAGE)) => {}
        (wanted, got) => complaints.push(format!("{}: {wanted:?} wanted, but: {got:?}", row.file)),
    }
    complaints
}

#[test]
fn the_sound_of_every_file_is_at_its_time_on_the_clock_of_the_file() {
    let recording = recording();
    let complaints: Vec<String> = ROWS.iter().flat_map(|row| complaints(row, &recording)).collect();
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

/// Delays in s of coders whose format does not tell of them.
const DELAYS: &[(&str, f64)] = &[
    ("mp3_no_xing.mp3", 0.069),
    ("aac_adts_16k.aac", 0.064),
    ("m4a_fragmented.mp4", 0.064),
    ("speex_16k.spx", 0.014),
    ("wma_v2.wma", -0.032),
];

#[test]
fn every_format_has_the_same_clock() {
    let clip = samples(&folder("formats/flac_16bit_16k.flac")).0;
    let manifest = std::fs::read_to_string(folder("formats/MANIFEST.tsv")).expect("is there");
    let mut seen = 0;
    for line in manifest.lines().filter(|line| line.contains("\tok\t") && !line.starts_with("odd_")) {
        let file = line.split('\t').next().expect("a name");
        let delay = DELAYS.iter().find(|(name, _)| *name == file).map_or(0.0, |(_, delay)| *delay);
        let (decoded, _) = samples(&folder("formats").join(file));
        let (off, alike) = off_by(&clip, &decoded, part(0.5, 5.0, 0.5 + delay));
        println!("{file:36} off by {off:+.4} s, {alike:.2} alike");
        assert!(off.abs() <= WITHIN_S && alike >= ALIKE, "{file}: off by {off} s, {alike:.2} alike");
        seen += 1;
    }
    assert!(seen > 25, "{seen} files");
}

fn wish(tracks: Tracks, channels: Channels) -> Wish {
    Wish { tracks, channels, ..Wish::default() }
}

#[test]
fn all_tracks_are_heard_together_or_one_by_its_number_each_at_its_time() {
    let recording = recording();
    let file = folder("clock/second_track_at_5s.mka");
    let (both, warnings) = read(&file, wish(Tracks::All, Channels::Separate)).expect("is read");
    assert!(both.len() == 2 && warnings.is_empty(), "{warnings:?}");
    for (track, at_s) in [(0, 0.0), (1, 5.0)] {
        let (off, alike) = off_by(&recording, &both[track], all(at_s));
        assert!(off.abs() <= WITHIN_S && alike >= ALIKE, "track {track}: off by {off} s, {alike:.2} alike");
        let (one, warnings) =
            read(&file, wish(Tracks::One(track as u32 + 1), Channels::Mix)).expect("is read");
        let (off, alike) = off_by(&recording, &one[0], all(at_s));
        assert!(
            off.abs() <= WITHIN_S && alike >= ALIKE && warnings.is_empty(),
            "track {track}: {off} {warnings:?}"
        );
    }
    let (mixed, _) = read(&file, wish(Tracks::All, Channels::Mix)).expect("is read");
    assert_eq!((mixed.len(), mixed[0].len()), (1, both[0].len()));
    // The one that is marked as default, beside a tone that is not.
    let marked = folder("formats/mkv_two_audio_tracks.mkv");
    let of = |tracks| read(&marked, wish(tracks, Channels::Mix)).expect("is read");
    assert_eq!(of(Tracks::Default).0, of(Tracks::One(2)).0);
    assert!(of(Tracks::Default).1[0].contains("2 audio tracks, of which track 2 was heard"));
    assert_ne!(of(Tracks::One(1)).0, of(Tracks::One(2)).0);
}

#[test]
fn both_voices_of_a_file_with_a_voice_on_each_track_are_heard() {
    let file = folder("clock/two_audio_tracks.m4a");
    let [first, second] =
        [1, 2].map(|n| read(&file, wish(Tracks::One(n), Channels::Mix)).expect("is read").0.swap_remove(0));
    let (both, warnings) = read(&file, wish(Tracks::All, Channels::Separate)).expect("is read");
    assert!(warnings.is_empty(), "{warnings:?}");
    for (channel, track) in both.iter().zip([first, second]) {
        assert!(channel.len() == track.len() && likeness(channel, &track) > 0.999);
    }
}

#[test]
fn a_track_that_is_not_there_is_refused_in_every_route() {
    for file in [
        "two_audio_tracks.m4a",
        "hole.mka",
        "hole.ts",
        "hole.opus",
        "joined_rates.aac",
        "wav_id3_in_front.wav",
    ] {
        let refused =
            read(&folder("clock").join(file), wish(Tracks::One(3), Channels::Auto)).expect_err("is refused");
        let tracks = if file.starts_with("two") { 2 } else { 1 };
        assert_eq!(
            refused.to_string(),
            format!("this file has no audio track 3: it has {tracks}; choose one of them, or `all`")
        );
    }
}

#[test]
fn wav_files_that_were_joined_are_read_to_the_end_of_the_last_whatever_their_rates() {
    let recording = recording();
    let mut bytes = std::fs::read(folder("clock/wav_size_80000000.wav")).expect("is there");
    let data = u32::try_from(bytes.len() - 44).expect("is small");
    assert_eq!(&bytes[36..40], b"data");
    bytes[40..44].copy_from_slice(&data.to_le_bytes());
    // Twice as fast, and so half as long.
    let mut fast = bytes.clone();
    fast[24..28].copy_from_slice(&16_000_u32.to_le_bytes());
    // A description in between, of an odd length and without the byte that makes it even.
    let between = [&b"LIST\x05\0\0\0"[..], b"words"].concat();
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    file.write_all(&[bytes.as_slice(), &between, &fast, &bytes].concat()).expect("is written");
    let (decoded, warnings) = samples(file.path());
    assert!(warnings.is_empty(), "{warnings:?}");
    assert_eq!(decoded.len(), at(30.0));
    for at_s in [0.0, 18.0] {
        let (off, alike) = off_by(&recording, &decoded, all(at_s));
        assert!(off == 0.0 && alike > 0.999, "{at_s}: off by {off} s, {alike} alike");
    }
}
