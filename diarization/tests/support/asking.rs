//! Requests of a person, and what comes of them.

use diarization::analysis::BlockAnalysis;
use diarization::corrections::{Corrected, Made, Newcomer, Request, To, TurnShown};
use diarization::diarize::{Diarization, Diarizer, Settings};
use diarization::labelled::Labelled;
use diarization::labelling::Labelling;
use diarization::survey::Survey;
use diarization::timeline::Turn;
use std::collections::BTreeSet;

pub fn labelled(blocks: &[BlockAnalysis], settings: &Settings) -> Labelled {
    let mut survey = Survey::new(settings.clone());
    for block in blocks {
        survey.push(block).expect("blocks are in order");
    }
    read(blocks, survey.decide())
}

pub fn read(blocks: &[BlockAnalysis], labelling: Labelling) -> Labelled {
    let mut labelling = labelling.to_be_corrected();
    for block in blocks {
        labelling.push(block).expect("the same blocks");
    }
    labelling.labelled().expect("all blocks")
}

pub fn corrected(blocks: &[BlockAnalysis], settings: &Settings, corrections: &[Made]) -> Diarization {
    let (corrected, applied) = Corrected::of(labelled(blocks, settings), corrections);
    assert!(applied.iter().all(|it| *it), "{applied:?}");
    corrected.diarization()
}

pub fn diarize(blocks: &[BlockAnalysis]) -> Diarization {
    let mut diarizer = Diarizer::new(Settings::default());
    for block in blocks {
        diarizer.push(block.clone()).expect("blocks are in order");
    }
    diarizer.finish()
}

/// Makes requests into corrections one after the other, as in life.
pub fn ask(blocks: &[BlockAnalysis], requests: &[Request]) -> (Vec<Made>, Diarization) {
    ask_of(labelled(blocks, &Settings::default()), requests)
}

/// The same of a recording that is labelled already.
pub fn ask_of(labelled: Labelled, requests: &[Request]) -> (Vec<Made>, Diarization) {
    let (mut corrected, _) = Corrected::of(labelled, &[]);
    let mut all = Vec::new();
    for request in requests {
        let correction = corrected.correction(request).expect("can be done");
        let made = Made { correction, same_analyses: true };
        assert!(corrected.apply(&made), "{request:?}");
        all.push(made);
    }
    (all, corrected.diarization())
}

pub fn label(found: &Diarization, turn: &Turn) -> String {
    found.speakers[turn.speaker].label.clone()
}

pub fn labels(found: &Diarization) -> Vec<&str> {
    found.speakers.iter().map(|speaker| speaker.label.as_str()).collect()
}

pub fn rename(speaker: &str, name: &str) -> Request {
    Request::Rename { speaker: speaker.into(), name: name.into() }
}

pub fn merge(speaker: &str, into: &str) -> Request {
    Request::Merge { speaker: speaker.into(), into: into.into() }
}

pub fn give(found: &Diarization, turn: &Turn, to: To) -> Request {
    Request::Move { turn: shown(found, turn), to }
}

/// A turn as it is named in a request.
pub fn shown(found: &Diarization, turn: &Turn) -> TurnShown {
    let (first_frame, end_frame) = (turn.first_frame as u32, turn.end_frame as u32);
    TurnShown { first_frame, end_frame, speaker: label(found, turn) }
}

/// Labels of who speaks in `turn` of another result.
pub fn during(found: &Diarization, turn: &Turn) -> BTreeSet<String> {
    let shares = |it: &&Turn| it.first_frame < turn.end_frame && turn.first_frame < it.end_frame;
    found.turns.iter().filter(shares).map(|it| label(found, it)).collect()
}

/// Somebody new, who gets the turn alone.
pub fn new(name: &str) -> To {
    To::New(Newcomer { name: name.to_owned(), similar: false })
}
