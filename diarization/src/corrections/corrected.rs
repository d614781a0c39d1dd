//! Corrected: a labelled recording, and what corrections make of it, one after the other.

use super::finding::Runs;
use super::{Correction, Made, Newcomer, Stretch, Target};
use crate::blocks::BLOCK_FRAMES;
use crate::evidence::Choice;
use crate::labelled::{Heard, Labelled};
use crate::speakers;
use std::collections::{BTreeMap, BTreeSet};

/// A recording with corrections applied. Speakers have the numbers of the voices found, and past them those whom only a person told apart.
#[derive(Clone, Debug)]
pub struct Corrected {
    pub(super) labelled: Labelled,
    pub(super) pieces: Vec<Heard>,
    pub(super) runs: Runs,
    /// Speaker of each voice found, and past them of those that a speaker's was parted into.
    pub(super) speaker_of_voice: Vec<usize>,
    /// Runs that a person gave to a speaker, or said to be no speech.
    pub(super) fixed: BTreeMap<usize, Option<usize>>,
    /// Runs with which a person began a new turn, although the one before touches it.
    pub(super) begins: BTreeSet<usize>,
    /// Number of pieces that were heard; those past them a person added.
    pub(super) heard_pieces: usize,
    /// Speaker of each piece by its sound, merges included; known once something was corrected.
    pub(super) by_sound: Option<Vec<Option<Choice>>>,
    /// The same with what people said of whole pieces; what is too short to have a voice goes by what is beside it.
    pub(super) choices: Vec<Option<Choice>>,
    /// Names that a person gave.
    pub(super) names: BTreeMap<usize, String>,
    /// Speakers whose speech is no longer what was decided.
    pub(super) changed: BTreeSet<usize>,
    pub(super) next_speaker: usize,
    /// One past the last frame at which somebody may speak.
    pub(super) end_frame: usize,
}

impl Corrected {
    /// Applies `corrections` to what was read [to be corrected](crate::labelling::Labelling::to_be_corrected), in their order. Beside
    /// it, whether each could be: one whose speech is no longer anywhere changes nothing.
    pub fn of(mut labelled: Labelled, corrections: &[Made]) -> (Self, Vec<bool>) {
        let pieces = labelled.heard.take().unwrap_or_default();
        let runs =
            Runs::new(std::mem::take(&mut labelled.runs), |run| labelled.places[run.piece as usize].slot);
        let mut corrected = Self {
            speaker_of_voice: (0..labelled.cast.len()).collect(),
            next_speaker: labelled.cast.len(),
            end_frame: labelled.blocks * BLOCK_FRAMES,
            choices: std::mem::take(&mut labelled.choices),
            by_sound: None,
            fixed: BTreeMap::new(),
            begins: BTreeSet::new(),
            heard_pieces: labelled.places.len(),
            names: BTreeMap::new(),
            changed: BTreeSet::new(),
            labelled,
            pieces,
            runs,
        };
        let applied = corrections.iter().map(|made| corrected.apply(made)).collect();
        (corrected, applied)
    }

    /// Says where the recording ends, which is known from its analyses only to the block. Nothing is corrected to reach further.
    pub fn end_at(&mut self, frame: usize) {
        self.end_frame = self.end_frame.min(frame);
    }

    /// Applies one more correction; false, and nothing is changed, where its speech is no longer anywhere.
    pub fn apply(&mut self, made: &Made) -> bool {
        let same = made.same_analyses;
        let done = match &made.correction {
            Correction::Rename { speaker, name } => match self.owner(&speaker.spoke, same) {
                Some(speaker) => {
                    self.name(speaker, name);
                    true
                }
                None => false,
            },
            Correction::Merge { speaker, into } => self.merge(&speaker.spoke, &into.spoke, same),
            Correction::Move { turn, speaker, to, .. } => self.move_turn(turn, &speaker.spoke, to, same),
            Correction::Split { turn, at_frame } => self.split(turn, *at_frame, same),
            Correction::Border { turn, edge, at_frame } => self.move_border(turn, *edge, *at_frame, same),
            Correction::Remove { turn } => self.remove(turn, same),
            Correction::Add { first_frame, end_frame, to } => self.add(*first_frame, *end_frame, to, same),
        };
        if done && !matches!(made.correction, Correction::Rename { .. }) {
            self.choose();
        }
        done
    }

    /// Speaker of a run of speech; nothing where nobody was found.
    pub(super) fn speaker_of(&self, run: usize) -> Option<usize> {
        let by_sound = || Some(self.choices[self.runs.runs[run].piece as usize]?.best.speaker);
        self.fixed.get(&run).map_or_else(by_sound, |said| *said)
    }

    /// The speakers who have speech.
    pub(super) fn heard(&self) -> BTreeSet<usize> {
        (0..self.runs.runs.len()).filter_map(|run| self.speaker_of(run)).collect()
    }

    fn merge(&mut self, one: &[Stretch], into: &[Stretch], same: bool) -> bool {
        let (Some((one, more)), Some((into, others))) = (self.owners(one, same), self.owners(into, same))
        else {
            return false;
        };
        let gone: BTreeSet<usize> =
            [one].into_iter().chain(more).chain(others).filter(|it| *it != into).collect();
        let all = self.speaker_of_voice.iter_mut().chain(self.fixed.values_mut().flatten());
        all.filter(|speaker| gone.contains(speaker)).for_each(|speaker| *speaker = into);
        self.names.retain(|speaker, _| !gone.contains(speaker));
        if !gone.is_empty() {
            self.changed.insert(into);
            self.by_sound = None;
        }
        true
    }

    fn move_turn(&mut self, turn: &[Stretch], from: &[Stretch], to: &Target, same: bool) -> bool {
        let owner = self.owner(from, same);
        let mut moved = self.runs_of(turn, owner, same);
        if moved.is_empty() {
            return false;
        }
        let target = match to {
            Target::New(Newcomer { name, .. }) => self.new_speaker(name),
            Target::Known(anchor) => match self.owner(&anchor.spoke, same) {
                None => return false,
                // The two are one voice now, and a person said that they are not: what is known to be theirs is told apart again.
                Some(target) if Some(target) == owner => {
                    moved.extend(self.runs_of(&anchor.spoke, owner, same));
                    self.new_speaker(&anchor.label)
                }
                Some(target) => target,
            },
        };
        let mut sources: BTreeSet<usize> = moved.iter().filter_map(|&run| self.speaker_of(run)).collect();
        if matches!(to, Target::New(Newcomer { similar: true, .. })) {
            sources.extend(owner);
            self.follow(&moved, &sources, target);
        }
        self.fixed.extend(moved.into_iter().map(|run| (run, Some(target))));
        self.changed.extend(sources);
        self.changed.insert(target);
        true
    }

    pub(super) fn new_speaker(&mut self, name: &str) -> usize {
        let speaker = self.next_speaker;
        self.next_speaker += 1;
        self.name(speaker, name);
        speaker
    }

    /// Decides anew whose each piece is, where a person did not say. What is too short to have a voice follows what is beside it, as
    /// corrected.
    fn choose(&mut self) {
        let speaker_of = |voice: usize| Some(self.speaker_of_voice[voice]);
        let by_sound = || self.pieces.iter().map(|it| it.scored.as_ref()?.choice(speaker_of)).collect();
        let by_sound: Vec<Option<Choice>> = self.by_sound.take().unwrap_or_else(by_sound);
        self.choices.clone_from(&by_sound);
        self.by_sound = Some(by_sound);
        let given = self.fixed.iter().filter_map(|(&run, &said)| Some((run, said?)));
        for (run, speaker) in given {
            let piece = self.runs.runs[run].piece as usize;
            let is_first = run == self.runs_of_piece(run).start;
            let mut all = self.runs_of_piece(run);
            if is_first
                && self.labelled.places[piece].is_embedded
                && all.all(|run| self.fixed.get(&run) == Some(&Some(speaker)))
            {
                self.choices[piece] = Some(Choice::of_person(speaker, None));
            }
        }
        // What a person added is no piece that was heard, and nothing follows it.
        let heard = self.heard_pieces;
        speakers::follow_neighbours(
            &self.labelled.places[..heard],
            &mut self.choices[..heard],
            Choice::followed,
        );
    }

    /// All runs of the piece that `run` is of; they stand together.
    pub(super) fn runs_of_piece(&self, run: usize) -> std::ops::Range<usize> {
        let piece = self.runs.runs[run].piece;
        let from = self.runs.runs.partition_point(|it| it.piece < piece);
        from..self.runs.runs.partition_point(|it| it.piece <= piece)
    }
}
