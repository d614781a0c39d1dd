//! Channels: a call of two sides is told apart by its channels, whatever their levels, and everything else is heard as one.

mod support {
    pub mod analyses;
    pub mod call;
    pub mod models;
}

use diarization::analysis::BlockAnalysis;
use diarization::audio::{self, AudioError, GiveUp, Layout, Wish};
use diarization::channels::Channels;
use diarization::diarize::{Diarization, Diarizer, Settings};
use diarization::hints::Hints;
use diarization::onnx::Models;
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex};
use support::call::{Call, call, write_wav};
use support::{analyses, models};
use tempfile::TempDir;

static MODELS: LazyLock<Mutex<Models>> = LazyLock::new(|| Mutex::new(models::load()));

/// Result of reading a file.
struct Read {
    layout: Layout,
    channels: Vec<Vec<f32>>,
    warnings: Vec<String>,
}

fn read(path: &Path, wish: Wish) -> Result<Read, AudioError> {
    let mut stream = audio::open_for(path, wish, u64::MAX, &GiveUp::default())?;
    let layout = stream.layout();
    let mut channels = vec![Vec::new(); layout.channels()];
    while let Some(more) = stream.next_channels()? {
        assert!(more.len() == channels.len() && more.iter().all(|it| it.len() == more[0].len()));
        channels.iter_mut().zip(more).for_each(|(channel, more)| channel.extend(more));
    }
    Ok(Read { layout, channels, warnings: stream.warnings().to_vec() })
}

fn wish(channels: Channels) -> Wish {
    Wish { channels, ..Wish::default() }
}

/// A file in `folder` with these channels.
fn file(folder: &TempDir, channels: &[&[f32]]) -> PathBuf {
    let path = folder.path().join("file.wav");
    write_wav(&path, channels);
    path
}

fn analysed(read: &Read) -> Vec<BlockAnalysis> {
    let channels: Vec<&[f32]> = read.channels.iter().map(Vec::as_slice).collect();
    analyses::of_channels(&mut *MODELS.lock().expect("no test panics with it"), &channels, 5).concat()
}

fn diarized(read: &Read, hints: Hints) -> Diarization {
    let mut diarizer = Diarizer::new(Settings { hints, ..Settings::default() });
    for block in analysed(read) {
        diarizer.push(block).expect("blocks are in order");
    }
    diarizer.finish()
}

/// Seconds in which each speaker speaks while this side does.
fn seconds(found: &Diarization, call: &Call, side: usize) -> Vec<f64> {
    let shared = |speaker: usize| {
        let turns = found.turns.iter().filter(|turn| turn.speaker == speaker);
        let of = |turn: &diarization::timeline::Turn| -> f64 {
            let own = call.turns.iter().filter(|(of, ..)| *of == side);
            own.map(|(_, from, to)| (turn.end_seconds().min(*to) - turn.start_seconds().max(*from)).max(0.0))
                .sum()
        };
        turns.map(of).sum()
    };
    (0..found.speakers.len()).map(shared).collect()
}

#[test]
fn a_side_twenty_decibels_down_that_hears_the_other_is_one_speaker_and_so_is_the_other() {
    let folder = tempfile::tempdir().expect("a folder");
    for (quieter, leak) in [(1.0, 0.0), (0.1, 0.01), (1.0, 0.03)] {
        let call = call(50.0, quieter, leak);
        let path = file(&folder, &[&call.channels[0], &call.channels[1]]);
        let read = read(&path, Wish::default()).expect("it reads");
        assert_eq!((read.layout.done(), read.warnings.len()), (Channels::Separate, 0));
        let found = diarized(&read, Hints::default());
        assert_eq!(found.speakers.len(), 2, "{quieter} {leak}");
        for side in [0, 1] {
            let said: f64 = call.turns.iter().filter(|it| it.0 == side).map(|it| it.2 - it.1).sum();
            let by = seconds(&found, &call, side);
            assert!(by[side] > 0.8 * said, "{quieter} {leak}: {by:?} of {said} s");
            assert!(by[1 - side] < 0.01 * said, "{quieter} {leak}: {by:?} of {said} s");
        }
    }
}

#[test]
fn mixed_the_quiet_side_is_brought_up_and_no_louder_side_is_lost() {
    let folder = tempfile::tempdir().expect("a folder");
    let call = call(50.0, 0.1, 0.0);
    let path = file(&folder, &[&call.channels[0], &call.channels[1]]);
    let read = read(&path, wish(Channels::Mix)).expect("it reads");
    assert_eq!(read.channels.len(), 1);
    let loudness = |side: usize| {
        let own = call.turns.iter().filter(|it| it.0 == side);
        let samples: Vec<f32> = own
            .flat_map(|(_, from, to)| &read.channels[0][(from * 16e3) as usize..(to * 16e3) as usize])
            .copied()
            .collect();
        10.0 * (samples.iter().map(|x| x * x).sum::<f32>() / samples.len() as f32).log10()
    };
    assert!((loudness(0) - loudness(1)).abs() < 3.0, "{} dB, {} dB", loudness(0), loudness(1));
    let found = diarized(&read, Hints::default());
    assert_eq!(found.speakers.len(), 2);
}

#[test]
fn what_is_no_call_of_two_sides_is_mixed_and_as_it_always_was() {
    let folder = tempfile::tempdir().expect("a folder");
    let call = call(25.0, 1.0, 0.0);
    let [a, b] = &call.channels;
    let both: Vec<f32> = a.iter().zip(b).map(|(x, y)| 0.5 * (x + y)).collect();
    let part = |x: &[f32], gain: f32| x.iter().map(|x| gain * x).collect::<Vec<f32>>();
    let panned =
        |own: f32, other: f32| -> Vec<f32> { a.iter().zip(b).map(|(x, y)| own * x + other * y).collect() };
    let later = [vec![0.0; 80], both[..both.len() - 80].to_vec()].concat();
    let silent = vec![0.0; a.len()];
    let (quieter, turned, left, right) =
        (part(&both, 0.1), part(&both, -1.0), panned(0.7, 0.3), panned(0.3, 0.7));
    let cases: [(&str, &[&[f32]]); 8] = [
        ("one channel", &[&both]),
        ("both the same", &[&both, &both]),
        ("one quieter", &[&both, &quieter]),
        ("one turned over", &[&both, &turned]),
        ("one later", &[&both, &later]),
        ("a room", &[&left, &right]),
        ("one silent", &[&both, &silent]),
        ("three channels", &[a, b, &silent]),
    ];
    for (what, channels) in cases {
        let path = file(&folder, channels);
        let mut plain = audio::open(&path).expect("it opens");
        let mut samples = Vec::new();
        while let Some(more) = plain.next_samples().expect("it reads") {
            samples.extend(more);
        }
        let read = read(&path, Wish::default()).expect("it reads");
        assert_eq!((read.layout, read.warnings.len()), (Layout::Mix(None), 0), "{what}");
        assert!(read.channels == [samples], "{what}: other samples than without looking at channels");
    }
}

#[test]
fn what_cannot_be_separated_gives_the_obvious_result_with_a_warning_or_an_error_that_says_what_to_do() {
    let folder = tempfile::tempdir().expect("a folder");
    let call = call(20.0, 1.0, 0.0);
    let [a, b] = &call.channels;
    let silent = vec![0.0; a.len()];
    let separated = |channels: &[&[f32]]| read(&file(&folder, channels), wish(Channels::Separate));
    let cases: [(&[&[f32]], &str); 4] = [
        (&[a], "one channel"),
        (&[a, a], "the same sound"),
        (&[&silent, b], "channel 1 is silent: only channel 2 was taken"),
        (&[&silent, &silent], "both channels are silent"),
    ];
    for (channels, words) in cases {
        let read = separated(channels).expect("it reads");
        assert!(read.warnings.len() == 1 && read.warnings[0].contains(words), "{words}: {:?}", read.warnings);
        assert_eq!((read.layout.done(), read.channels[0].len()), (Channels::Mix, a.len()), "{words}");
    }
    // The silent channel takes nothing off the other.
    let only = separated(&[&silent, b]).expect("it reads");
    let alone = separated(&[b]).expect("it reads");
    assert!(only.channels == alone.channels);
    for count in [3, 64] {
        let many: Vec<&[f32]> = (0..count).map(|_| &a[..1000]).collect();
        let why = separated(&many).err().expect("it is refused").to_string();
        assert!(why.contains(&format!("{count} channels")) && why.contains("`mix`"), "{why}");
        assert_eq!(read(&file(&folder, &many), wish(Channels::Mix)).expect("it reads").channels.len(), 1);
    }
}

#[test]
fn hints_are_of_both_channels_together_and_what_cannot_be_is_said() {
    let folder = tempfile::tempdir().expect("a folder");
    let call = call(40.0, 1.0, 0.0);
    let path = file(&folder, &[&call.channels[0], &call.channels[1]]);
    let exactly = |count| Hints::new(Some(count), None, None, Default::default()).expect("hints");
    let read = read(&path, wish(Channels::Separate)).expect("it reads");
    for (asked, found) in [(1, 2), (2, 2), (3, 3)] {
        let speakers = diarized(&read, exactly(asked)).speakers.len();
        assert_eq!(speakers, found, "{asked} asked for");
        assert_eq!(exactly(asked).unmet(speakers).is_some(), asked == 1);
    }
    assert!(
        exactly(100)
            .unmet(diarized(&read, exactly(100)).speakers.len())
            .is_some_and(|why| why.contains("100"))
    );
    let one = Wish { max_speakers: Some(1), ..Wish::default() };
    assert_eq!(
        audio::open_for(&path, one, u64::MAX, &GiveUp::default()).expect("it opens").layout().channels(),
        1
    );
}
