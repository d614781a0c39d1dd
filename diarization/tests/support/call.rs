//! Calls put together from utterances of two people, one on each channel, so that their truth is known. Other crates' tests include this
//! file too.

#![allow(dead_code, reason = "not everybody who includes this needs all of it")]

use std::path::Path;

const RATE: usize = 16_000;
/// Pause between two turns, seconds.
const PAUSE_S: f64 = 0.4;

/// A call of two channels.
pub struct Call {
    /// The samples of both.
    pub channels: [Vec<f32>; 2],
    /// Speaker of each turn, its start and its end in seconds.
    pub turns: Vec<(usize, f64, f64)>,
}

/// A man and a woman take turns for `seconds`, in the files that every checkout has. She is `quieter` times as loud as he is, and each
/// channel hears the other `leak` times as loud.
pub fn call(seconds: f64, quieter: f32, leak: f32) -> Call {
    let people = [utterances("ls-1688"), utterances("ls-1998")];
    let loudness = [1.0, quieter];
    let mut channels = [Vec::new(), Vec::new()];
    let mut turns = Vec::new();
    for turn in 0.. {
        let at = channels[0].len();
        if at as f64 >= seconds * RATE as f64 {
            break;
        }
        let side = turn % 2;
        let said = &people[side][turn / 2 % people[side].len()];
        turns.push((side, at as f64 / RATE as f64, (at + said.len()) as f64 / RATE as f64));
        let own = said.iter().map(|x| x * loudness[side]);
        channels[side].extend(own.clone());
        channels[1 - side].extend(own.map(|x| x * leak));
        let pause = (PAUSE_S * RATE as f64) as usize;
        channels.iter_mut().for_each(|channel| channel.resize(channel.len() + pause, 0.0));
    }
    Call { channels, turns }
}

/// All that we have of a person, in order of the files' names.
fn utterances(person: &str) -> Vec<Vec<f32>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../diarization/tests/data/voices").join(person);
    let files = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<_> = files.map(|file| file.expect("it is listed").path()).collect();
    files.sort();
    let read = |file: &Path| {
        let mut stream = diarization::audio::open(file).expect("it opens");
        let mut samples = Vec::new();
        while let Some(more) = stream.next_samples().expect("it decodes") {
            samples.extend(more);
        }
        samples
    };
    files.iter().map(|file| read(file)).collect()
}

/// Writes channels as 16-bit PCM.
pub fn write_wav(path: &Path, channels: &[&[f32]]) {
    let frames = channels[0].len();
    let mut data = Vec::with_capacity(2 * frames * channels.len());
    for frame in 0..frames {
        for channel in channels {
            data.extend(((channel[frame] * 32_767.0) as i16).to_le_bytes());
        }
    }
    let (count, rate) = (channels.len() as u16, RATE as u32);
    let mut wav = b"RIFF".to_vec();
    wav.extend((36 + data.len() as u32).to_le_bytes());
    wav.extend(b"WAVEfmt \x10\0\0\0\x01\0");
    wav.extend(count.to_le_bytes());
    wav.extend([rate, rate * 2 * u32::from(count)].map(u32::to_le_bytes).concat());
    wav.extend((2 * count).to_le_bytes());
    wav.extend(b"\x10\0data");
    wav.extend((data.len() as u32).to_le_bytes());
    std::fs::write(path, [wav, data].concat()).expect("it is written");
}
