//! Joined: streams of frames that go on in another shape, as where MP3 files of different encoders were copied into one. The built-in
//! decoders keep to the shape that they begin with, so each part is opened by itself.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::ops::Range;
use std::vec::IntoIter;

use super::container::{self, Container, Wanted};
use super::error::AudioError;
use super::give_up::GiveUp;
use super::mpeg_frames::{Frame, HEAD, adts, mpeg};
use super::packets::PacketSource;
use super::sniff::{AAC, Format};
use super::source::{Block, Source};
use super::warnings::Warnings;

/// Frames in a row, each right behind the other, that make another shape believable.
const RUN: u32 = 8;
/// Parts that are told apart; the last holds all the rest.
const MAX_PARTS: usize = 10_000;
/// Bytes between frames in all before the rest is left to the decoder.
const MAX_JUNK: u64 = 64 << 20;

/// The parts of a file of frames in `format`: one unless its shape changes.
pub(super) fn parts(file: &File, format: Format, give_up: &GiveUp) -> Result<Vec<Range<u64>>, AudioError> {
    let parse = if format == AAC { adts } else { mpeg };
    let length = file.metadata().map_err(AudioError::Read)?.len();
    let mut reader = BufReader::with_capacity(1 << 16, file);
    reader.seek(SeekFrom::Start(0)).map_err(AudioError::Read)?;
    let mut parts = Parts { at: 0, done: Vec::new(), start: 0, end: 0, shape: None, run: None };
    let mut junk = 0;
    while parts.at + HEAD as u64 <= length
        && junk < MAX_JUNK
        && parts.done.len() < MAX_PARTS
        && !give_up.is_asked()
    {
        let mut head = [0; HEAD];
        reader.read_exact(&mut head).map_err(AudioError::Read)?;
        let frame = parse(head).filter(|frame| parts.at + frame.length <= length);
        let step = match frame {
            Some(frame) => {
                parts.take(frame);
                frame.length
            }
            None => {
                reader.seek_relative(1 - HEAD as i64).map_err(AudioError::Read)?;
                let step = 1 + to_next(&mut reader).map_err(AudioError::Read)?;
                reader.seek_relative(HEAD as i64 - step as i64).map_err(AudioError::Read)?;
                junk += step;
                step
            }
        };
        reader.seek_relative(step as i64 - HEAD as i64).map_err(AudioError::Read)?;
        parts.at += step;
    }
    parts.done.push(parts.start..length);
    Ok(parts.done)
}

/// Reads to the next byte that a frame can begin with; the number of bytes before it.
fn to_next(reader: &mut impl BufRead) -> std::io::Result<u64> {
    let mut skipped = 0;
    loop {
        let bytes = reader.fill_buf()?;
        let found = bytes.iter().position(|&byte| byte == 0xff);
        let step = found.unwrap_or(bytes.len());
        let is_end = bytes.is_empty();
        reader.consume(step);
        skipped += step as u64;
        if found.is_some() || is_end {
            return Ok(skipped);
        }
    }
}

/// Parts found up to a place of the file.
struct Parts {
    at: u64,
    done: Vec<Range<u64>>,
    /// Of the part in hand: its start, the end of its last frame, and the shape of its frames.
    start: u64,
    end: u64,
    shape: Option<[u32; 3]>,
    /// Frames of another shape: which, from where to where, and how many.
    run: Option<([u32; 3], Range<u64>, u32)>,
}

impl Parts {
    fn take(&mut self, frame: Frame) {
        let end = self.at + frame.length;
        if self.shape == Some(frame.shape) {
            (self.run, self.end) = (None, end);
            return;
        }
        let (span, count) = match self.run.take() {
            Some((shape, span, count)) if shape == frame.shape && span.end == self.at => {
                (span.start..end, count + 1)
            }
            _ => (self.at..end, 1),
        };
        if count < RUN {
            self.run = Some((frame.shape, span, count));
            return;
        }
        if self.shape.is_some() {
            self.done.push(self.start..self.end);
            self.start = span.start;
        }
        (self.shape, self.end) = (Some(frame.shape), end);
    }
}

/// The parts, one after the other.
pub(super) struct Joined {
    file: File,
    format: Format,
    give_up: GiveUp,
    now: PacketSource,
    parts: IntoIter<Range<u64>>,
}

impl Joined {
    /// `first` is open already; `parts` come behind it.
    pub(super) fn new(
        file: File,
        format: Format,
        first: PacketSource,
        parts: IntoIter<Range<u64>>,
        give_up: &GiveUp,
    ) -> Self {
        Self { file, format, give_up: give_up.clone(), now: first, parts }
    }

    fn open(&self, part: Range<u64>) -> Result<Container, AudioError> {
        let file = self.file.try_clone().map_err(AudioError::Read)?;
        container::open(file, self.format, Some(part), Wanted::Default, &self.give_up)
    }
}

impl Source for Joined {
    fn next_block(&mut self, warnings: &mut Warnings) -> Result<Option<Block>, AudioError> {
        loop {
            if let Some(block) = self.now.next_block(warnings)? {
                return Ok(Some(block));
            }
            let Some(part) = self.parts.next() else { return Ok(None) };
            let bytes = part.end - part.start;
            match self.open(part) {
                Ok(container) => self.now = PacketSource::new(container, self.format.name, false),
                Err(error @ (AudioError::GivenUp | AudioError::Read(_))) => return Err(error),
                Err(error) => warnings.push(format!("a part of {bytes} bytes was left out: {error}")),
            }
        }
    }
}
