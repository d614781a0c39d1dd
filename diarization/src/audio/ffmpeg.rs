//! Formats without a built-in decoder, through the program ffmpeg where it is installed.
//!
//! ffmpeg knows far more than audio files: playlists, network protocols, scripts. So it is only started
//! when our own look at the magic bytes has named the format, is told that format, may open files and
//! pipes only, and never passes through a shell. It hands over the file's own rate and channels as
//! 32-bit floats in a Sun AU stream, which has no length limit, so mixing and resampling are the same
//! code as for every other format.

use std::ffi::OsString;
use std::io::Read;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::error::AudioError;
use super::give_up::{GiveUp, kill};
use super::pcm::PcmSource;
use super::pcm_header::read_au;
use super::source::{Block, Source};
use super::warnings::Warnings;

/// Bytes of ffmpeg's complaints that are kept.
const MAX_STDERR: u64 = 4096;

/// Bytes that ffmpeg may allocate in one piece; a packet of sound has some thousand.
const MOST_IN_ONE_PIECE: &str = "67108864";
/// How often it is looked whether ffmpeg, whose output has ended, has ended as well.
const LOOK: Duration = Duration::from_millis(5);

/// A running ffmpeg and its output.
pub(super) struct FfmpegSource {
    pcm: PcmSource<ChildStdout>,
    child: Running,
    format: String,
    any: bool,
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

/// Starts ffmpeg on `path` with the demuxer our magic bytes named. Returns the source, the rate in Hz
/// and the channel count. `format` is for messages.
pub(super) fn open(
    path: &Path,
    demuxer: &str,
    format: &str,
    give_up: &GiveUp,
) -> Result<(FfmpegSource, u32, usize), AudioError> {
    // The prefix keeps a path from being read as a protocol or an option.
    let mut input = OsString::from("file:");
    input.push(path);
    let spawned = Command::new("ffmpeg")
        .args(["-nostdin", "-hide_banner", "-loglevel", "error", "-threads", "1"])
        .args(["-max_alloc", MOST_IN_ONE_PIECE])
        .args(["-protocol_whitelist", "file,pipe", "-f", demuxer, "-i"])
        .arg(input)
        .args(["-vn", "-sn", "-dn", "-map_metadata", "-1", "-fflags", "+bitexact"])
        .args(["-c:a", "pcm_f32be", "-f", "au", "pipe:1"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = match spawned {
        Ok(child) => child,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            return Err(AudioError::FfmpegMissing { format: format.into() });
        }
        Err(e) => return Err(AudioError::Ffmpeg { format: format.into(), reason: e.to_string() }),
    };
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
    let mut stdout = stdout.ok_or_else(|| failed("its output could not be read".into()))?;
    let header = match read_au(&mut stdout) {
        Ok(header) => header,
        Err(_) => {
            // Closed first: a process that waits for a reader never ends.
            drop(stdout);
            return Err(failed(child.outcome().unwrap_or_else(|| "it found no audio".into())));
        }
    };
    let (rate, channels) = (header.rate, header.channels);
    let pcm = PcmSource::new(stdout, header, format)?;
    Ok((FfmpegSource { pcm, child, format: format.into(), any: false }, rate, channels))
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
        let block = self.pcm.next_block(warnings)?;
        if block.is_some() {
            self.any = true;
            return Ok(block);
        }
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
