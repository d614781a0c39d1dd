//! Reference set: how it is stored between one chunk and the next. MessagePack: as JSON it takes three times the room, and most of the
//! time of a match.

use diarization::matching::ReferenceSet;
use serde::{Deserialize, Serialize};

/// To be raised whenever what a stored set holds, or means, has changed.
const VERSION: u32 = 2;

#[derive(Serialize, Deserialize)]
struct Stored<Set> {
    version: u32,
    set: Set,
}

/// The set in `bytes`; nothing where another release of the matcher wrote it, in a way that this one does not know.
pub fn read(bytes: &[u8]) -> Option<ReferenceSet> {
    let stored: Stored<ReferenceSet> = rmp_serde::from_slice(bytes).ok()?;
    (stored.version == VERSION).then_some(stored.set)
}

/// Encodes `set` as it is stored, with the version.
pub fn write(set: &ReferenceSet) -> Result<Vec<u8>, rmp_serde::encode::Error> {
    rmp_serde::to_vec_named(&Stored { version: VERSION, set })
}

#[cfg(test)]
mod tests {
    use super::*;
    use diarization::pieces::Piece;

    #[test]
    fn a_set_is_read_as_it_was_stored_and_none_of_another_release() {
        let mut set = ReferenceSet::default();
        let piece = Piece {
            first_frame: 0,
            end_frame: 100,
            slot: 0,
            clean_frames: 90,
            embedding: Some(vec![0.6, 0.8]),
        };
        set.match_block(&[piece], &Default::default());
        assert_eq!(read(&write(&set).expect("writes")), Some(set.clone()));
        let of_another = rmp_serde::to_vec_named(&Stored { version: VERSION + 1, set }).expect("writes");
        assert_eq!(read(&of_another), None);
        assert_eq!(read(b"rubbish"), None);
    }
}
