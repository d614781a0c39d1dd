//! Formats without a built-in decoder, through the program ffmpeg where it is installed.
//!
//! ffmpeg knows far more than audio files: playlists, network protocols, scripts. So it is only started
//! when our own look at the magic bytes has named the format, is told that format, may open files and
//! pipes only, and never passes through a shell. It hands over the file's own rate and channels as
//! 32-bit floats in a Matroska stream, which carries their times and has no length limit, so placing, mixing and resampling are the
//! same code as for every other format.

use std::ffi::OsString;
use std::io::Read;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::container::Wanted;
use super::error::AudioError;
use super::ffprobe::{self, Found};
use super::give_up::{GiveUp, kill};
use super::mkv_pcm::MkvPcm;
use super::placer::{Placer, Stamp, Start};
use super::source::{Block, Source, check_shape};
use super::warnings::Warnings;

/// Bytes of ffmpeg's complaints that are kept.
const MAX_STDERR: u64 = 4096;

/// Bytes that ffmpeg may allocate in one piece; a packet of sound has some thousand.
const MOST_IN_ONE_PIECE: &str = "67108864";
/// A step forward in the time stamps is a hole, and not another clock, up to so many seconds: all that a transport stream can count.
/// Steps back ffmpeg takes for another clock in any case.
const LONGEST_STEP_S: &str = "100000";
/// Times come in milliseconds, of packets that may have been timed to the like.
const STEP_S: f64 = 0.03;
/// Interval of the checks whether ffmpeg, whose output has ended, has ended as well.
const LOOK: Duration = Duration::from_millis(5);

/// A running ffmpeg and its output.
pub(super) struct FfmpegSource {
    pcm: MkvPcm<ChildStdout>,
    placer: Placer,
    /// Until the first samples came.
    found: Option<Found>,
    /// Index of the track.
    track: usize,
    samples: Vec<f32>,
    child: Running,
    format: String,
    any: bool,
}

/// A started ffmpeg.
pub(super) struct Opened {
    pub(super) source: FfmpegSource,
    /// Rate in Hz.
    pub(super) rate: u32,
    pub(super) channels: usize,
    /// Number of the track that is heard, from 1.
    pub(super) track: usize,
    /// Number of audio tracks.
    pub(super) tracks: usize,
}

/// Ends and reaps the process when dropped, so that an abandoned stream leaves nothing behind.
struct Running {
    child: Arc<Mutex<Child>>,
    complaints: Option<JoinHandle<String>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        kill(&self.child);
        let _ = self.child.lock().unwrap_or_else(PoisonError::into_inner).wait();
    }
}

impl Running {
    /// Waits for the end, and lets go of the process in between so that it can be killed.
    fn ended(&self) -> std::io::Result<ExitStatus> {
        loop {
            let status = self.child.lock().unwrap_or_else(PoisonError::into_inner).try_wait();
            match status {
                Ok(None) => std::thread::sleep(LOOK),
                Ok(Some(status)) => return Ok(status),
                Err(error) => return Err(error),
            }
        }
    }

    /// Waits for the end: `None` if all went well, else the last complaint.
    fn outcome(&mut self) -> Option<String> {
        let status = self.ended();
        let said = self.complaints.take().and_then(|reader| reader.join().ok()).unwrap_or_default();
        if status.as_ref().is_ok_and(ExitStatus::success) && said.is_empty() {
            return None;
        }
        let said = if said.is_empty() { "it stopped without a message".to_owned() } else { said };
        Some(said)
    }
}

/// One of the two programs, which may take so much memory and open nothing but files and pipes.
pub(super) fn program(name: &str) -> Command {
    let mut command = Command::new(name);
    command
        .args(["-hide_banner", "-loglevel", "error", "-max_alloc", MOST_IN_ONE_PIECE])
        .args(["-protocol_whitelist", "file,pipe"])
        // It needs nothing of ours, and passwords may be there.
        .env_clear()
        .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
        .stdin(Stdio::null());
    command
}

/// The prefix keeps a path from being read as a protocol or an option.
pub(super) fn input(path: &Path) -> OsString {
    let mut input = OsString::from("file:");
    input.push(path);
    input
}

/// Error for a program that could not be started.
pub(super) fn missing(error: std::io::Error, format: &str) -> AudioError {
    if error.kind() == std::io::ErrorKind::NotFound {
        AudioError::FfmpegMissing { format: format.into() }
    } else {
        AudioError::Ffmpeg { format: format.into(), reason: error.to_string() }
    }
}

/// Starts ffmpeg on `path` with the demuxer our magic bytes named. `format` is for messages.
pub(super) fn open(
    path: &Path,
    demuxer: &str,
    format: &str,
    wanted: Wanted,
    give_up: &GiveUp,
) -> Result<Opened, AudioError> {
    let found = ffprobe::ask(path, demuxer, format, give_up)?;
    let (track, tracks) = match wanted {
        Wanted::Number(number) if number > found.tracks.len() => {
            return Err(AudioError::NoSuchTrack { wanted: number, tracks: found.tracks.len() });
        }
        Wanted::Number(number) => (number, found.tracks.len()),
        Wanted::Default | Wanted::Any => (found.default_track() + 1, found.tracks.len().max(1)),
    };
    let spawned = program("ffmpeg")
        .args(["-nostdin", "-threads", "1", "-dts_delta_threshold", LONGEST_STEP_S])
        .args(["-f", demuxer, "-i"])
        .arg(input(path))
        .args(["-map", &format!("0:a:{}", track - 1), "-map_metadata", "-1", "-fflags", "+bitexact"])
        .args(["-c:a", "pcm_f32le", "-f", "matroska", "pipe:1"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = spawned.map_err(|error| missing(error, format))?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let complaints = stderr.map(|mut pipe| {
        std::thread::spawn(move || {
            let mut said = Vec::new();
            // What follows is read and dropped: a full pipe would stop ffmpeg.
            let _ = pipe.by_ref().take(MAX_STDERR).read_to_end(&mut said);
            let _ = std::io::copy(&mut pipe, &mut std::io::sink());
            tidy(&String::from_utf8_lossy(&said))
        })
    });
    let child = Arc::new(Mutex::new(child));
    give_up.kill_when_asked(&child);
    let mut child = Running { child, complaints };
    let failed = |reason: String| AudioError::Ffmpeg { format: format.into(), reason };
    let stdout = stdout.ok_or_else(|| failed("its output could not be read".into()))?;
    // Closed where there is nothing in it: a process that waits for a reader never ends.
    let Some(pcm) = MkvPcm::open(stdout) else {
        let reason = child.outcome().unwrap_or_else(|| "it found no audio".into());
        if reason.contains("matches no streams") {
            return Err(AudioError::NoAudioTrack { format: format.into() });
        }
        return Err(failed(reason));
    };
    let (rate, channels) = pcm.shape();
    check_shape(rate, channels)?;
    let source = FfmpegSource {
        pcm,
        placer: Placer::new(STEP_S),
        found: Some(found),
        track: track - 1,
        samples: Vec::new(),
        child,
        format: format.into(),
        any: false,
    };
    Ok(Opened { source, rate, channels, track, tracks })
}

/// The last line, without the file's path and ffmpeg's internal addresses.
fn tidy(said: &str) -> String {
    let last = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let words = last.rsplit_once("] ").map_or(last, |(_, words)| words);
    match words.rsplit_once(": ") {
        Some((head, words)) if head.contains("file:") => words.trim().to_owned(),
        _ => words.trim().chars().take(300).collect(),
    }
}

impl Source for FfmpegSource {
    fn next_block(&mut self, warnings: &mut Warnings) -> Result<Option<Block>, AudioError> {
        loop {
            if let Some(block) = self.placer.next_due() {
                self.any = true;
                return Ok(Some(block));
            }
            let at_s = self.pcm.next_samples(&mut self.samples).map_err(AudioError::Read)?;
            let Some(at_s) = at_s else { break };
            if let Some(found) = self.found.take() {
                let lead_s = found.lead_s(self.track, at_s);
                self.placer.starts(Start { delay_s: 0.0, lead_s }, found.length_s);
            }
            let stamp = Stamp { at_s, ..Stamp::default() };
            self.placer.place(stamp, &self.samples, self.pcm.shape(), warnings);
        }
        self.placer.finish(warnings);
        match self.child.outcome() {
            None => Ok(None),
            Some(said) if self.any => {
                warnings.push(format!("ffmpeg met damage in this {} file: {said}", self.format));
                Ok(None)
            }
            Some(reason) => Err(AudioError::Ffmpeg { format: self.format.clone(), reason }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_names_neither_the_path_nor_an_address() {
        assert_eq!(tidy("[asf @ 0x55d] skipping\nfile:a/b.wma: Invalid data found\n"), "Invalid data found");
        assert_eq!(tidy("[wmav2 @ 0x55d] frame too long"), "frame too long");
    }

    #[test]
    fn a_format_that_needs_ffmpeg_says_so_when_it_is_missing() {
        let message = AudioError::FfmpegMissing { format: "WMA (ASF)".into() }.to_string();
        assert!(message.contains("WMA") && message.contains("apt install ffmpeg"), "{message}");
    }
}
