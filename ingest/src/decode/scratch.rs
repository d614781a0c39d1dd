//! Scratch: a file without a name for the upload that is being decoded. It goes with the process that has it open, however that
//! ends: no kill leaves somebody's voice in a temporary folder.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

/// A temporary file, empty at first.
pub struct Scratch {
    path: PathBuf,
    _open: File,
}

impl Scratch {
    /// Makes one in TMPDIR.
    pub fn new() -> std::io::Result<Self> {
        let file = tempfile::tempfile()?;
        // The process is named by its number, so that programs it starts find the file too.
        let path = format!("/proc/{}/fd/{}", std::process::id(), file.as_raw_fd());
        Ok(Self { path: path.into(), _open: file })
    }

    /// Path at which this process, and those that it starts, can open the file as long as this lives.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_written_and_read_by_its_path_and_has_no_name_in_any_folder() {
        let scratch = Scratch::new().expect("makes one");
        std::fs::write(scratch.path(), b"voice").expect("writes");
        let read = std::process::Command::new("cat").arg(scratch.path()).output().expect("starts");
        assert_eq!((read.stdout.as_slice(), read.status.success()), (b"voice".as_slice(), true));
        let links = std::os::unix::fs::MetadataExt::nlink(&scratch._open.metadata().expect("is a file"));
        assert_eq!(links, 0);
        let path = scratch.path().to_owned();
        drop(scratch);
        assert!(std::fs::read(path).is_err());
    }
}
