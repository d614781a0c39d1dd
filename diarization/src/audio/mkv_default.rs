//! Which Matroska tracks are marked as default. The mark is on unless a track turns it off, so writers
//! leave it out; the demuxer reports only marks that are written, and would play the wrong track.

use std::io::{Read, Seek, SeekFrom};

const SEGMENT: u64 = 0x1853_8067;
const CLUSTER: u64 = 0x1f43_b675;
const TRACKS: u64 = 0x1654_ae6b;
const TRACK_ENTRY: u64 = 0xae;
const TRACK_NUMBER: u64 = 0xd7;
const TRACK_TYPE: u64 = 0x83;
const FLAG_DEFAULT: u64 = 0x88;
const AUDIO: u64 = 2;
/// Elements looked at in one file, against crafted ones.
const MAX_ELEMENTS: usize = 10_000;

/// The numbers of the audio tracks that are marked as default, in file order; empty when the list of
/// tracks does not come before the sound. Damage here is no error: that is for the demuxer to judge.
pub(super) fn default_tracks<R: Read + Seek>(file: &mut R) -> Vec<u32> {
    let mut found = Vec::new();
    // Running into the end or into nonsense ends the search with what there is.
    let _ = search(file, &mut found);
    found
}

fn search<R: Read + Seek>(file: &mut R, found: &mut Vec<u32>) -> Option<()> {
    file.seek(SeekFrom::Start(0)).ok()?;
    for _ in 0..MAX_ELEMENTS {
        let (id, size) = head(file)?;
        match id {
            // Go inside.
            SEGMENT => {}
            CLUSTER => return None,
            TRACKS => return entries(file, size?, found),
            _ => skip(file, size?)?,
        }
    }
    None
}

fn entries<R: Read + Seek>(file: &mut R, size: u64, found: &mut Vec<u32>) -> Option<()> {
    let end = file.stream_position().ok()?.checked_add(size)?;
    for _ in 0..MAX_ELEMENTS {
        if file.stream_position().ok()? >= end {
            break;
        }
        let (id, size) = head(file)?;
        if id != TRACK_ENTRY {
            skip(file, size?)?;
            continue;
        }
        let entry_end = file.stream_position().ok()?.checked_add(size?)?;
        let (mut number, mut kind, mut default) = (0, 0, 1);
        while file.stream_position().ok()? < entry_end {
            let (id, size) = head(file)?;
            match id {
                TRACK_NUMBER => number = unsigned(file, size?)?,
                TRACK_TYPE => kind = unsigned(file, size?)?,
                FLAG_DEFAULT => default = unsigned(file, size?)?,
                _ => skip(file, size?)?,
            }
        }
        if kind == AUDIO && default == 1 {
            found.extend(u32::try_from(number));
        }
    }
    Some(())
}

/// An element's identifier and size; the size is `None` where the writer did not know it.
fn head<R: Read>(file: &mut R) -> Option<(u64, Option<u64>)> {
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

fn unsigned<R: Read>(file: &mut R, size: u64) -> Option<u64> {
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

fn skip<R: Seek>(file: &mut R, size: u64) -> Option<()> {
    file.seek(SeekFrom::Current(i64::try_from(size).ok()?)).ok().map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    #[test]
    fn a_track_without_the_mark_counts_as_default_and_one_that_turns_it_off_does_not() {
        let mut file = b"\x1a\x45\xdf\xa3\x80".to_vec();
        file.extend(b"\x18\x53\x80\x67\x01\xff\xff\xff\xff\xff\xff\xff");
        file.extend(b"\x16\x54\xae\x6b\x93\xae\x89\xd7\x81\x01\x83\x81\x02\x88\x81\x00\xae\x86\xd7\x81\x02\x83\x81\x02");
        assert_eq!(default_tracks(&mut Cursor::new(file)), [2]);
    }

    #[test]
    fn garbage_ends_the_search_quietly() {
        assert!(default_tracks(&mut Cursor::new(vec![0u8; 100])).is_empty());
        assert!(default_tracks(&mut Cursor::new(vec![0xffu8; 100_000])).is_empty());
    }
}
