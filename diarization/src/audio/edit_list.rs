//! What the demuxer does not tell about an MP4 file: the encoder delay of its tracks, from their edit
//! lists, and whether the file is cut off. Without edit lists AAC in MP4 runs late by its priming frames
//! (64 ms at 16 kHz).

use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;

/// Boxes looked at in one file, against crafted ones.
const MAX_BOXES: usize = 100_000;
/// Depth of boxes inside boxes; real ones need three.
const MAX_DEPTH: usize = 8;
/// Priming is a few codec frames; a longer first edit is an editor's cut, and dropping minutes of
/// sound on the word of a header is the worse mistake.
const MAX_DELAY_S: f64 = 1.0;

#[derive(Default)]
struct Track {
    id: Option<u32>,
    timescale: Option<u32>,
    media_time: Option<i64>,
}

/// Per track number the seconds to drop at its start (tracks for which the file does not say are left
/// out), and whether a box reaches beyond the end of the file. Damage here is no error: that is for the
/// demuxer to judge.
pub(super) fn leading_delays_s<R: Read + Seek>(file: &mut R) -> (Vec<(u32, f64)>, bool) {
    let mut tracks = Vec::new();
    let mut whole = None;
    if let Ok(end) = file.seek(SeekFrom::End(0)) {
        whole = walk(file, 0..end, 0, &mut tracks, &mut 0);
    }
    let delay = |track: Track| {
        let delay = track.media_time? as f64 / f64::from(track.timescale.filter(|&scale| scale > 0)?);
        (0.0..=MAX_DELAY_S).contains(&delay).then_some((track.id?, delay))
    };
    (tracks.into_iter().filter_map(delay).collect(), whole.is_none())
}

fn walk<R: Read + Seek>(
    file: &mut R,
    span: Range<u64>,
    depth: usize,
    tracks: &mut Vec<Track>,
    seen: &mut usize,
) -> Option<()> {
    let Range { start: mut at, end } = span;
    if depth > MAX_DEPTH {
        return None;
    }
    while at + 8 <= end && *seen < MAX_BOXES {
        *seen += 1;
        file.seek(SeekFrom::Start(at)).ok()?;
        let head = take::<8, R>(file)?;
        let (mut size, mut body) = (u64::from(be32(&head)), at + 8);
        if size == 1 {
            size = u64::from_be_bytes(take::<8, R>(file)?);
            body += 8;
        } else if size == 0 {
            size = end - at;
        }
        let next = at.checked_add(size).filter(|&next| next >= body && next <= end)?;
        match &head[4..] {
            b"trak" => {
                tracks.push(Track::default());
                walk(file, body..next, depth + 1, tracks, seen);
            }
            b"moov" | b"edts" | b"mdia" => {
                walk(file, body..next, depth + 1, tracks, seen);
            }
            b"tkhd" | b"mdhd" => {
                let fields = take::<24, R>(file)?;
                // Version 1 has 64-bit dates before the field that counts.
                let at = if fields[0] == 1 { 20 } else { 12 };
                let value = be32(&fields[at..]);
                if let Some(track) = tracks.last_mut() {
                    if &head[4..] == b"tkhd" { track.id = Some(value) } else { track.timescale = Some(value) }
                }
            }
            b"elst" => {
                let media_time = first_media_time(file)?;
                if let Some(track) = tracks.last_mut() {
                    track.media_time = media_time;
                }
            }
            _ => {}
        }
        at = next;
    }
    Some(())
}

/// The start within the media of the first edit that plays any.
fn first_media_time<R: Read>(file: &mut R) -> Option<Option<i64>> {
    let head = take::<8, R>(file)?;
    for _ in 0..be32(&head[4..]).min(16) {
        let time = if head[0] == 1 {
            let entry = take::<20, R>(file)?;
            i64::from_be_bytes(entry[8..16].try_into().ok()?)
        } else {
            let entry = take::<12, R>(file)?;
            i64::from(be32(&entry[4..]) as i32)
        };
        // -1 is an empty edit: a pause before the track begins.
        if time >= 0 {
            return Some(Some(time));
        }
    }
    Some(None)
}

fn take<const N: usize, R: Read>(file: &mut R) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    file.read_exact(&mut bytes).ok()?;
    Some(bytes)
}

fn be32(bytes: &[u8]) -> u32 {
    bytes.first_chunk::<4>().map_or(0, |four| u32::from_be_bytes(*four))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    #[test]
    fn boxes_inside_boxes_without_end_are_not_followed_to_the_end_of_the_stack() {
        let levels = 90_000_u32;
        let nested: Vec<u8> =
            (0..levels).flat_map(|n| [&((levels - n) * 8).to_be_bytes()[..], b"moov"].concat()).collect();
        // A thread of the size that decoding has.
        let walked = std::thread::Builder::new()
            .stack_size(2 << 20)
            .spawn(move || leading_delays_s(&mut Cursor::new(nested)));
        assert_eq!(walked.expect("starts").join().expect("ends").0, []);
    }
}
