//! Following: what else of a speaker goes along where a turn is given to somebody new. For the figures see docs/decisions/0010.

use super::corrected::Corrected;
use crate::similarity::dot;
use crate::voice::{self, Voice, direction};
use std::collections::BTreeSet;

/// Rule by which a speaker's pieces are parted.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// Lead that a piece's cosine with those that go must have over that with those that stay, for the piece to go along.
    pub margin: f32,
    /// Cosine of the two sides that they must stay below: parts of one voice are more alike.
    pub apart: f32,
}

impl Default for Rule {
    fn default() -> Self {
        Self { margin: 0.3, apart: 0.6 }
    }
}

/// Share of what was not moved that begins on the side of what was: the turn alone may be too short to say how somebody sounds.
const BEGINS: f64 = 0.5;
/// Most often that the sides are gone through; they are mostly settled after three or four times.
const ROUNDS: usize = 10;

/// A speaker's pieces on two sides.
#[derive(Clone, Debug, PartialEq)]
pub struct Parted {
    /// True for each piece that goes along.
    pub goes: Vec<bool>,
    /// Cosines of each piece with those that go, and with those that stay.
    pub scores: Vec<[f32; 2]>,
}

/// Parts `pieces`, of which those that are `moved` were given to somebody else. `pieces` are unit-length vectors with
/// their seconds. Nothing where they are not two voices. This is 2-means: it begins with what was moved and the half of the rest that is
/// most like it on the one side, with a margin for those who stay.
pub fn part(pieces: &[Voice], moved: &[bool], rule: Rule) -> Option<Parted> {
    let vectors: Vec<&[f32]> = pieces.iter().map(|piece| piece.embedding).collect();
    let side = |goes: &[bool], wanted: bool| {
        let members: Vec<usize> = (0..pieces.len()).filter(|&piece| goes[piece] == wanted).collect();
        let direction = direction(&voice::weighted_sum(pieces, &vectors, &members));
        direction.iter().any(|x| *x != 0.0).then_some(direction)
    };
    let mut goes = nearest(pieces, moved, &side(moved, true)?);
    let mut rounds = 0..ROUNDS;
    loop {
        let (gone, rest) = (side(&goes, true)?, side(&goes, false)?);
        let scores: Vec<[f32; 2]> =
            vectors.iter().map(|piece| [dot(piece, &gone), dot(piece, &rest)]).collect();
        let goes_along =
            |(moved, [to_gone, to_rest]): (&bool, &[f32; 2])| *moved || to_gone - to_rest > rule.margin;
        let next: Vec<bool> = moved.iter().zip(&scores).map(goes_along).collect();
        if next == goes || rounds.next().is_none() {
            return (dot(&gone, &rest) < rule.apart).then_some(Parted { goes, scores });
        }
        goes = next;
    }
}

/// Marks the pieces that are `moved`, and of the rest those most like `gone`, up to a share of the rest's seconds.
fn nearest(pieces: &[Voice], moved: &[bool], gone: &[f32]) -> Vec<bool> {
    let mut rest: Vec<(f32, usize)> = (0..pieces.len())
        .filter(|&piece| !moved[piece])
        .map(|piece| (dot(pieces[piece].embedding, gone), piece))
        .collect();
    rest.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    let all: f64 = rest.iter().map(|(_, piece)| pieces[*piece].seconds).sum();
    let mut seconds = 0.0;
    let mut goes = moved.to_vec();
    for (_, piece) in rest {
        seconds += pieces[piece].seconds;
        if seconds > BEGINS * all {
            break;
        }
        goes[piece] = true;
    }
    goes
}

impl Corrected {
    /// Of the speech of `sources`, gives `target` what sounds more like the runs `moved` than like the rest; what a person gave to
    /// somebody is theirs all the same.
    pub(super) fn follow(&mut self, moved: &[usize], sources: &BTreeSet<usize>, target: usize) {
        let moved: BTreeSet<usize> = moved.iter().copied().collect();
        let mut own = Vec::new();
        let mut vectors = Vec::new();
        let mut first = 0;
        while first < self.runs.runs.len() {
            let runs = self.runs_of_piece(first);
            first = runs.end;
            let piece = self.runs.runs[runs.start].piece as usize;
            let heard = &self.pieces[piece];
            let (Some(embedding), Some(_)) = (&heard.embedding, &heard.scored) else { continue };
            let frames = |wanted: bool| -> u32 {
                let some = runs.clone().filter(|run| moved.contains(run) == wanted);
                some.map(|run| self.runs.frames(run)).sum()
            };
            let is_moved = frames(true) > frames(false);
            let by_sound = self.choices[piece].is_some_and(|it| sources.contains(&it.best.speaker));
            if is_moved || by_sound {
                own.push((piece, is_moved));
                vectors.push(embedding.clone());
            }
        }
        let seconds = own.iter().map(|(piece, _)| self.labelled.places[*piece].weight());
        let pieces: Vec<Voice> =
            vectors.iter().zip(seconds).map(|(it, seconds)| Voice::of_piece(it, seconds)).collect();
        let is_moved: Vec<bool> = own.iter().map(|(_, is_moved)| *is_moved).collect();
        let Some(parted) = part(&pieces, &is_moved, Rule::default()) else { return };
        let voice = self.speaker_of_voice.len();
        self.speaker_of_voice.push(target);
        self.by_sound = None;
        for (((piece, _), goes), scores) in own.into_iter().zip(parted.goes).zip(parted.scores) {
            let Some(scored) = &mut self.pieces[piece].scored else { continue };
            let was_parted = sources.contains(&self.speaker_of_voice[scored.voice]);
            let [to_gone, to_rest] = scores;
            for known in [&mut scored.own, &mut scored.heard] {
                if was_parted {
                    known[scored.voice] = to_rest;
                }
                // The voices that other speakers were parted into were not held against it: they are as unlike as can be.
                known.resize(voice, -1.0);
                known.push(to_gone);
            }
            if goes {
                scored.voice = voice;
            }
        }
    }
}
