//! Following: whether other speech should follow a turn that a person gives to a new speaker. See docs/decisions/0010.
//!
//!   cargo run --release -p diarization --example following -- KEPT AUDIO...
//!
//! Each recording has an RTTM beside it. The person who corrects is made up: of every speaker found, and of everybody else who is heard
//! under that label for at least a turn, the longest such turn goes to a new speaker. Counted is the other speech of the label that follows it by
//! its sound: rightly (it is by the one who was moved), and wrongly. The analyses are written to the file KEPT and read from there the
//! next time.

use diarization::analysis::{self, BlockAnalysis};
use diarization::audio;
use diarization::blocks::{DEFAULT_CHUNK_BLOCKS, FRAME_SECONDS, frame_start_seconds};
use diarization::chunks::Chunker;
use diarization::corrections::following::{Rule, part};
use diarization::diarize::{Diarization, Settings};
use diarization::features::FilterBank;
use diarization::hints::Hints;
use diarization::installation;
use diarization::onnx::{Device, Models};
use diarization::pieces::Piece;
use diarization::rttm::{self, Segment};
use diarization::speakers::weight;
use diarization::survey::Survey;
use diarization::timeline::Turn;
use diarization::voice::Voice;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::path::Path;

#[derive(Serialize, Deserialize)]
struct Heard {
    name: String,
    blocks: Vec<BlockAnalysis>,
    /// Start and end in seconds and speaker of all that is said.
    reference: Vec<(f64, f64, String)>,
}

const MARGINS: [f32; 5] = [0.0, 0.1, 0.2, 0.3, 0.4];
const APART: [f32; 5] = [0.2, 0.4, 0.5, 0.6, 1.0];
/// Shortest turn that a person cares to move, seconds.
const LEAST_S: f64 = 1.5;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [kept, recordings @ ..] = arguments.as_slice() else {
        return Err("usage: following KEPT AUDIO... (see the top of the program)".into());
    };
    let heard: Vec<Heard> = match std::fs::read(kept) {
        Ok(bytes) => rmp_serde::from_slice(&bytes)?,
        Err(_) => {
            let heard = recordings.iter().map(|path| hear(path)).collect::<Result<Vec<_>, _>>()?;
            std::fs::write(kept, rmp_serde::to_vec(&heard)?)?;
            heard
        }
    };
    let rules: Vec<Rule> =
        APART.iter().flat_map(|&apart| MARGINS.map(|margin| Rule { margin, apart })).collect();
    for (what, fewer) in [("as they are", false), ("told to find a speaker fewer than there are", true)] {
        let mut sums = vec![(0.0_f64, 0.0_f64, 0_usize); rules.len()];
        let (mut moves, mut could, mut label_seconds) = (0, 0.0, 0.0);
        for it in &heard {
            let people: BTreeSet<&str> = it.reference.iter().map(|(.., who)| who.as_str()).collect();
            let count = people.len().saturating_sub(1).max(1);
            let hints = Hints { max_speakers: fewer.then_some(count), ..Hints::default() };
            let found = diarize(&it.blocks, Settings { hints, ..Settings::default() });
            for case in cases(it, &found) {
                moves += 1;
                could += case.could;
                label_seconds += case.label_seconds;
                for (rule, sum) in rules.iter().zip(&mut sums) {
                    let (right, wrong) = follow(it, &found, &case, *rule);
                    sum.0 += right;
                    sum.1 += wrong;
                    sum.2 += usize::from(wrong > right);
                }
            }
        }
        println!(
            "\nRecordings {what}: {moves} moves out of labels with {label_seconds:.0} s, of which {could:.0} s more are by who was moved\n"
        );
        println!(
            "| margin | apart | follows rightly, s | wrongly, s | moves that do harm |\n|---|---|---|---|---|"
        );
        for (Rule { margin, apart }, (right, wrong, harm)) in rules.iter().zip(&sums) {
            println!("| {margin} | {apart} | {right:.0} | {wrong:.0} | {harm} |");
        }
    }
    Ok(())
}

/// A turn that a person moves.
struct Case {
    turn: Turn,
    who: String,
    /// Seconds of the label, and of it what else is by `who`.
    label_seconds: f64,
    could: f64,
}

fn who_during(reference: &[(f64, f64, String)], from: f64, to: f64) -> BTreeMap<&str, f64> {
    let mut shares = BTreeMap::new();
    for (start, end, who) in reference {
        let shared = end.min(to) - start.max(from);
        if shared > 0.0 {
            *shares.entry(who.as_str()).or_insert(0.0) += shared;
        }
    }
    shares
}

/// Speaker of most of a stretch of speech; `None` where nobody says more than 0.6 of it.
fn mostly(reference: &[(f64, f64, String)], from: usize, to: usize) -> Option<String> {
    let shares = who_during(reference, frame_start_seconds(from), frame_start_seconds(to));
    let most = shares.into_iter().max_by(|a, b| a.1.total_cmp(&b.1))?;
    (most.1 > 0.6 * (to - from) as f64 * FRAME_SECONDS).then(|| most.0.to_owned())
}

fn cases(it: &Heard, found: &Diarization) -> Vec<Case> {
    let mut cases = Vec::new();
    for speaker in 0..found.speakers.len() {
        let turns: Vec<&Turn> = found.turns.iter().filter(|t| t.speaker == speaker).collect();
        let seconds = |t: &Turn| t.end_seconds() - t.start_seconds();
        let mut by: BTreeMap<String, Vec<&Turn>> = BTreeMap::new();
        for turn in &turns {
            if let Some(who) = mostly(&it.reference, turn.first_frame, turn.end_frame) {
                by.entry(who).or_default().push(turn);
            }
        }
        let total = |turns: &[&Turn]| turns.iter().map(|t| seconds(t)).sum::<f64>();
        let Some(main) =
            by.iter().max_by(|a, b| total(a.1).total_cmp(&total(b.1))).map(|(who, _)| who.clone())
        else {
            continue;
        };
        for (who, own) in by.iter().filter(|(who, _)| **who != main) {
            let longest = own.iter().max_by(|a, b| seconds(a).total_cmp(&seconds(b))).expect("has a turn");
            if seconds(longest) >= LEAST_S {
                let could = total(own) - seconds(longest);
                cases.push(Case { turn: **longest, who: who.clone(), label_seconds: total(&turns), could });
            }
        }
    }
    cases
}

/// Seconds that follow rightly and wrongly.
fn follow(it: &Heard, found: &Diarization, case: &Case, rule: Rule) -> (f64, f64) {
    let own: BTreeSet<(usize, u8)> = found
        .matches
        .iter()
        .filter(|m| m.choice.best.speaker == case.turn.speaker)
        .map(|m| (m.first_frame, m.slot))
        .collect();
    let pieces: Vec<(&Piece, &[f32])> = it
        .blocks
        .iter()
        .flat_map(|block| &block.pieces)
        .filter(|piece| own.contains(&(piece.first_frame, piece.slot)))
        .filter_map(|piece| Some((piece, piece.embedding.as_deref()?)))
        .collect();
    let is_moved = |piece: &Piece| {
        let shared = piece
            .end_frame
            .min(case.turn.end_frame)
            .saturating_sub(piece.first_frame.max(case.turn.first_frame));
        2 * shared > piece.end_frame - piece.first_frame
    };
    let fixed: Vec<bool> = pieces.iter().map(|(piece, _)| is_moved(piece)).collect();
    let voices: Vec<Voice> =
        pieces.iter().map(|(piece, seen)| Voice::of_piece(seen, weight(piece))).collect();
    let Some(parted) = part(&voices, &fixed, rule) else { return (0.0, 0.0) };
    let (mut right, mut wrong) = (0.0, 0.0);
    for (((piece, _), goes), fixed) in pieces.iter().zip(&parted.goes).zip(&fixed) {
        if *goes && !fixed {
            let seconds = (piece.end_frame - piece.first_frame) as f64 * FRAME_SECONDS;
            match mostly(&it.reference, piece.first_frame, piece.end_frame) {
                Some(who) if who == case.who => right += seconds,
                Some(_) => wrong += seconds,
                None => {}
            }
        }
    }
    (right, wrong)
}

fn diarize(blocks: &[BlockAnalysis], settings: Settings) -> Diarization {
    let mut survey = Survey::new(settings);
    for block in blocks {
        survey.push(block).expect("blocks are in order");
    }
    let mut labelling = survey.decide();
    for block in blocks {
        labelling.push(block).expect("the same blocks");
    }
    labelling.labelled().expect("all blocks").diarization()
}

fn hear(path: &str) -> Result<Heard, Box<dyn Error>> {
    let mut models = Models::load(&installation::models(), &installation::onnx_runtime(), Device::Cpu)?;
    let mut filter_bank = FilterBank::default();
    let mut chunker = Chunker::new(DEFAULT_CHUNK_BLOCKS);
    let mut stream = audio::open(Path::new(path))?;
    let mut blocks = Vec::new();
    let mut analyse =
        |chunks: Vec<diarization::chunks::ChunkAudio>| -> Result<Vec<BlockAnalysis>, Box<dyn Error>> {
            let mut all = Vec::new();
            for chunk in chunks {
                all.extend(analysis::analyse(&mut models, &mut filter_bank, chunk.chunk, &chunk.channels)?);
            }
            Ok(all)
        };
    while let Some(samples) = stream.next_samples()? {
        blocks.extend(analyse(chunker.push(&[&samples]))?);
    }
    blocks.extend(analyse(chunker.finish())?);
    let text = std::fs::read_to_string(Path::new(path).with_extension("rttm"))?;
    let said = |it: Segment| (it.start_s, it.end_s(), it.speaker);
    Ok(Heard {
        name: path.to_owned(),
        blocks,
        reference: rttm::parse(&text)?.into_iter().map(said).collect(),
    })
}
