//! Plain samples to floats: WAV, RF64, Wave64, AU, and the stream ffmpeg hands over.

use std::io::Read;

use super::error::AudioError;
use super::packets::SHORT_S;
use super::pcm_header::{Encoding, PcmHeader};
use super::source::{Block, Source, check_shape};
use super::warnings::Warnings;

/// Frames per block: small against memory for 64 channels, large against the cost of a call.
const BLOCK_FRAMES: usize = 4096;

/// Reads the samples behind a header.
pub(super) struct PcmSource<R> {
    reader: R,
    header: PcmHeader,
    encoding: Encoding,
    left: Option<u64>,
    read: u64,
    is_cut_off: bool,
    bytes: Vec<u8>,
}

impl<R: Read + Send> PcmSource<R> {
    /// `reader` stands at the first sample. Errors when the header's rate, channel count or encoding
    /// cannot be read.
    pub(super) fn new(reader: R, header: PcmHeader, format: &str) -> Result<Self, AudioError> {
        check_shape(header.rate, header.channels)?;
        let encoding = header.encoding.ok_or_else(|| AudioError::UnsupportedCodec {
            format: format.into(),
            codec: codec_name(header.tag),
        })?;
        let left = header.data_len;
        Ok(Self { reader, header, encoding, left, read: 0, is_cut_off: false, bytes: Vec::new() })
    }

    /// Reader and header, once all that the header promises was given and there may be more.
    pub(super) fn ended(&mut self) -> Option<(&mut R, PcmHeader)> {
        (self.left == Some(0) && !self.is_cut_off).then_some((&mut self.reader, self.header))
    }

    /// Seconds given out so far.
    pub(super) fn read_s(&self) -> f64 {
        self.read as f64 / (f64::from(self.header.rate) * self.frame_len() as f64)
    }

    /// Reader that the samples come from.
    pub(super) fn into_reader(self) -> R {
        self.reader
    }

    fn frame_len(&self) -> usize {
        self.header.width * self.header.channels
    }
}

impl<R: Read + Send> Source for PcmSource<R> {
    fn next_block(&mut self, warnings: &mut Warnings) -> Result<Option<Block>, AudioError> {
        let frame = self.frame_len();
        let want = (BLOCK_FRAMES * frame) as u64;
        let want = self.left.map_or(want, |left| left.min(want));
        self.bytes.clear();
        let got = self.reader.by_ref().take(want).read_to_end(&mut self.bytes).map_err(AudioError::Read)?;
        self.read += got as u64;
        if let Some(left) = &mut self.left {
            *left -= got as u64;
            if (got as u64) < want {
                let per_s = f64::from(self.header.rate) * frame as f64;
                let (missing_s, read_s) = (*left as f64 / per_s, self.read as f64 / per_s);
                if missing_s > SHORT_S && !self.header.is_open_ended {
                    warnings.push(format!(
                        "the file is cut off: its header promises {:.1} s of audio, {read_s:.1} s could be read",
                        missing_s + read_s
                    ));
                }
                (*left, self.is_cut_off) = (0, true);
            }
        }
        let whole = got - got % frame;
        if whole == 0 {
            return Ok(None);
        }
        let samples = self.bytes[..whole]
            .chunks_exact(self.header.width)
            .map(|bytes| decode(bytes, self.encoding, self.header.big_endian))
            .collect();
        Ok(Some(Block { samples, channels: self.header.channels, rate: self.header.rate }))
    }
}

/// One sample of 1 to 8 bytes.
fn decode(bytes: &[u8], encoding: Encoding, big_endian: bool) -> f32 {
    // Most significant byte first, whatever the file's order.
    let mut ordered = [0u8; 8];
    for (n, slot) in ordered.iter_mut().enumerate().take(bytes.len()) {
        *slot = if big_endian { bytes[n] } else { bytes[bytes.len() - 1 - n] };
    }
    let [a, b, c, d, ..] = ordered;
    match encoding {
        Encoding::Unsigned8 => (f32::from(a) - 128.0) / 128.0,
        // Shifted to the top of 32 bits, so that one division serves all widths.
        Encoding::Signed => (f64::from(i32::from_be_bytes([a, b, c, d])) / 2_147_483_648.0) as f32,
        Encoding::Float if bytes.len() == 8 => f64::from_be_bytes(ordered) as f32,
        Encoding::Float => f32::from_be_bytes([a, b, c, d]),
        Encoding::ALaw => a_law(a),
        Encoding::MuLaw => mu_law(a),
    }
}

/// ITU-T G.711: sign, three bits of exponent, four of mantissa; even bits inverted.
fn a_law(code: u8) -> f32 {
    let code = code ^ 0x55;
    let (exponent, mantissa) = (i32::from(code >> 4 & 7), i32::from(code & 15));
    let size = if exponent == 0 { mantissa * 2 + 1 } else { (mantissa * 2 + 33) << (exponent - 1) };
    let size = size as f32 / 4096.0;
    if code & 0x80 == 0 { -size } else { size }
}

/// ITU-T G.711: as A-law, all bits inverted, with a bias of 33 in 14 bits.
fn mu_law(code: u8) -> f32 {
    let code = !code;
    let (exponent, mantissa) = (i32::from(code >> 4 & 7), i32::from(code & 15));
    let size = (((mantissa * 2 + 33) << exponent) - 33) as f32 / 8192.0;
    if code & 0x80 != 0 { -size } else { size }
}

/// The registered WAVE format tags one meets, in words.
fn codec_name(tag: u16) -> String {
    match tag {
        0x0002 => "Microsoft ADPCM".into(),
        0x0011 => "IMA ADPCM".into(),
        0x0031 => "GSM 6.10".into(),
        0x0055 => "MP3".into(),
        0x0160 | 0x0161 => "WMA".into(),
        0x2000 => "AC-3".into(),
        tag => format!("format tag 0x{tag:04x}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ends_of_the_scales_decode_to_full_level_and_silence() {
        assert_eq!(decode(&[0x00, 0x80], Encoding::Signed, false), -1.0);
        assert_eq!(decode(&[0x80, 0x00, 0x00], Encoding::Signed, true), -1.0);
        assert_eq!(decode(&[128], Encoding::Unsigned8, false), 0.0);
        assert_eq!(decode(&0.25f64.to_le_bytes(), Encoding::Float, false), 0.25);
        assert_eq!(mu_law(0xff), 0.0);
        assert!((mu_law(0x80) - 8031.0 / 8192.0).abs() < 1e-6 && mu_law(0x00) < -0.98);
        assert!((a_law(0xaa) - 4032.0 / 4096.0).abs() < 1e-6 && a_law(0x2a) < -0.98);
    }
}
