//! Facts about an MP4 file that the demuxer does not tell: the places of the tracks by its edit lists, its length, and whether it is cut
//! off. Without edit lists AAC in MP4 runs late by its priming frames (64 ms at 16 kHz), and sound that begins after the picture early.

use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;

/// Boxes looked at in one file, against crafted ones.
const MAX_BOXES: usize = 100_000;
/// Depth of boxes inside boxes; real ones need three.
const MAX_DEPTH: usize = 8;
/// Edits looked at in one track.
const MAX_EDITS: u32 = 64;

/// Facts about one file.
#[derive(Debug, Default)]
pub(super) struct Movie {
    /// The numbers of its audio tracks, in file order.
    pub(super) audio: Vec<u32>,
    /// Edit lists of its tracks, where they can be made sense of.
    pub(super) tracks: Vec<Edits>,
    /// Length of the whole in s.
    pub(super) duration_s: Option<f64>,
    /// True where a box reaches beyond the end of the file.
    pub(super) cut_off: bool,
}

/// The edit list of one track.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Edits {
    /// Number of the track.
    pub(super) id: u32,
    /// Seconds to drop at its start: the encoder's delay, or what an editor cut away.
    pub(super) delay_s: f64,
    /// Seconds of the movie before it begins.
    pub(super) pause_s: f64,
    /// Pieces that are played; more than one is put together anew by an editor.
    pub(super) pieces: usize,
}

#[derive(Default)]
struct Track {
    id: Option<u32>,
    timescale: Option<u32>,
    duration: Option<u64>,
    is_audio: bool,
    edits: Option<List>,
}

#[derive(Clone, Copy, Default)]
struct List {
    /// In units of the movie.
    pause: u64,
    /// In units of the track.
    start: Option<i64>,
    pieces: usize,
}

#[derive(Default)]
struct Found {
    tracks: Vec<Track>,
    /// Units per second and length in them.
    movie: Option<(u32, u64)>,
    boxes: usize,
}

/// Reads it. Damage here is no error: that is for the demuxer to judge.
pub(super) fn read<R: Read + Seek>(file: &mut R) -> Movie {
    let mut found = Found::default();
    let mut whole = None;
    if let Ok(end) = file.seek(SeekFrom::End(0)) {
        whole = walk(file, 0..end, 0, &mut found);
    }
    let (scale, length) = found.movie.filter(|&(scale, _)| scale > 0).unwrap_or((1, 0));
    let duration_s = length as f64 / f64::from(scale);
    Movie {
        audio: found.tracks.iter().filter(|track| track.is_audio).filter_map(|track| track.id).collect(),
        tracks: found.tracks.iter().filter_map(|track| edits(track, scale)).collect(),
        duration_s: Some(duration_s).filter(|&s| s > 0.0 && length != u64::from(u32::MAX)),
        cut_off: whole.is_none(),
    }
}

fn edits(track: &Track, movie_scale: u32) -> Option<Edits> {
    let (list, scale) = (track.edits?, f64::from(track.timescale.filter(|&scale| scale > 0)?));
    let delay_s = list.start? as f64 / scale;
    // An edit that leaves nothing of the track is a mistake.
    let length_s =
        track.duration.filter(|&length| length > 0).map_or(f64::INFINITY, |length| length as f64 / scale);
    (0.0..length_s).contains(&delay_s).then_some(Edits {
        id: track.id?,
        delay_s,
        pause_s: list.pause as f64 / f64::from(movie_scale),
        pieces: list.pieces,
    })
}

fn walk<R: Read + Seek>(file: &mut R, span: Range<u64>, depth: usize, found: &mut Found) -> Option<()> {
    let Range { start: mut at, end } = span;
    if depth > MAX_DEPTH {
        return None;
    }
    while at + 8 <= end && found.boxes < MAX_BOXES {
        found.boxes += 1;
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
                found.tracks.push(Track::default());
                walk(file, body..next, depth + 1, found);
            }
            b"moov" | b"edts" | b"mdia" => {
                walk(file, body..next, depth + 1, found);
            }
            b"mvhd" => found.movie = Some(scale_and_duration(file)?),
            b"mdhd" => {
                let (scale, duration) = scale_and_duration(file)?;
                if let Some(track) = found.tracks.last_mut() {
                    (track.timescale, track.duration) = (Some(scale), Some(duration));
                }
            }
            b"hdlr" => {
                let fields = take::<12, R>(file)?;
                if let Some(track) = found.tracks.last_mut() {
                    track.is_audio = &fields[8..] == b"soun";
                }
            }
            b"tkhd" => {
                let fields = take::<24, R>(file)?;
                // Version 1 has 64-bit dates before the number.
                let at = if fields[0] == 1 { 20 } else { 12 };
                if let Some(track) = found.tracks.last_mut() {
                    track.id = Some(be32(&fields[at..]));
                }
            }
            b"elst" => {
                let list = edit_list(file)?;
                if let Some(track) = found.tracks.last_mut() {
                    track.edits = Some(list);
                }
            }
            _ => {}
        }
        at = next;
    }
    Some(())
}

/// The units per second, and the length in them, of a `mvhd` or `mdhd` box.
fn scale_and_duration<R: Read>(file: &mut R) -> Option<(u32, u64)> {
    let fields = take::<20, R>(file)?;
    if fields[0] != 1 {
        return Some((be32(&fields[12..]), u64::from(be32(&fields[16..]))));
    }
    // Version 1 has 64-bit dates before and a 64-bit length behind.
    let rest = take::<12, R>(file)?;
    Some((be32(&rest), u64::from_be_bytes(rest[4..].try_into().ok()?)))
}

fn edit_list<R: Read>(file: &mut R) -> Option<List> {
    let head = take::<8, R>(file)?;
    let mut list = List::default();
    for _ in 0..be32(&head[4..]).min(MAX_EDITS) {
        let (length, start) = if head[0] == 1 {
            let entry = take::<20, R>(file)?;
            let long =
                |at: usize| entry[at..].first_chunk::<8>().map_or(0, |eight| u64::from_be_bytes(*eight));
            (long(0), long(8) as i64)
        } else {
            let entry = take::<12, R>(file)?;
            (u64::from(be32(&entry)), i64::from(be32(&entry[4..]) as i32))
        };
        if start >= 0 {
            list.start = list.start.or(Some(start));
            list.pieces += 1;
        } else if list.pieces == 0 {
            // An empty edit: a pause before the track begins.
            list.pause = list.pause.saturating_add(length);
        }
    }
    Some(list)
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

    fn boxed(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
        [&(body.len() as u32 + 8).to_be_bytes()[..], kind, body].concat()
    }

    fn words(words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_be_bytes()).collect()
    }

    /// A movie of 25 s in units of 1000, with one track of 12 s in units of 16,000 under the edit list of these entries.
    fn movie(entries: &[[u32; 3]]) -> Movie {
        let list = [vec![0, entries.len() as u32], entries.concat()].concat();
        let track = [
            boxed(b"tkhd", &words(&[0, 0, 0, 7, 0, 0, 0])),
            boxed(b"edts", &boxed(b"elst", &words(&list))),
            boxed(b"mdia", &boxed(b"mdhd", &words(&[0, 0, 0, 16_000, 192_000, 0]))),
        ];
        let moov = [boxed(b"mvhd", &words(&[0, 0, 0, 1_000, 25_000, 0])), boxed(b"trak", &track.concat())];
        read(&mut Cursor::new(boxed(b"moov", &moov.concat())))
    }

    #[test]
    fn a_pause_before_the_track_and_the_delay_of_its_encoder_are_told() {
        let found = movie(&[[10_000, u32::MAX, 1 << 16], [12_000, 1_024, 1 << 16]]);
        assert_eq!(found.tracks, [Edits { id: 7, delay_s: 0.064, pause_s: 10.0, pieces: 1 }]);
        assert_eq!((found.duration_s, found.cut_off), (Some(25.0), false));
    }

    #[test]
    fn an_edit_that_leaves_nothing_is_not_believed_and_pieces_are_counted() {
        assert_eq!(movie(&[[12_000, 192_000, 1 << 16]]).tracks, []);
        let pieces = movie(&[[2_000, 0, 1 << 16], [2_000, 64_000, 1 << 16]]).tracks[0].pieces;
        assert_eq!(pieces, 2);
    }

    #[test]
    fn boxes_inside_boxes_without_end_are_not_followed_to_the_end_of_the_stack() {
        let levels = 90_000_u32;
        let nested: Vec<u8> =
            (0..levels).flat_map(|n| [&((levels - n) * 8).to_be_bytes()[..], b"moov"].concat()).collect();
        // A thread of the size that decoding has.
        let walked =
            std::thread::Builder::new().stack_size(2 << 20).spawn(move || read(&mut Cursor::new(nested)));
        assert_eq!(walked.expect("starts").join().expect("ends").tracks, []);
    }
}
