//! Small files that ask for much: each must end soon, in little memory, and in words that say what is wrong.
//!
//! One test, since what it measures is the memory of the whole process.

// What is measured here is time, among other things; the library has no clock.
#![allow(clippy::disallowed_methods)]

use diarization::audio::{self, AudioError, GiveUp};
use std::io::Write;
use std::time::{Duration, Instant};
use tempfile::NamedTempFile;

/// Stack of a decoding thread of the services, in bytes.
const STACK: usize = 2 << 20;
/// Memory that decoding one file may take, in KiB. A resampler for an odd rate and the blocks of a wide file take some tens of MB.
const MOST_KIB: u64 = 224 << 10;
/// Longest time that it may take: far more than it does, for a busy machine.
const WITHIN: Duration = Duration::from_secs(60);
/// Audio that is read of each, in samples: what is only long is no bomb.
const MOST_SAMPLES: usize = 120 * 16_000;

fn file(bytes: &[u8]) -> NamedTempFile {
    let mut file = NamedTempFile::new().expect("a temporary file");
    file.write_all(bytes).expect("writing it");
    file
}

/// `file` with a hole behind it, up to `length`: zeros that take no room.
fn with_hole(file: NamedTempFile, length: u64) -> NamedTempFile {
    file.as_file().set_len(length).expect("a hole");
    file
}

fn bits(fields: &[(u64, u32)]) -> Vec<u8> {
    let bits: Vec<u8> =
        fields.iter().flat_map(|&(value, count)| (0..count).map(move |n| (value >> n & 1) as u8)).collect();
    bits.chunks(8).map(|byte| byte.iter().enumerate().fold(0, |all, (n, bit)| all | bit << n)).collect()
}

/// The three headers of a Vorbis stream with 256 code books of 9 MB each.
fn vorbis_headers() -> [Vec<u8>; 3] {
    let mut ident = b"\x01vorbis\0\0\0\0\x01".to_vec();
    ident.extend(16_000_u32.to_le_bytes());
    ident.extend([0; 12]);
    ident.extend([0xb8, 1]);
    let comment = b"\x03vorbis\0\0\0\0\0\0\0\0\x01".to_vec();
    let book = [
        (0x56_4342, 24),
        (17, 16),
        (1 << 17, 24),
        (1, 1),
        (16, 5),
        (1 << 17, 18),
        (1, 4),
        (0, 64),
        (0, 5),
        (0, 2),
    ];
    let fields: Vec<(u64, u32)> = [(255, 8)].into_iter().chain((0..256).flat_map(|_| book)).collect();
    let setup = [b"\x05vorbis".to_vec(), bits(&fields)].concat();
    [ident, comment, setup]
}

/// An Ogg page with its checksum; a packet that does not end on it has only full segments.
fn ogg_page(flags: u8, position: u64, number: u32, packet: &[u8], ends: bool) -> Vec<u8> {
    let mut segments = vec![255; packet.len() / 255];
    if ends {
        segments.push((packet.len() % 255) as u8);
    }
    assert!(segments.len() <= 255 && (ends || packet.len().is_multiple_of(255)));
    let mut page = b"OggS\0".to_vec();
    page.push(flags);
    page.extend(position.to_le_bytes());
    page.extend(7_u32.to_le_bytes());
    page.extend(number.to_le_bytes());
    page.extend([0; 4]);
    page.push(segments.len() as u8);
    page.extend(segments);
    page.extend(packet);
    let crc = page.iter().fold(0_u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte) << 24, |crc, _| {
            if crc >> 31 == 1 { crc << 1 ^ 0x04c1_1db7 } else { crc << 1 }
        })
    });
    page[22..26].copy_from_slice(&crc.to_le_bytes());
    page
}

fn ogg_vorbis() -> NamedTempFile {
    let [ident, comment, setup] = vorbis_headers();
    let pages = [
        ogg_page(2, 0, 0, &ident, true),
        ogg_page(0, 0, 1, &comment, true),
        ogg_page(0, 0, 2, &setup, true),
        ogg_page(4, 1024, 3, &[0; 50], true),
    ];
    file(&pages.concat())
}

/// Pages of one packet of 100 MB that never ends.
fn ogg_endless() -> NamedTempFile {
    let [ident, comment, _] = vorbis_headers();
    let mut file = file(&[ogg_page(2, 0, 0, &ident, true), ogg_page(0, 0, 1, &comment, true)].concat());
    let packet = vec![5; 255 * 255];
    for number in 2..1_600 {
        file.write_all(&ogg_page(u8::from(number > 2), u64::MAX, number, &packet, false))
            .expect("writing it");
    }
    file
}

/// An EBML element with a size of eight bytes.
fn ebml(id: &[u8], size: u64, body: &[u8]) -> Vec<u8> {
    [id, &(size | 1 << 56).to_be_bytes(), body].concat()
}

fn element(id: &[u8], body: &[u8]) -> Vec<u8> {
    ebml(id, body.len() as u64, body)
}

fn matroska(codec: &[u8], private: &[u8], rate: f64, channels: u8, rest: &[u8]) -> Vec<u8> {
    let audio =
        [element(b"\xb5", &rate.to_be_bytes()), element(b"\x9f", &[channels]), element(b"\x62\x64", &[16])]
            .concat();
    let entry = [
        element(b"\xd7", &[1]),
        element(b"\x73\xc5", &[1]),
        element(b"\x83", &[2]),
        element(b"\x86", codec),
        element(b"\x63\xa2", private),
        element(b"\xe1", &audio),
    ];
    let apps = [element(b"\x4d\x80", b"t"), element(b"\x57\x41", b"t")].concat();
    let scale = element(b"\x2a\xd7\xb1", &1_000_000_u32.to_be_bytes());
    let info = element(b"\x15\x49\xa9\x66", &[scale, apps].concat());
    let tracks = element(b"\x16\x54\xae\x6b", &element(b"\xae", &entry.concat()));
    let head = element(b"\x1a\x45\xdf\xa3", &element(b"\x42\x82", b"matroska"));
    [head, ebml(b"\x18\x53\x80\x67", (1 << 56) - 1, &[info, tracks, rest.to_vec()].concat())].concat()
}

/// A block of 3 GiB, of zeros.
fn matroska_block() -> NamedTempFile {
    let cluster = ebml(
        b"\x1f\x43\xb6\x75",
        (3 << 30) + 20,
        &[element(b"\xe7", &[0]), ebml(b"\xa3", 3 << 30, b"\x81\0\0\x80")].concat(),
    );
    with_hole(file(&matroska(b"A_PCM/INT/LIT", b"", 16_000.0, 1, &cluster)), (3 << 30) + 1000)
}

/// A packet of `channels` at each of these times, in ms.
fn matroska_packets(channels: usize, times: impl Iterator<Item = u64>) -> Vec<u8> {
    let block = [b"\x81\0\0\x80".to_vec(), vec![1; channels * 2 * 100]].concat();
    let cluster = |ms: u64| {
        element(
            b"\x1f\x43\xb6\x75",
            &[element(b"\xe7", &ms.to_be_bytes()), element(b"\xa3", &block)].concat(),
        )
    };
    times.flat_map(cluster).collect()
}

/// Two packets of 64 channels at 700 kHz, a minute apart, ten times over.
fn matroska_holes() -> NamedTempFile {
    let clusters = matroska_packets(64, (0..10).map(|n| n * 59_000));
    file(&matroska(b"A_PCM/INT/LIT", b"", 700_000.0, 64, &clusters))
}

/// A packet now and another in a hundred years.
fn matroska_century() -> NamedTempFile {
    let clusters = matroska_packets(1, [0, 3_153_600_000_000].into_iter());
    file(&matroska(b"A_PCM/INT/LIT", b"", 16_000.0, 1, &clusters))
}

/// Packets whose times go an hour ahead and back again, so that each might leave an hour of silence.
fn matroska_to_and_fro() -> NamedTempFile {
    let clusters = matroska_packets(1, (0..4_000).map(|n| n % 2 * 3_600_000));
    file(&matroska(b"A_PCM/INT/LIT", b"", 16_000.0, 1, &clusters))
}

/// Millions of empty tags.
fn matroska_tags() -> NamedTempFile {
    let tag = [b"\x67\xc8\x84".as_slice(), b"\x45\xa3\x81\x61"].concat();
    let tags = element(b"\x12\x54\xc3\x67", &element(b"\x73\x73", &tag.repeat(3_000_000)));
    file(&matroska(b"A_PCM/INT/LIT", b"", 16_000.0, 1, &tags))
}

fn mp4_box(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
    [&(body.len() as u32 + 8).to_be_bytes()[..], kind, body].concat()
}

/// A track of `count` samples of `size` bytes, all in one chunk at `offset`.
fn mp4_track(id: u8, size: u32, count: u32, offset: u32) -> Vec<u8> {
    let full = |kind: &[u8; 4], words: &[u32]| {
        mp4_box(kind, &words.iter().flat_map(|word| word.to_be_bytes()).collect::<Vec<u8>>())
    };
    let rate = (16_000_u32 << 16).to_be_bytes();
    let sowt = [&[0_u8; 6][..], &[0, 1], &[0; 8], &[0, 1, 0, 16, 0, 0, 0, 0], &rate].concat();
    let stsd = mp4_box(b"stsd", &[&[0, 0, 0, 0, 0, 0, 0, 1][..], &mp4_box(b"sowt", &sowt)].concat());
    let stbl = [
        stsd,
        full(b"stts", &[0, 1, count, 1]),
        full(b"stsc", &[0, 1, 1, count, 1]),
        full(b"stsz", &[0, size, count]),
        full(b"stco", &[0, 1, offset]),
    ];
    let minf = mp4_box(b"minf", &[full(b"smhd", &[0, 0]), mp4_box(b"stbl", &stbl.concat())].concat());
    let hdlr = mp4_box(b"hdlr", &[&[0; 8][..], b"soun", &[0; 13]].concat());
    let mdia = [full(b"mdhd", &[0, 0, 0, 16_000, count, 0]), hdlr, minf].concat();
    let mut tkhd = vec![0; 84];
    (tkhd[3], tkhd[15]) = (1, id);
    mp4_box(b"trak", &[mp4_box(b"tkhd", &tkhd), mp4_box(b"mdia", &mdia)].concat())
}

fn mp4(tracks: &[Vec<u8>]) -> NamedTempFile {
    let mut mvhd = vec![0; 100];
    mvhd[14..16].copy_from_slice(&1_000_u16.to_be_bytes());
    let moov = mp4_box(b"moov", &[mp4_box(b"mvhd", &mvhd), tracks.concat()].concat());
    file(&[mp4_box(b"ftyp", b"isom\0\0\0\0isom"), mp4_box(b"mdat", &[1; 64]), moov].concat())
}

fn nested(kind: &[u8; 4], levels: u32) -> NamedTempFile {
    let boxes = (0..levels).flat_map(|n| [&((levels - n) * 8).to_be_bytes()[..], kind].concat());
    file(&mp4_box(b"ftyp", b"isom\0\0\0\0isom").into_iter().chain(boxes).collect::<Vec<u8>>())
}

/// A FLAC file of eight channels at 655,350 Hz and 2^36 - 1 samples, of which there are none; a picture goes before them.
fn flac(picture: u64) -> NamedTempFile {
    let mut info = [0xff; 34];
    info[..4].copy_from_slice(&[0xff, 0xff, 0xff, 0xff]);
    info[4..10].fill(0);
    info[10..18].copy_from_slice(&[0x9f, 0xff, 0x6e | 1, 0xff, 0xff, 0xff, 0xff, 0xff]);
    let size = (picture as u32).to_be_bytes();
    let head = [
        b"fLaC\0\0\0\x22".as_slice(),
        &info,
        &[0x86],
        &size[1..],
        &3_u32.to_be_bytes(),
        &9_u32.to_be_bytes(),
        b"image/png",
    ]
    .concat();
    with_hole(file(&head), picture + 1_000)
}

/// An ID3 tag of 256 MB before nothing; a picture takes all of it.
fn id3() -> NamedTempFile {
    let head =
        [b"ID3\x04\0\0\x7f\x7f\x7f\x7fAPIC\x7f\x7f\x7f\x6f\0\0\0image/png\0\x03\0".as_slice()].concat();
    with_hole(file(&head), 300 << 20)
}

fn wave(rate: u32, channels: u16, width: u16, data: u32) -> Vec<u8> {
    let mut bytes = b"RIFF\xff\xff\xff\xffWAVEfmt \x10\0\0\0\x01\0".to_vec();
    bytes.extend(channels.to_le_bytes());
    bytes.extend(rate.to_le_bytes());
    bytes.extend(0_u32.to_le_bytes());
    bytes.extend((channels * width).to_le_bytes());
    bytes.extend((width * 8).to_le_bytes());
    bytes.extend(b"data");
    bytes.extend(data.to_le_bytes());
    bytes
}

/// A WAV file of a hundred thousand blocks of two samples each.
fn wave_blocks() -> Vec<u8> {
    [wave(16_000, 1, 2, 4), vec![1; 4], b"data\x04\0\0\0\x01\x01\x01\x01".repeat(100_000)].concat()
}

/// Eight frames of silence in stereo, eight in mono, and so on.
fn mpeg_shapes() -> Vec<u8> {
    let run = |mode: u8| [vec![0xff, 0xfb, 0x90, mode], vec![0; 413]].concat().repeat(8);
    [run(0x64), run(0xc4)].concat().repeat(4_000)
}

/// A Wave64 file whose first block ends past what a file can have.
fn wave64() -> NamedTempFile {
    let head = b"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\x00\x00\xff\xff\xff\xff\xff\xff\xff\x7fwave\xf3\xac\xd3\x11\x8c\xd1\x00\xc0\x4f\x8e\xdb\x8a";
    file(&[head.as_slice(), b"junk", &[0; 12], &(u64::MAX - 100).to_le_bytes()].concat())
}

fn bombs() -> Vec<(&'static str, NamedTempFile)> {
    let [ident, comment, setup] = vorbis_headers();
    let private = [&[2, ident.len() as u8, comment.len() as u8][..], &ident, &comment, &setup].concat();
    vec![
        ("code books in Ogg", ogg_vorbis()),
        ("code books in Matroska", file(&matroska(b"A_VORBIS", &private, 16_000.0, 1, &[]))),
        ("a packet without end", ogg_endless()),
        ("a block of 3 GiB", matroska_block()),
        ("holes in a wide file", matroska_holes()),
        ("a hundred years", matroska_century()),
        ("to and fro", matroska_to_and_fro()),
        ("millions of tags", matroska_tags()),
        ("frames of another shape each", file(&mpeg_shapes())),
        ("the start of a frame, over and over", file(&vec![0xff; 100 << 20])),
        ("thousands of blocks of samples", file(&wave_blocks())),
        ("samples of 4 GB", mp4(&[mp4_track(1, u32::MAX, u32::MAX, 40)])),
        ("samples without end", mp4(&[mp4_track(1, 2, u32::MAX, 40)])),
        ("moov in moov", nested(b"moov", 90_000)),
        ("trak in trak", nested(b"trak", 90_000)),
        ("meta in meta", nested(b"meta", 90_000)),
        ("a FLAC header", flac(100)),
        ("a picture of 16 MB", flac((1 << 24) - 1)),
        ("a picture of 256 MB", id3()),
        ("zeros", with_hole(file(&[]), 1 << 28)),
        ("zeros behind a frame", with_hole(file(b"\xff\xfb\x90\x64"), 1 << 28)),
        ("64 channels at 768 kHz", with_hole(file(&wave(768_000, 64, 4, u32::MAX)), 1 << 28)),
        ("65,535 channels", with_hole(file(&wave(16_000, 65_535, 1, u32::MAX)), 1 << 20)),
        ("a block past the end of all files", wave64()),
    ]
}

/// Peak memory of this process since the last call, in KiB.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("the peak");
    let kib = line.split_whitespace().nth(1).expect("a number").parse().expect("a number");
    std::fs::write("/proc/self/clear_refs", "5").expect("resets the peak");
    kib
}

#[test]
fn small_files_that_ask_for_much_get_little() {
    for (name, file) in bombs() {
        peak_kib();
        let before = peak_kib();
        let started = Instant::now();
        let path = file.path().to_owned();
        let decoding = std::thread::Builder::new().stack_size(STACK).spawn(move || decode(&path));
        let outcome = decoding.expect("starts").join().expect("no panic comes through");
        let (took, peak) = (started.elapsed(), peak_kib().saturating_sub(before));
        println!("{name}: {} KiB, {took:.1?}, {outcome:?}", peak);
        assert!(peak < MOST_KIB, "{name}: {peak} KiB");
        assert!(took < WITHIN, "{name}: {took:?}");
    }
}

/// Samples that came out, or the words of the refusal. The disk is never at fault here.
fn decode(path: &std::path::Path) -> Result<usize, String> {
    let words = |error: AudioError| {
        assert!(!matches!(error, AudioError::Read(_) | AudioError::Open(_)), "{error}");
        error.to_string()
    };
    let mut stream = audio::open(path).map_err(words)?;
    let mut samples = 0;
    while let Some(part) = stream.next_samples().map_err(words)? {
        samples += part.len();
        if samples >= MOST_SAMPLES {
            break;
        }
    }
    Ok(samples)
}

#[test]
fn time_stamps_alone_make_no_more_silence_than_there_can_be() {
    let seconds = |file: NamedTempFile| {
        let mut stream = audio::open(file.path()).expect("opens");
        let (mut samples, mut most) = (0, 0);
        while let Some(part) = stream.next_samples().expect("reads") {
            (samples, most) = (samples + part.len(), most.max(part.len()));
        }
        assert!(most <= 16_000 && stream.warnings().iter().any(|note| note.contains("closed up")));
        samples / 16_000
    };
    // A century is closed up; an hour is filled once, since the last time stamp of the file is not later.
    assert_eq!(seconds(matroska_century()), 0);
    assert_eq!(seconds(matroska_to_and_fro()) / 60, 60);
}

#[test]
fn a_stream_is_given_up_at_once_however_much_there_is_of_it() {
    let give_up = GiveUp::default();
    let file = with_hole(file(&wave(16_000, 1, 2, u32::MAX)), 1 << 31);
    let mut stream = audio::open_until(file.path(), &give_up).expect("opens");
    stream.next_samples().expect("reads").expect("has samples");
    give_up.ask();
    assert!(matches!(stream.next_samples(), Err(AudioError::GivenUp)));
    assert!(matches!(stream.next_samples(), Ok(None)));
    assert!(matches!(audio::open_until(file.path(), &give_up), Err(AudioError::GivenUp)));
}

#[test]
fn a_demuxer_that_finds_nothing_for_long_is_given_up_too() {
    // After a little sound only packets of another track come, four thousand million of them, from a hole in the file.
    let give_up = GiveUp::default();
    let tracks = [mp4_track(1, 2, 20, 40), mp4_track(2, 1, u32::MAX - 5_000, 4_000)];
    let whole = mp4(&tracks);
    let end = mp4_box(b"free", &[]).len() as u64 + whole.as_file().metadata().expect("is there").len();
    let mut bytes = std::fs::read(whole.path()).expect("reads");
    // The rest of the file is one box, whose size stands in eight bytes.
    bytes.extend(
        [&1_u32.to_be_bytes()[..], b"mdat", &(u64::from(u32::MAX) + 10_000 - end + 8).to_be_bytes()].concat(),
    );
    let path = with_hole(file(&bytes), u64::from(u32::MAX) + 10_000).into_temp_path();
    let asked = give_up.clone();
    let decoding = std::thread::spawn(move || {
        let mut stream = audio::open_until(&path, &asked).expect("opens");
        let mut outcome = stream.next_samples();
        while let Ok(Some(_)) = outcome {
            outcome = stream.next_samples();
        }
        outcome
    });
    std::thread::sleep(Duration::from_secs(2));
    assert!(!decoding.is_finished(), "it was no work at all: {:?}", decoding.join());
    give_up.ask();
    let started = Instant::now();
    assert!(matches!(decoding.join().expect("ends"), Err(AudioError::GivenUp)));
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
}
