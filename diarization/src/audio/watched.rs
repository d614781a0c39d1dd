//! Watched: the file as the demuxers see it. They go by what its headers say; this goes by what they do.
//!
//! It ends a reader that nobody waits for any more, bounds what one call may read (and so hold), and tells a disk that fails
//! from a header that leads nowhere: only the former is worth another attempt.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use symphonia::core::io::MediaSource;

use super::give_up::GiveUp;
use super::sniff::MATROSKA;

/// Bytes that a demuxer may read in one call: the tables of a day's film are half of this, and no packet of sound is near it.
const MOST_PER_CALL: u64 = 96 << 20;

/// Bytes that opening a Matroska file may read: its demuxer keeps every tag, each in some thirty times the bytes it has in the
/// file. Heads with pictures and fonts beyond this are refused.
const MOST_OF_MATROSKA_HEAD: u64 = 7 << 20;

/// State of the reads of one file; shared with the caller of the demuxer.
#[derive(Debug, Default)]
pub(super) struct Watch {
    give_up: GiveUp,
    left: AtomicU64,
    disk_failed: AtomicBool,
}

impl Watch {
    pub(super) fn new(give_up: &GiveUp) -> Arc<Self> {
        let watch = Self { give_up: give_up.clone(), ..Self::default() };
        watch.new_call();
        Arc::new(watch)
    }

    /// To be called before every call of the demuxer.
    pub(super) fn new_call(&self) {
        self.left.store(MOST_PER_CALL, Relaxed);
    }

    /// To be called before a file of `format` is opened.
    pub(super) fn opening(&self, format: &str) {
        let most = if format == MATROSKA { MOST_OF_MATROSKA_HEAD } else { MOST_PER_CALL };
        self.left.store(most, Relaxed);
    }

    /// True where the disk failed, and not the file.
    pub(super) fn disk_failed(&self) -> bool {
        self.disk_failed.load(Relaxed)
    }

    /// True once nobody waits any more.
    pub(super) fn is_given_up(&self) -> bool {
        self.give_up.is_asked()
    }
}

/// A file that is watched.
pub(super) struct Watched {
    file: File,
    /// The part of the file that is seen.
    part: Range<u64>,
    /// Position of the next read in the file.
    at: u64,
    watch: Arc<Watch>,
}

impl Watched {
    /// Shows so much of `file`, or all of it.
    pub(super) fn new(mut file: File, part: Option<Range<u64>>, watch: Arc<Watch>) -> io::Result<Self> {
        let length = file.metadata()?.len();
        let part = part.unwrap_or(0..length);
        let at = file.seek(SeekFrom::Start(part.start))?;
        Ok(Self { file, part, at, watch })
    }
}

impl Read for Watched {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.watch.is_given_up() {
            return Err(io::Error::other("nobody waits for it any more"));
        }
        let left = self.watch.left.load(Relaxed);
        if left == 0 {
            return Err(io::Error::other("one part of it is too large"));
        }
        let left_of_part = self.part.end.saturating_sub(self.at);
        let most = buffer.len().min(usize::try_from(left.min(left_of_part)).unwrap_or(usize::MAX));
        let read = self.file.read(&mut buffer[..most]).inspect_err(|error| {
            if error.kind() != io::ErrorKind::Interrupted {
                self.watch.disk_failed.store(true, Relaxed);
            }
        })?;
        self.at += read as u64;
        self.watch.left.store(left - read as u64, Relaxed);
        Ok(read)
    }
}

impl Seek for Watched {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let to = match to {
            SeekFrom::Start(at) => self.part.start.checked_add(at),
            SeekFrom::End(by) => self.part.end.checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        // Where a header says to go, there may be no such place; that is not the disk's fault.
        let nowhere = || io::Error::from(io::ErrorKind::InvalidInput);
        self.at =
            self.file.seek(SeekFrom::Start(to.filter(|&to| to >= self.part.start).ok_or_else(nowhere)?))?;
        Ok(self.at - self.part.start)
    }
}

impl MediaSource for Watched {
    fn is_seekable(&self) -> bool {
        true
    }

    fn byte_len(&self) -> Option<u64> {
        Some(self.part.end - self.part.start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn file(bytes: usize) -> File {
        let mut file = tempfile::tempfile().expect("a temporary file");
        file.write_all(&vec![1; bytes]).expect("writing it");
        file.rewind().expect("rewinding it");
        file
    }

    #[test]
    fn one_call_may_read_so_much_and_the_next_as_much_again() {
        let watch = Watch::new(&GiveUp::default());
        let mut watched = Watched::new(file(100), None, watch.clone()).expect("opens");
        watch.left.store(60, Relaxed);
        let error = watched.read_to_end(&mut Vec::new()).expect_err("is stopped").to_string();
        assert_eq!(error, "one part of it is too large");
        watch.new_call();
        assert_eq!(watched.read_to_end(&mut Vec::new()).expect("reads on"), 40);
        assert!(!watch.disk_failed());
    }

    #[test]
    fn a_part_of_a_file_is_seen_as_if_it_were_all_of_it() {
        let whole = tempfile::tempfile().expect("a temporary file");
        (&whole).write_all(&[0, 1, 2, 3, 4, 5, 6, 7]).expect("writing it");
        let watch = Watch::new(&GiveUp::default());
        let mut part = Watched::new(whole, Some(2..6), watch).expect("opens");
        let mut bytes = Vec::new();
        part.read_to_end(&mut bytes).expect("reads");
        assert_eq!((bytes, part.byte_len()), (vec![2, 3, 4, 5], Some(4)));
        assert_eq!(part.seek(SeekFrom::End(-1)).expect("seeks"), 3);
        assert_eq!(part.seek(SeekFrom::Current(-2)).expect("seeks"), 1);
        assert!(part.seek(SeekFrom::Current(-2)).is_err());
        part.read_exact(&mut [0; 3]).expect("reads");
        assert_eq!(part.read(&mut [0; 3]).expect("reads"), 0);
    }

    #[test]
    fn a_reader_that_nobody_waits_for_is_stopped_at_its_next_read() {
        let give_up = GiveUp::default();
        let mut watched = Watched::new(file(100), None, Watch::new(&give_up)).expect("opens");
        watched.read_exact(&mut [0; 10]).expect("reads");
        give_up.ask();
        assert!(watched.read(&mut [0; 10]).is_err());
    }
}
