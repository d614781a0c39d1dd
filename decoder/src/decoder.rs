//! Decoder: starts the process that decodes one file, and reads what it says.

use crate::fence::Fence;
use crate::group::Group;
use crate::wire::{self, Begun, Failure, Frame};
use crate::work::Work;
use diarization::audio::{GiveUp, Layout, Wish};
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ChildStdout, Command, ExitStatus};
use std::sync::Arc;
use std::thread::JoinHandle;

/// Bytes of the process's complaints that are kept, for the log.
const MOST_COMPLAINTS: u64 = 4096;

/// Folders in which programs are looked for when this process has no `PATH`.
const USUAL_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// Limits on the cost of decoding one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most memory of the decoder, and of an ffmpeg that it starts, each: MiB of addresses.
    pub memory_mib: u64,
    /// Most processor time of each, in seconds.
    pub cpu_seconds: u64,
}

/// A file being decoded by a process of its own. Dropping it ends the process and what that has started.
pub struct Decoder {
    said: ChildStdout,
    group: Arc<Group>,
    complaints: Option<JoinHandle<String>>,
    give_up: GiveUp,
    begun: Begun,
    warnings: Vec<String>,
}

/// The program's usual place: beside the one that runs.
///
/// # Errors
///
/// Fails when it cannot be told which program runs.
pub fn program() -> io::Result<PathBuf> {
    Ok(std::env::current_exe()?.with_file_name("throughline-decoder"))
}

impl Decoder {
    /// Starts `program` on `file`, and waits until it has opened it and knows what becomes of its channels: within `most_seconds` of
    /// audio. `give_up` ends it from another thread.
    ///
    /// # Errors
    ///
    /// The file's when it is not audio or cannot be read, the server's when the program cannot be started.
    pub fn start(
        program: &Path,
        file: &Path,
        wish: Wish,
        most_seconds: u64,
        limits: Limits,
        give_up: &GiveUp,
    ) -> Result<Self, Failure> {
        let input = File::open(file).map_err(|error| server("opening the temporary file", &error))?;
        let mut command = Command::new(program);
        command
            .args(Work::arguments(wish, most_seconds, limits))
            // Nothing of ours: passwords of the database, the broker and the store are in it.
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_else(|| OsString::from(USUAL_PATH)))
            .current_dir("/")
            .stdin(input);
        let (group, said, complaints) = Group::start(&mut command)
            .map_err(|error| server(&format!("starting {}", program.display()), &error))?;
        let (group, complaints) = (Arc::new(group), std::thread::spawn(move || kept(complaints)));
        let abandoned = Arc::downgrade(&group);
        give_up.when_asked(move || {
            if let Some(group) = abandoned.upgrade() {
                group.kill();
            }
        });
        let begun = Begun { layout: Layout::Mix(None), fence: Fence::default() };
        let mut decoder = Self {
            said,
            group,
            complaints: Some(complaints),
            give_up: give_up.clone(),
            begun,
            warnings: Vec::new(),
        };
        match decoder.next(0)? {
            Frame::Begun(begun) => decoder.begun = begun,
            other => return Err(decoder.broke(&format!("it began with {other:?}"))),
        }
        Ok(decoder)
    }

    /// Channels that are handed out, and how they are made from those of the file.
    pub fn layout(&self) -> Layout {
        self.begun.layout
    }

    /// Parts of the fence that hold the process back.
    pub fn fence(&self) -> Fence {
        self.begun.fence
    }

    /// The next 1 to 16 000 samples at 16 kHz of each channel of the [layout](Self::layout), always finite; `None` at the end.
    ///
    /// # Errors
    ///
    /// The file's when it cannot be decoded further or breaks the decoder, the server's when its process is killed.
    pub fn next_channels(&mut self) -> Result<Option<Vec<Vec<f32>>>, Failure> {
        match self.next(self.begun.layout.channels())? {
            Frame::Samples(channels) => Ok(Some(channels)),
            Frame::Ended(warnings) => {
                self.warnings = warnings;
                Ok(None)
            }
            other => Err(self.broke(&format!("it said {other:?} among its samples"))),
        }
    }

    /// Damage that was passed over, in words for the uploader; complete after the end.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    fn next(&mut self, channels: usize) -> Result<Frame, Failure> {
        let frame = wire::read(&mut self.said, channels);
        if self.give_up.is_asked() {
            return Err(Failure::Server("decoding was given up".to_owned()));
        }
        match frame {
            Ok(Some(Frame::Failed(failure))) => Err(failure),
            Ok(Some(frame)) => Ok(frame),
            Ok(None) => Err(self.ended()),
            // An end within a frame says the same as one between two.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(self.ended()),
            Err(error) => Err(self.broke(&error.to_string())),
        }
    }

    /// Failure that an end of the process without a word means.
    fn ended(&mut self) -> Failure {
        let status = self.group.wait();
        let complaints = self.complaints.take().and_then(|reader| reader.join().ok()).unwrap_or_default();
        match status {
            Err(error) => server("waiting for the decoder", &error),
            Ok(None) => Failure::Server("the decoder was asked on after its end".to_owned()),
            Ok(Some(status)) => meaning(status, &complaints),
        }
    }

    /// The process says what no decoder says: the file has it in hand.
    fn broke(&self, why: &str) -> Failure {
        self.group.kill();
        Failure::Broken(why.to_owned())
    }
}

/// Failure of a process that ended with `status`: it says who is to blame.
fn meaning(status: ExitStatus, complaints: &str) -> Failure {
    let last = complaints.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
    match status.signal() {
        Some(libc::SIGXCPU) => Failure::File(
            "decoding took more processor time than one recording may take; convert the file to Opus or FLAC, or split it"
                .to_owned(),
        ),
        // By the system for want of memory, or by an operator; the file may be innocent.
        Some(libc::SIGKILL | libc::SIGTERM | libc::SIGINT) => {
            Failure::Server("the process that decodes was killed".to_owned())
        }
        Some(signal) => Failure::Broken(format!("ended by signal {signal}: {last}")),
        // The loader's own words, or those about its arguments: the program is not whole, or of another release.
        None if matches!(status.code(), Some(2 | 127)) => {
            Failure::Server(format!("the decoder does not start: {last}"))
        }
        None => Failure::Broken(format!("{status}: {last}")),
    }
}

fn server(what: &str, error: &io::Error) -> Failure {
    Failure::Server(format!("{what}: {error}"))
}

/// The first of what is complained about; the rest is read and dropped, since a full pipe would stop the process.
fn kept(mut pipe: impl Read) -> String {
    let mut said = Vec::new();
    let _ = pipe.by_ref().take(MOST_COMPLAINTS).read_to_end(&mut said);
    let _ = io::copy(&mut pipe, &mut io::sink());
    String::from_utf8_lossy(&said).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(signal: i32) -> Failure {
        meaning(ExitStatus::from_raw(signal), "")
    }

    #[test]
    fn a_crash_is_the_files_fault_and_a_kill_is_not() {
        assert!(matches!(ended(libc::SIGSEGV), Failure::Broken(_)));
        assert!(matches!(ended(libc::SIGABRT), Failure::Broken(_)));
        assert!(matches!(ended(libc::SIGXCPU), Failure::File(_)));
        assert!(matches!(ended(libc::SIGKILL), Failure::Server(_)));
    }

    #[test]
    fn a_panic_is_told_with_its_last_line() {
        let status = ExitStatus::from_raw(101 << 8);
        let why = meaning(status, "thread 'main' panicked at a.rs:1:\nindex out of bounds\n\n");
        assert_eq!(why, Failure::Broken("exit status: 101: index out of bounds".into()));
    }

    #[test]
    fn a_program_that_is_not_whole_is_the_servers_fault() {
        let status = ExitStatus::from_raw(127 << 8);
        assert!(
            matches!(meaning(status, "libx.so: cannot open"), Failure::Server(why) if why.contains("libx.so"))
        );
    }
}
