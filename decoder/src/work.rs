//! Work: what the decoder's process does, behind its fence.

use crate::decoder::Limits;
use crate::fence;
use crate::wire::{self, Begun, Failure, Frame};
use clap::Parser;
use diarization::audio::{self, AudioError, GiveUp, Wish};
use diarization::channels::Channels;
use diarization::tracks::Tracks;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Decodes the file that is its standard input, and writes samples to its standard output. Started by throughline-ingest, once for each
/// file; of no use by hand.
#[derive(Parser, Clone, Debug)]
#[command(name = "throughline-decoder", version)]
pub struct Work {
    /// What is done with channels: auto, mix or separate.
    #[arg(long, default_value = "auto")]
    channels: Channels,
    /// Which audio tracks are heard: default, all, or the number of one.
    #[arg(long, default_value = "default")]
    tracks: Tracks,
    /// Most speakers that there are.
    #[arg(long)]
    max_speakers: Option<usize>,
    /// Seconds of audio to look at, at most, before it is said what becomes of the channels.
    #[arg(long)]
    most_seconds: u64,
    /// Most memory, in MiB of addresses.
    #[arg(long)]
    memory_mib: u64,
    /// Most processor time, in seconds.
    #[arg(long)]
    cpu_seconds: u64,
}

impl Work {
    /// The arguments that ask for this.
    pub(crate) fn arguments(wish: Wish, most_seconds: u64, limits: Limits) -> Vec<String> {
        let mut arguments = vec![
            format!("--channels={}", wish.channels),
            format!("--tracks={}", wish.tracks),
            format!("--most-seconds={most_seconds}"),
            format!("--memory-mib={}", limits.memory_mib),
            format!("--cpu-seconds={}", limits.cpu_seconds),
        ];
        arguments.extend(wish.max_speakers.map(|most| format!("--max-speakers={most}")));
        arguments
    }
}

/// Does the work of this process; what there is to say has been said when it returns.
pub fn run(work: &Work) -> ExitCode {
    // By its number, so that an ffmpeg started from here finds the same file: its own standard input is another.
    let file = PathBuf::from(format!("/proc/{}/fd/0", std::process::id()));
    let mut out = io::BufWriter::new(io::stdout().lock());
    let said = match decode(work, &file, &mut out) {
        Ok(()) => Ok(()),
        Err(Stop::Failed(failure)) => wire::write(&Frame::Failed(failure), &mut out),
        Err(Stop::NobodyReads(error)) => Err(error),
    };
    // Nobody reads any more: there is nobody to tell either.
    if said.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

enum Stop {
    Failed(Failure),
    NobodyReads(io::Error),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::NobodyReads(error)
    }
}

fn decode(work: &Work, file: &Path, out: &mut impl Write) -> Result<(), Stop> {
    let limits = Limits { memory_mib: work.memory_mib, cpu_seconds: work.cpu_seconds };
    let limiting = |error| Stop::Failed(Failure::Server(format!("limiting the decoder: {error}")));
    let fence = fence::raise(limits).map_err(limiting)?;
    let failed = |error: AudioError| Stop::Failed(failure(&error, file));
    let wish = Wish { channels: work.channels, tracks: work.tracks, max_speakers: work.max_speakers };
    let mut stream = audio::open_for(file, wish, work.most_seconds, &GiveUp::default()).map_err(failed)?;
    wire::write(&Frame::Begun(Begun { layout: stream.layout(), fence }), out)?;
    while let Some(part) = stream.next_channels().map_err(failed)? {
        wire::write(&Frame::Samples(part), out)?;
    }
    let warnings = stream.warnings().iter().map(|warning| clean(warning, file)).collect();
    Ok(wire::write(&Frame::Ended(warnings), out)?)
}

fn failure(error: &AudioError, file: &Path) -> Failure {
    match error {
        // The temporary file is the server's.
        AudioError::Open(why) | AudioError::Read(why) => {
            Failure::Server(format!("reading the temporary file: {why}"))
        }
        error => Failure::File(clean(&error.to_string(), file)),
    }
}

/// Words for the uploader: without the server's path, which decoders quote.
fn clean(words: &str, file: &Path) -> String {
    words.replace(&*file.to_string_lossy(), "the file")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_for_the_uploader_have_no_path_of_the_server() {
        assert_eq!(
            clean("/proc/7/fd/0: no such codec", Path::new("/proc/7/fd/0")),
            "the file: no such codec"
        );
    }

    #[test]
    fn what_is_asked_for_is_what_is_understood() {
        let wish = Wish { channels: Channels::Separate, tracks: Tracks::All, max_speakers: Some(3) };
        let limits = Limits { memory_mib: 100, cpu_seconds: 9 };
        let arguments = Work::arguments(wish, 60, limits);
        let work = Work::try_parse_from([String::from("d")].into_iter().chain(arguments)).expect("parses");
        assert_eq!((work.channels, work.tracks), (Channels::Separate, Tracks::All));
        assert_eq!((work.max_speakers, work.most_seconds), (Some(3), 60));
        assert_eq!((work.memory_mib, work.cpu_seconds), (100, 9));
    }
}
