//! A message from anybody: reading it never panics, and what is accepted keeps its promises.

#![no_main]

use chrono::DateTime;
use diarization::blocks::BLOCK_SAMPLES;
use libfuzzer_sys::fuzz_target;
use matcher::analysis::{self, Extent};
use service_kit::attempts::History;
use service_kit::messages::{self, ChunkAnalysed, ChunkJob, DecodeJob, Message, RecordingDecoded};

fn survives<M: Message + PartialEq + std::fmt::Debug>(body: &[u8]) {
    let Ok(read) = messages::decode::<M>(M::TYPE, body) else { return };
    let again = messages::encode(&read).expect("what was read is written");
    assert_eq!(messages::decode::<M>(M::TYPE, &again).expect("and read again"), read);
}

fuzz_target!(|data: &[u8]| {
    let Some((&kind, body)) = data.split_first() else { return };
    match kind % 6 {
        0 => survives::<DecodeJob>(body),
        1 => survives::<ChunkJob>(body),
        2 => survives::<ChunkAnalysed>(body),
        3 => survives::<RecordingDecoded>(body),
        4 => {
            // A small place, so that an analysis that fits it is found.
            let extent = Extent { first_block: 0, blocks: 1, end_sample: 270 * 8, channels: 1 + usize::from(kind) % 2 };
            if let Ok(blocks) = analysis::check(body, extent) {
                assert_eq!((blocks.len(), blocks[0].slots.len()), (1, 8));
                assert!(blocks[0].pieces.iter().all(|piece| piece.end_frame <= 8 && piece.slot <= 5));
            }
            let _ = analysis::check(body, Extent::of(usize::from(kind) % 3, 2, BLOCK_SAMPLES + body.len(), 1 + usize::from(kind) % 2));
        }
        _ => {
            let text = String::from_utf8_lossy(body);
            let mut history = History::from_header(&text);
            let before = history.count();
            history.failed(&text, "fuzz", DateTime::UNIX_EPOCH);
            assert_eq!(history.count(), before + 1);
            let header = history.to_header().expect("there is one attempt");
            assert_eq!(History::from_header(&header), history);
        }
    }
});
