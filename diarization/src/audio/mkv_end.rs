//! End of a Matroska file that does not state it, as live recorders leave it: the time stamp of its last cluster.

use std::io::{BufReader, Read, Seek, SeekFrom};

use super::ebml::{CLUSTER, SEGMENT, TIMESTAMP, head, unsigned};

const INFO: u64 = 0x1549_a966;
const TIMESTAMP_SCALE: u64 = 0x2a_d7b1;
/// Nanoseconds of a tick where the file does not say.
const USUAL_SCALE: u64 = 1_000_000;
/// Elements looked at in one file: a day of blocks of 20 ms.
const MAX_ELEMENTS: usize = 5_000_000;
/// A block's own time stamp, in ticks, goes so far beyond that of its cluster.
const CLUSTER_TICKS: u64 = 1 << 15;

/// The latest time in s that a block of the file can have; `None` where it has no clusters. Damage ends the search.
pub(super) fn latest_s<R: Read + Seek>(file: R) -> Option<f64> {
    let mut found = Found { scale: USUAL_SCALE, latest: None };
    let _ = search(&mut BufReader::with_capacity(1 << 16, file), &mut found);
    found.latest.map(|ticks| ticks.saturating_add(CLUSTER_TICKS) as f64 * found.scale as f64 / 1e9)
}

struct Found {
    scale: u64,
    latest: Option<u64>,
}

fn search<R: Read + Seek>(file: &mut BufReader<R>, found: &mut Found) -> Option<()> {
    file.seek(SeekFrom::Start(0)).ok()?;
    let mut cluster_end = None;
    for _ in 0..MAX_ELEMENTS {
        let (id, size) = head(file)?;
        match id {
            // Go inside.
            SEGMENT | INFO => {}
            CLUSTER => cluster_end = size.and_then(|size| file.stream_position().ok()?.checked_add(size)),
            TIMESTAMP_SCALE => found.scale = unsigned(file, size?)?,
            TIMESTAMP => {
                let ticks = unsigned(file, size?)?;
                found.latest = found.latest.max(Some(ticks));
                if let Some(end) = cluster_end.take() {
                    let left = end.checked_sub(file.stream_position().ok()?)?;
                    skip(file, left)?;
                }
            }
            _ => skip(file, size?)?,
        }
    }
    None
}

/// Stays within what is read ahead where it can: blocks are small.
fn skip<R: Seek>(file: &mut BufReader<R>, size: u64) -> Option<()> {
    file.seek_relative(i64::try_from(size).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    #[test]
    fn the_last_cluster_is_found_whether_or_not_clusters_say_how_long_they_are() {
        let mut file = b"\x1a\x45\xdf\xa3\x80\x18\x53\x80\x67\x01\xff\xff\xff\xff\xff\xff\xff".to_vec();
        file.extend(b"\x15\x49\xa9\x66\x87\x2a\xd7\xb1\x83\x1e\x84\x80");
        file.extend(b"\x1f\x43\xb6\x75\x88\xe7\x81\x05\xa3\x83\x81\x00\x00");
        file.extend(b"\x1f\x43\xb6\x75\x01\xff\xff\xff\xff\xff\xff\xff\xe7\x82\x27\x10\xa3\x83\x81\x00\x00");
        // Ticks of two milliseconds.
        assert_eq!(latest_s(Cursor::new(file)), Some((10_000.0 + 32_768.0) * 0.002));
    }

    #[test]
    fn garbage_has_no_end() {
        assert_eq!(latest_s(Cursor::new(vec![0xffu8; 100_000])), None);
    }
}
