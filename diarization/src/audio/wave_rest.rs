//! Content of a WAV file behind its samples: further blocks of samples, another WAV file joined to it, or samples that the size in the
//! header does not cover. Such a size was wrapped at 4 GiB or never brought up to date.

use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;

use super::error::AudioError;
use super::pcm_header::{PcmHeader, read_wave};

/// Chunks looked at behind the samples, against crafted files.
const MAX_CHUNKS: usize = 10_000;
/// Length in s from which on bytes that do not look like chunks are sound; less is a matter of rounding and padding.
const MIN_SOUND_S: f64 = 0.2;
/// Tags that are written behind a file, and are no sound.
const TAGS: [&[u8]; 4] = [b"ID3", b"TAG", b"APETAGEX", b"LYRICS"];

/// Content that comes next.
#[derive(Clone, Copy, Debug)]
pub(super) enum Rest {
    /// Nothing that could be heard.
    Nothing,
    /// More samples under this header, at this place of the file.
    Samples { header: PcmHeader, at: u64 },
    /// Sound to the end of the file that no size covers, at this place.
    Uncovered { at: u64 },
}

/// Looks for more behind samples of the form of `before`, which end at `at`; the file is `length` bytes long.
pub(super) fn rest<R: Read + Seek>(
    reader: &mut R,
    before: PcmHeader,
    at: u64,
    length: u64,
) -> Result<Rest, AudioError> {
    let per_s = f64::from(before.rate) * (before.width * before.channels) as f64;
    if let Some(found) = chunks(reader, before, at, length)? {
        return Ok(found);
    }
    let is_long = length.saturating_sub(at) as f64 >= MIN_SOUND_S * per_s;
    if !is_long || is_tag(reader, at)? || is_room(reader, at)? {
        return Ok(Rest::Nothing);
    }
    Ok(Rest::Uncovered { at })
}

fn is_tag<R: Read + Seek>(reader: &mut R, at: u64) -> Result<bool, AudioError> {
    reader.seek(SeekFrom::Start(at)).map_err(AudioError::Read)?;
    let mut head = Vec::with_capacity(8);
    reader.by_ref().take(8).read_to_end(&mut head).map_err(AudioError::Read)?;
    Ok(TAGS.iter().any(|tag| head.starts_with(tag)))
}

/// True where there are only zeros from `at` on: room that a recorder set aside and did not use.
fn is_room<R: Read + Seek>(reader: &mut R, at: u64) -> Result<bool, AudioError> {
    reader.seek(SeekFrom::Start(at)).map_err(AudioError::Read)?;
    let mut bytes = vec![0; 1 << 16];
    loop {
        match reader.read(&mut bytes).map_err(AudioError::Read)? {
            0 => return Ok(true),
            read if bytes[..read].iter().any(|&byte| byte != 0) => return Ok(false),
            _ => {}
        }
    }
}

/// Follows chunks from `at`; `None` where that leads nowhere.
fn chunks<R: Read + Seek>(
    reader: &mut R,
    before: PcmHeader,
    mut at: u64,
    length: u64,
) -> Result<Option<Rest>, AudioError> {
    for _ in 0..MAX_CHUNKS {
        if at.next_multiple_of(2) + 8 > length {
            return Ok(Some(Rest::Nothing));
        }
        // Some writers leave out the byte that makes a length even.
        let chunk = match chunk(reader, at.next_multiple_of(2), length)? {
            None if at % 2 == 1 => chunk(reader, at, length)?,
            found => found,
        };
        match chunk {
            None => return Ok(None),
            Some(Chunk::Wave(start)) => {
                let header = match read_wave(reader, start) {
                    Ok(header) => header,
                    Err(error @ AudioError::Read(_)) => return Err(error),
                    Err(_) => return Ok(Some(Rest::Nothing)),
                };
                let at = reader.stream_position().map_err(AudioError::Read)?;
                return Ok(Some(Rest::Samples { header, at }));
            }
            Some(Chunk::Data(body)) => {
                let data_len = Some(body.end - body.start).filter(|&size| size > 0 && body.end <= length);
                return Ok(Some(Rest::Samples { header: PcmHeader { data_len, ..before }, at: body.start }));
            }
            Some(Chunk::Other(end)) => at = end,
        }
    }
    Ok(None)
}

enum Chunk {
    /// A WAV file begins here.
    Wave(u64),
    /// Samples lie here, or to the end of the file if that comes first.
    Data(Range<u64>),
    /// Something else ends here.
    Other(u64),
}

/// The chunk at `at`; `None` where there is none.
fn chunk<R: Read + Seek>(reader: &mut R, at: u64, length: u64) -> Result<Option<Chunk>, AudioError> {
    if at + 8 > length {
        return Ok(None);
    }
    reader.seek(SeekFrom::Start(at)).map_err(AudioError::Read)?;
    let mut head = [0; 12];
    let there = if at + 12 <= length { 12 } else { 8 };
    reader.read_exact(&mut head[..there]).map_err(AudioError::Read)?;
    if [&b"RIFF"[..], b"RF64", b"BW64"].contains(&&head[..4]) && &head[8..] == b"WAVE" {
        return Ok(Some(Chunk::Wave(at)));
    }
    let end = at + 8 + u64::from(u32::from_le_bytes([head[4], head[5], head[6], head[7]]));
    if &head[..4] == b"data" {
        return Ok(Some(Chunk::Data(at + 8..end)));
    }
    let is_name = head[..4].iter().all(|byte| byte.is_ascii_alphanumeric() || b" _-".contains(byte));
    Ok((is_name && end <= length).then_some(Chunk::Other(end)))
}
