//! The elements that Matroska files are made of.

use std::io::Read;

pub(super) const SEGMENT: u64 = 0x1853_8067;
pub(super) const CLUSTER: u64 = 0x1f43_b675;
pub(super) const TIMESTAMP: u64 = 0xe7;
pub(super) const TRACKS: u64 = 0x1654_ae6b;
pub(super) const TRACK_ENTRY: u64 = 0xae;

/// An element's identifier and size; the size is `None` where the writer did not know it.
pub(super) fn head<R: Read>(file: &mut R) -> Option<(u64, Option<u64>)> {
    let (id, _) = number(file, true)?;
    let (size, width) = number(file, false)?;
    let unknown = (1 << (7 * width)) - 1;
    Some((id, (size != unknown).then_some(size)))
}

/// A number whose leading zero bits give its length, and that length in bytes; identifiers keep the
/// marker bit.
fn number<R: Read>(file: &mut R, keep_marker: bool) -> Option<(u64, u32)> {
    let mut byte = [0u8];
    file.read_exact(&mut byte).ok()?;
    let width = byte[0].leading_zeros() + 1;
    if width > 8 {
        return None;
    }
    let marker = if keep_marker { 0 } else { 0x80u8 >> (width - 1) };
    let mut value = u64::from(byte[0] ^ marker);
    for _ in 1..width {
        file.read_exact(&mut byte).ok()?;
        value = value << 8 | u64::from(byte[0]);
    }
    Some((value, width))
}

/// The number in an element of `size` bytes.
pub(super) fn unsigned<R: Read>(file: &mut R, size: u64) -> Option<u64> {
    if size > 8 {
        return None;
    }
    let mut value = 0;
    for _ in 0..size {
        let mut byte = [0u8];
        file.read_exact(&mut byte).ok()?;
        value = value << 8 | u64::from(byte[0]);
    }
    Some(value)
}
