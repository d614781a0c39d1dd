//! Runs the built program.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Outcome of a run.
#[derive(Debug)]
pub struct Run {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Run {
    /// The run, which must have succeeded.
    pub fn succeeds(self) -> Self {
        assert_eq!(self.code, Some(0), "{self:#?}");
        self
    }

    /// Standard error of a run that must have failed. A panic, or a failure without a word, fails the test.
    pub fn complains(self) -> String {
        assert!(matches!(self.code, Some(1 | 2)), "{self:#?}");
        assert!(!self.stderr.trim().is_empty(), "{self:#?}");
        assert!(!self.stderr.contains("panicked"), "{self:#?}");
        self.stderr
    }
}

/// `throughline` with `arguments`.
pub fn throughline<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Run {
    let output = Command::new(env!("CARGO_BIN_EXE_throughline")).args(arguments).output();
    let Output { status, stdout, stderr } = output.expect("the program starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("it writes UTF-8");
    Run { code: status.code(), stdout: text(stdout), stderr: text(stderr) }
}

/// A file of the repository.
pub fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// `path` as an argument.
pub fn text(path: &Path) -> &str {
    path.to_str().expect("the path is UTF-8")
}

/// A simulated interview of three minutes.
pub fn interview() -> PathBuf {
    repository("deploy/samples/interview_3min.opus")
}

/// Six seconds of a meeting.
pub fn clip() -> PathBuf {
    repository("diarization/tests/data/formats/flac_16bit_16k.flac")
}
