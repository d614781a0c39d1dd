//! Our stages agree with the research prototype, an implementation of its own in another language, on real meetings.

mod support {
    pub mod analyses;
    pub mod audio;
    pub mod models;
}

use diarization::analysis::BlockAnalysis;
use diarization::pieces::Piece;
use std::path::Path;

/// EN2006b has three speakers, overlaps, and a piece too short to embed.
const MEETINGS: [&str; 2] = ["ami_EN2003a_0-30s", "ami_EN2006b_0-30s"];

/// Pause in EN2006b after which the numbering of slots may be another: the window that spans it brings a voice that no
/// earlier window has heard, and the two silent slots cost the same.
const TIE_IN_EN2006B: usize = 550;

/// Cells of each line of one of a meeting's tables, without the header.
fn table(meeting: &str, name: &str) -> Vec<Vec<String>> {
    let path = format!("tests/data/prototype/{meeting}.{name}.tsv");
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(&path))
        .unwrap_or_else(|error| panic!("{path}: {error}"));
    text.lines().skip(1).map(|line| line.split('\t').map(str::to_owned).collect()).collect()
}

fn number(cell: &str) -> usize {
    cell.parse().unwrap_or_else(|_| panic!("'{cell}' is no number"))
}

/// Bit set of active slots of each frame.
fn slots(meeting: &str) -> Vec<u8> {
    table(meeting, "slots")
        .iter()
        .flat_map(|run| {
            let bits = run[2].chars().filter_map(|slot| slot.to_digit(10)).map(|slot| 1 << slot).sum();
            vec![bits; number(&run[1]) - number(&run[0])]
        })
        .collect()
}

/// The only block of `meeting`, which is shorter than a block.
fn analyse(meeting: &str) -> BlockAnalysis {
    let samples = support::audio::samples(&format!("tests/data/prototype/{meeting}.flac"));
    let mut chunks = support::analyses::in_chunks(&mut support::models::load(), &samples, 1);
    assert_eq!((chunks.len(), chunks[0].len()), (1, 1), "{meeting} is one block");
    chunks.remove(0).remove(0)
}

/// `bits` with slot `i` called `names[i]`.
fn renamed(bits: u8, names: [u8; 3]) -> u8 {
    (0..3).filter(|slot| bits >> slot & 1 == 1).map(|slot: usize| 1 << names[slot]).sum()
}

/// The numbering of our slots under which most frames are as the prototype has them.
fn numbering(ours: &[u8], prototype: &[u8]) -> [u8; 3] {
    const ALL: [[u8; 3]; 6] = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
    let agreement =
        |names: &[u8; 3]| ours.iter().zip(prototype).filter(|(o, p)| renamed(**o, *names) == **p).count();
    ALL.into_iter().max_by_key(agreement).expect("there are six")
}

/// The prototype's numbering of our slots at each frame of `meeting`.
fn numbering_by_frame(meeting: &str, ours: &[u8]) -> Vec<[u8; 3]> {
    let prototype = slots(meeting);
    assert_eq!(ours.len(), prototype.len(), "{meeting}");
    let middle = if meeting.contains("EN2006b") { TIE_IN_EN2006B } else { 0 };
    let part = |range: std::ops::Range<usize>| {
        vec![numbering(&ours[range.clone()], &prototype[range.clone()]); range.len()]
    };
    [part(0..middle), part(middle..ours.len())].concat()
}

#[test]
fn every_frame_has_the_slots_that_the_prototype_finds() {
    for meeting in MEETINGS {
        let (ours, prototype) = (analyse(meeting).slots, slots(meeting));
        let names = numbering_by_frame(meeting, &ours);
        let differing: Vec<usize> =
            (0..ours.len()).filter(|&i| renamed(ours[i], names[i]) != prototype[i]).collect();
        assert!(differing.is_empty(), "{meeting}: frames {differing:?} differ");
    }
}

#[test]
fn pieces_are_cut_where_the_prototype_cuts_them() {
    for meeting in MEETINGS {
        let block = analyse(meeting);
        let names = numbering_by_frame(meeting, &block.slots);
        let describe = |p: &Piece| {
            let slot = usize::from(names[p.first_frame][usize::from(p.slot)]);
            (p.first_frame, p.end_frame, slot, p.clean_frames, p.embedding.is_some())
        };
        let mut ours: Vec<_> = block.pieces.iter().map(describe).collect();
        let mut prototype: Vec<_> = table(meeting, "pieces")
            .into_iter()
            .map(|p| (number(&p[0]), number(&p[1]), number(&p[2]), number(&p[3]), p[4] == "yes"))
            .collect();
        ours.sort_unstable();
        prototype.sort_unstable();
        assert_eq!(ours, prototype, "{meeting}");
    }
}
