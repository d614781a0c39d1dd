//! Length and audio tracks of a file, as told by the program ffprobe, which comes with ffmpeg.

use std::io::Read;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};

use super::error::AudioError;
use super::ffmpeg::{input, missing, program};
use super::give_up::GiveUp;

/// Bytes of its answer that are read.
const MAX_ANSWER: u64 = 1 << 20;

/// Length, start and audio tracks that were found.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Found {
    /// Length from the first time stamp on, in s.
    pub(super) length_s: Option<f64>,
    /// The first time stamp, in s.
    start_s: Option<f64>,
    /// The audio tracks in file order.
    pub(super) tracks: Vec<Track>,
}

/// An audio track.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Track {
    index: u32,
    is_default: bool,
    channels: u32,
    start_s: Option<f64>,
}

impl Found {
    /// Time from the start of the file to the start of the track of this index, in s. `first_s` is the time of its first sound, on the
    /// file's clock. That alone says little, since there are decoders that give nothing for the first packet.
    pub(super) fn lead_s(&self, track: usize, first_s: f64) -> f64 {
        match (self.start_s, self.tracks.get(track).and_then(|track| track.start_s)) {
            (Some(file), Some(track)) => track - file,
            (Some(_), None) => first_s,
            (None, _) => 0.0,
        }
    }

    /// Index, from 0, of the track that is heard where nobody chooses. It is the first with most channels, of those marked as default, else
    /// of all.
    pub(super) fn default_track(&self) -> usize {
        let rank = |track: &Track| (track.is_default, track.channels);
        let best = self.tracks.iter().map(rank).max();
        self.tracks.iter().position(|track| Some(rank(track)) == best).unwrap_or(0)
    }
}

/// Asks ffprobe about `path`, which `demuxer` reads. What it cannot say is not found: ffmpeg tells why.
pub(super) fn ask(path: &Path, demuxer: &str, format: &str, give_up: &GiveUp) -> Result<Found, AudioError> {
    let spawned = program("ffprobe")
        .args(["-select_streams", "a", "-show_entries"])
        .arg("stream=index,channels,start_time:stream_disposition=default:format=start_time,duration")
        .args(["-f", demuxer, "-i"])
        .arg(input(path))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let mut child = spawned.map_err(|error| missing(error, format))?;
    let stdout = child.stdout.take();
    let child = Arc::new(Mutex::new(child));
    give_up.kill_when_asked(&child);
    let mut answer = Vec::new();
    if let Some(mut pipe) = stdout {
        let _ = pipe.by_ref().take(MAX_ANSWER).read_to_end(&mut answer);
    }
    // Its output has ended, so it has nothing left to do.
    let _ = child.lock().unwrap_or_else(PoisonError::into_inner).wait();
    Ok(read(&String::from_utf8_lossy(&answer)))
}

/// Reads lines of `key=value` between `[STREAM]` and `[/STREAM]`, `[FORMAT]` and `[/FORMAT]`.
fn read(answer: &str) -> Found {
    let mut found = Found::default();
    let mut is_format = false;
    for line in answer.lines().map(str::trim) {
        is_format |= line == "[FORMAT]";
        let Some((key, value)) = line.split_once('=') else { continue };
        let seconds = value.parse().ok().filter(|s: &f64| s.is_finite());
        match (key, found.tracks.last_mut()) {
            ("index", _) => {
                let index = value.parse().unwrap_or(0);
                found.tracks.push(Track { index, ..Track::default() });
            }
            ("duration", _) if is_format => found.length_s = seconds.filter(|&s| s > 0.0),
            ("start_time", _) if is_format => found.start_s = seconds,
            ("start_time", Some(track)) => track.start_s = seconds,
            ("channels", Some(track)) => track.channels = value.parse().unwrap_or(0),
            ("DISPOSITION:default", Some(track)) => track.is_default = value == "1",
            _ => {}
        }
    }
    // The programs of a transport stream name their tracks again.
    found.tracks.sort_by_key(|track| track.index);
    found.tracks.dedup_by_key(|track| track.index);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tracks_are_counted_once_and_the_one_marked_as_default_is_heard() {
        let stream = |index, channels, default| {
            format!(
                "[STREAM]\nindex={index}\nchannels={channels}\nDISPOSITION:default={default}\n[/STREAM]\n"
            )
        };
        let answer = [stream(1, 2, 0), stream(2, 1, 1), stream(1, 2, 0), stream(2, 1, 1)].concat();
        let found = read(&format!("[PROGRAM]\n{answer}[FORMAT]\nduration=60.06\n[/FORMAT]\n"));
        assert_eq!((found.tracks.len(), found.default_track(), found.length_s), (2, 1, Some(60.06)));
        assert_eq!(read(&[stream(0, 1, 0), stream(1, 6, 0), stream(2, 6, 0)].concat()).default_track(), 1);
        assert_eq!(read("duration=N/A"), Found::default());
    }

    #[test]
    fn a_track_leads_in_by_what_it_begins_after_the_file_and_not_by_what_its_decoder_holds_back() {
        let found = |track, file| {
            read(&format!(
                "[STREAM]\nindex=1\nstart_time={track}\n[/STREAM]\n[FORMAT]\nstart_time={file}\n[/FORMAT]"
            ))
        };
        assert_eq!(found("11.4", "1.4").lead_s(0, 10.1), 10.0);
        assert_eq!(found("0.0", "0.0").lead_s(0, 0.064), 0.0);
        assert_eq!(found("N/A", "1.4").lead_s(0, 70.0), 70.0);
        assert_eq!(found("N/A", "N/A").lead_s(0, 0.2), 0.0);
    }
}
