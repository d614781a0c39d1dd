//! Headers of the plain-sample containers: RIFF WAV with its 64-bit forms RF64 and BW64, Sony Wave64,
//! Sun AU. Parsed here because recorders that crash leave lengths of zero, pipes leave lengths of
//! 2^32-1, and both are best read to the end of the file.

use std::io::{Read, Seek, SeekFrom};
use std::ops::RangeInclusive;

use super::error::AudioError;

/// A file with more chunks than this before its samples is no recording.
const MAX_CHUNKS: usize = 10_000;

/// Sizes that programs write before they know the size, and leave there when they write to a pipe: about the most that fits in 31 or
/// 32 bits, less the header or not.
const PLACEHOLDERS: [RangeInclusive<u64>; 2] = [0x7fff_0000..=0x8000_0100, 0xffff_0000..=0xffff_ffff];

/// Storage format of one sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    /// Unsigned bytes around 128.
    Unsigned8,
    /// Two's complement of 1 to 4 bytes.
    Signed,
    /// IEEE float of 4 or 8 bytes.
    Float,
    /// G.711 A-law.
    ALaw,
    /// G.711 mu-law.
    MuLaw,
}

/// Facts from a header; the reader stands at the first sample.
#[derive(Debug, Clone, Copy)]
pub(super) struct PcmHeader {
    /// Frames per second, unchecked.
    pub(super) rate: u32,
    /// Channels, unchecked.
    pub(super) channels: usize,
    /// `None` when the samples are coded (ADPCM, GSM, MP3 in WAV ...).
    pub(super) encoding: Option<Encoding>,
    /// The WAVE format tag, 0 for AU.
    pub(super) tag: u16,
    /// Bytes of one sample of one channel.
    pub(super) width: usize,
    /// Byte order of the samples.
    pub(super) big_endian: bool,
    /// Bytes of samples promised, where the header promises any.
    pub(super) data_len: Option<u64>,
    /// True where that length was written before anybody knew it, so that there may well be fewer bytes.
    pub(super) is_open_ended: bool,
}

fn cut(format: &str, error: std::io::Error) -> AudioError {
    if error.kind() == std::io::ErrorKind::UnexpectedEof {
        damaged(format, "it ends inside its header")
    } else {
        AudioError::Read(error)
    }
}

fn damaged(format: &str, reason: &str) -> AudioError {
    AudioError::Damaged { format: format.into(), reason: reason.into() }
}

/// Sun AU, from its first byte; needs no seeking, so it also reads from a pipe.
pub(super) fn read_au<R: Read>(reader: &mut R) -> Result<PcmHeader, AudioError> {
    let mut head = [0u8; 24];
    reader.read_exact(&mut head).map_err(|e| cut("Sun AU", e))?;
    let word = |n: usize| u32::from_be_bytes([head[n], head[n + 1], head[n + 2], head[n + 3]]);
    let (offset, length) = (word(4), word(8));
    if &head[..4] != b".snd" || offset < 24 {
        return Err(damaged("Sun AU", "its header is not that of an AU file"));
    }
    let annotation = u64::from(offset) - 24;
    let skipped = std::io::copy(&mut reader.by_ref().take(annotation), &mut std::io::sink());
    if skipped.map_err(AudioError::Read)? < annotation {
        return Err(damaged("Sun AU", "it ends inside its header"));
    }
    let (encoding, width) = match word(12) {
        1 => (Some(Encoding::MuLaw), 1),
        n @ 2..=5 => (Some(Encoding::Signed), n as usize - 1),
        6 => (Some(Encoding::Float), 4),
        7 => (Some(Encoding::Float), 8),
        27 => (Some(Encoding::ALaw), 1),
        _ => (None, 1),
    };
    let data_len = (length != u32::MAX).then_some(u64::from(length));
    Ok(PcmHeader {
        rate: word(16),
        channels: word(20) as usize,
        encoding,
        tag: 0,
        width,
        big_endian: true,
        data_len,
        is_open_ended: false,
    })
}

/// RIFF, RF64 or BW64 WAV, or Sony Wave64, whose first byte is at `start` of the file.
pub(super) fn read_wave<R: Read + Seek>(reader: &mut R, start: u64) -> Result<PcmHeader, AudioError> {
    let mut outer = [0u8; 12];
    reader.seek(SeekFrom::Start(start)).map_err(AudioError::Read)?;
    reader.read_exact(&mut outer).map_err(|e| cut("WAV", e))?;
    // Wave64 writes 16-byte identifiers, 8-byte sizes that include the chunk head, and aligns to 8.
    let wide = &outer[..4] == b"riff";
    let name = if wide { "Sony Wave64" } else { "WAV" };
    let (head_len, align) = if wide { (24, 8) } else { (8, 2) };
    let mut at: u64 = start + if wide { 40 } else { 12 };
    let mut long_data = None;
    let mut found: Option<PcmHeader> = None;
    for _ in 0..MAX_CHUNKS {
        if i64::try_from(at).is_err() {
            return Err(damaged(name, "its blocks are longer than any file"));
        }
        reader.seek(SeekFrom::Start(at)).map_err(AudioError::Read)?;
        let mut head = [0u8; 24];
        match reader.read_exact(&mut head[..head_len]) {
            Ok(()) => {}
            Err(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => {
                return Err(damaged(name, "it has no block of samples"));
            }
            Err(e) => return Err(AudioError::Read(e)),
        }
        let size = if wide {
            u64::from_le_bytes(head[16..24].try_into().unwrap_or_default()).saturating_sub(24)
        } else {
            u64::from(u32::from_le_bytes([head[4], head[5], head[6], head[7]]))
        };
        match &head[..4] {
            b"fmt " => found = Some(read_format(reader, size, name)?),
            b"ds64" if size >= 16 => {
                let mut sizes = [0u8; 16];
                reader.read_exact(&mut sizes).map_err(|e| cut(name, e))?;
                long_data = Some(u64::from_le_bytes(sizes[8..].try_into().unwrap_or_default()));
            }
            b"data" => {
                let mut header =
                    found.ok_or_else(|| damaged(name, "its samples come before their description"))?;
                header.data_len = match size {
                    0xffff_ffff if !wide => long_data,
                    // A recorder that was cut off never came back to fill the length in.
                    0 => None,
                    size => Some(size),
                };
                header.is_open_ended = !wide && PLACEHOLDERS.iter().any(|sizes| sizes.contains(&size));
                return Ok(header);
            }
            _ => {}
        }
        let step = head_len as u64 + size;
        at = at.saturating_add(step.saturating_add(align - 1) / align * align);
    }
    Err(damaged(name, "it has thousands of blocks and no samples"))
}

fn read_format<R: Read>(reader: &mut R, size: u64, name: &str) -> Result<PcmHeader, AudioError> {
    if size < 16 {
        return Err(damaged(name, "the description of its samples is too short"));
    }
    let mut fields = [0u8; 40];
    let take = size.min(40) as usize;
    reader.read_exact(&mut fields[..take]).map_err(|e| cut(name, e))?;
    let half = |n: usize| u16::from_le_bytes([fields[n], fields[n + 1]]);
    let channels = usize::from(half(2));
    let rate = u32::from_le_bytes([fields[4], fields[5], fields[6], fields[7]]);
    let mut tag = half(0);
    if tag == 0xfffe && take >= 26 {
        // The extensible form keeps the real tag at the head of a GUID.
        tag = half(24);
    }
    // Trust the frame size over the bit count: 20 bits are stored in 3 bytes.
    let width = match usize::from(half(12)).checked_div(channels) {
        Some(width) if width > 0 => width,
        _ => usize::from(half(14)).div_ceil(8),
    };
    let encoding = match (tag, width) {
        (1, 1) => Some(Encoding::Unsigned8),
        (1, 2..=4) => Some(Encoding::Signed),
        (3, 4 | 8) => Some(Encoding::Float),
        (6, 1) => Some(Encoding::ALaw),
        (7, 1) => Some(Encoding::MuLaw),
        _ => None,
    };
    Ok(PcmHeader {
        rate,
        channels,
        encoding,
        tag,
        width,
        big_endian: false,
        data_len: None,
        is_open_ended: false,
    })
}
