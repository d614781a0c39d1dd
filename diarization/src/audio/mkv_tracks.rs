//! The audio tracks of a Matroska file, and which are marked as default. The mark is on unless a track turns it off, so writers
//! leave it out; the demuxer reports only marks that are written, and would play the wrong track.

use std::io::{Read, Seek, SeekFrom};

use super::ebml::{CLUSTER, SEGMENT, TRACK_ENTRY, TRACKS, head, unsigned};

const TRACK_NUMBER: u64 = 0xd7;
const TRACK_TYPE: u64 = 0x83;
const FLAG_DEFAULT: u64 = 0x88;
const AUDIO: u64 = 2;
/// Elements looked at in one file, against crafted ones.
const MAX_ELEMENTS: usize = 10_000;

/// An audio track.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct AudioTrack {
    /// Its number.
    pub(super) id: u32,
    /// True where it is marked as default.
    pub(super) is_default: bool,
}

/// The audio tracks in file order; none when the list of
/// tracks does not come before the sound. Damage here is no error: that is for the demuxer to judge.
pub(super) fn audio_tracks<R: Read + Seek>(file: &mut R) -> Vec<AudioTrack> {
    let mut found = Vec::new();
    // Running into the end or into nonsense ends the search with what there is.
    let _ = search(file, &mut found);
    found
}

fn search<R: Read + Seek>(file: &mut R, found: &mut Vec<AudioTrack>) -> Option<()> {
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

fn entries<R: Read + Seek>(file: &mut R, size: u64, found: &mut Vec<AudioTrack>) -> Option<()> {
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
        if kind == AUDIO {
            found.extend(u32::try_from(number).map(|id| AudioTrack { id, is_default: default == 1 }));
        }
    }
    Some(())
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
        let [first, second] = [(1, false), (2, true)].map(|(id, is_default)| AudioTrack { id, is_default });
        assert_eq!(audio_tracks(&mut Cursor::new(file)), [first, second]);
    }

    #[test]
    fn garbage_ends_the_search_quietly() {
        assert!(audio_tracks(&mut Cursor::new(vec![0u8; 100])).is_empty());
        assert!(audio_tracks(&mut Cursor::new(vec![0xffu8; 100_000])).is_empty());
    }
}
