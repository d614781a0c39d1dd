//! What a WAV file holds behind its samples: further blocks of samples, another WAV file joined to it, or samples that the size in the
//! header does not cover, since it was wrapped at 4 GiB or never brought up to date.

use std::io::{Read, Seek, SeekFrom};

use super::error::AudioError;
use super::pcm_header::{PcmHeader, read_wave};

/// Chunks looked at behind the samples, against crafted files.
const MAX_CHUNKS: usize = 10_000;
/// What does not look like chunks is sound from this length on; less is a matter of rounding and padding.
const MIN_SOUND_S: f64 = 0.2;
/// Tags that are written behind a file, and are no sound.
const TAGS: [&[u8]; 4] = [b"ID3", b"TAG", b"APETAGEX", b"LYRICS"];

/// What comes next.
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
    // Some writers leave out the byte that makes a length even.
    for start in [at.next_multiple_of(2), at] {
        if let Some(found) = chunks(reader, before, start, length)? {
            return Ok(found);
        }
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

/// Whether there are only zeros: room that a recorder set aside and did not use.
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
        if at + 8 > length {
            return Ok(Some(Rest::Nothing));
        }
        reader.seek(SeekFrom::Start(at)).map_err(AudioError::Read)?;
        let mut head = [0; 12];
        let taken = if at + 12 <= length { 12 } else { 8 };
        reader.read_exact(&mut head[..taken]).map_err(AudioError::Read)?;
        if [&b"RIFF"[..], b"RF64", b"BW64"].contains(&&head[..4]) && &head[8..] == b"WAVE" {
            let header = match read_wave(reader, at) {
                Ok(header) => header,
                Err(error @ AudioError::Read(_)) => return Err(error),
                Err(_) => return Ok(Some(Rest::Nothing)),
            };
            let at = reader.stream_position().map_err(AudioError::Read)?;
            return Ok(Some(Rest::Samples { header, at }));
        }
        let size = u64::from(u32::from_le_bytes([head[4], head[5], head[6], head[7]]));
        let is_name = head[..4].iter().all(|byte| byte.is_ascii_alphanumeric() || b" _-".contains(byte));
        let next = at + 8 + size;
        if &head[..4] == b"data" {
            let data_len = Some(size).filter(|_| size > 0 && next <= length);
            return Ok(Some(Rest::Samples { header: PcmHeader { data_len, ..before }, at: at + 8 }));
        }
        if !is_name || next > length {
            return Ok(None);
        }
        at = next.next_multiple_of(2);
    }
    Ok(None)
}
