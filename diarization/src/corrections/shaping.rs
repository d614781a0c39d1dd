//! Shaping: turns that a person splits, makes longer or shorter, removes, or adds where none was found.

use super::corrected::Corrected;
use super::{Edge, Newcomer, Spoken, Stretch, Target};
use crate::blocks::BLOCK_FRAMES;
use crate::channels::{self, MOST_SIDES};
use crate::labelled::{Heard, Run};
use crate::speakers::Place;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

impl Corrected {
    /// Makes a turn two. False where nobody speaks at that frame any more.
    pub(super) fn split(&mut self, turn: &Spoken, at_frame: u32, same: bool) -> bool {
        let mut any = false;
        for stretch in &turn.turn {
            let whose = self.whose(*stretch, turn, same);
            any |= self.begin_at(*stretch, whose, at_frame, same);
        }
        any
    }

    /// Removes a turn: what was taken for its speaker's is nobody's.
    pub(super) fn remove(&mut self, turn: &Spoken, same: bool) -> bool {
        self.shorten(turn, 0..u32::MAX, same)
    }

    /// Lets a turn begin or end elsewhere.
    pub(super) fn move_border(&mut self, turn: &Spoken, edge: Edge, at_frame: u32, same: bool) -> bool {
        match edge {
            Edge::Start if at_frame > turn.first_frame => self.shorten(turn, 0..at_frame, same),
            Edge::End if at_frame < turn.end_frame => self.shorten(turn, at_frame..u32::MAX, same),
            Edge::Start => self.lengthen(turn, at_frame..turn.first_frame, at_frame, same),
            Edge::End => self.lengthen(turn, turn.end_frame..at_frame, at_frame, same),
        }
    }

    /// Adds a turn.
    pub(super) fn add(&mut self, first_frame: u32, end_frame: u32, to: &Target, same: bool) -> bool {
        let speaker = match to {
            Target::New(Newcomer { name, .. }) => Some(self.new_speaker(name)),
            Target::Known(anchor) => self.owner(&anchor.spoke, same),
        };
        let Some(speaker) = speaker else { return false };
        self.speak(speaker, first_frame..end_frame);
        true
    }

    /// Of a turn, makes what lies in `gone` nobody's. False where nobody says any of it any more.
    fn shorten(&mut self, turn: &Spoken, gone: Range<u32>, same: bool) -> bool {
        let mut any = false;
        for it in &turn.turn {
            let (first_frame, end_frame) = (it.first_frame.max(gone.start), it.end_frame.min(gone.end));
            if first_frame < end_frame {
                let stretch = Stretch { first_frame, end_frame, ..*it };
                let whose = self.whose(stretch, turn, same);
                any |= self.silence(stretch, whose, same);
            }
        }
        any
    }

    /// Gives whoever has the turn the frames `more` beside it. Where a person had split it there, the border goes to `border`.
    fn lengthen(&mut self, turn: &Spoken, more: Range<u32>, border: u32, same: bool) -> bool {
        let Some(owner) = self.owner_of(&turn.turn, &turn.speaker.spoke, same) else { return false };
        let reached = |run: &usize| (more.start..=more.end).contains(&self.runs.runs[*run].first_frame);
        let is_own = |run: &usize| self.speaker_of(*run) == Some(owner) && reached(run);
        let split: Vec<usize> = self.begins.iter().copied().filter(is_own).collect();
        self.begins.retain(|run| !split.contains(run));
        let beside = Stretch {
            first_frame: more.start.saturating_sub(1),
            end_frame: more.end.saturating_add(1),
            slot: 0,
        };
        self.speak(owner, more);
        if !split.is_empty() {
            self.begin_at(beside, Some(owner), border, false);
        }
        true
    }

    /// Speaker of `stretch`, which is of `turn`. `None` in the analyses in which it was found: there its slot tells, and the speaker is
    /// whoever has that.
    fn whose(&self, stretch: Stretch, turn: &Spoken, same: bool) -> Option<usize> {
        if same { None } else { self.owner_of(&[stretch], &turn.speaker.spoke, false) }
    }

    /// Begins a new turn at a frame of `stretch`, of `whose` speech or of anybody's.
    fn begin_at(&mut self, stretch: Stretch, whose: Option<usize>, at_frame: u32, same: bool) -> bool {
        self.cut(stretch, whose, at_frame, same);
        let mut begin = self.runs_in(stretch, whose, same);
        begin.retain(|&run| self.runs.runs[run].first_frame == at_frame);
        let any = !begin.is_empty();
        self.begins.extend(begin);
        any
    }

    /// Makes what `whose` speech is in `stretch`, or anybody's, nobody's.
    fn silence(&mut self, stretch: Stretch, whose: Option<usize>, same: bool) -> bool {
        self.cut(stretch, whose, stretch.first_frame, same);
        self.cut(stretch, whose, stretch.end_frame, same);
        let silent = self.runs_in(stretch, whose, same);
        let speakers: Vec<usize> = silent.iter().filter_map(|&run| self.speaker_of(run)).collect();
        self.changed.extend(speakers);
        let any = !silent.is_empty();
        self.fixed.extend(silent.into_iter().map(|run| (run, None)));
        any
    }

    /// Runs of `whose` speech, or of anybody's, that share frames with `stretch`, by number.
    fn runs_in(&self, stretch: Stretch, whose: Option<usize>, same: bool) -> Vec<usize> {
        let wanted = |run: &usize| {
            let speaker = self.speaker_of(*run);
            speaker.is_some() && (whose.is_none() || speaker == whose)
        };
        let found: BTreeSet<usize> = self.runs.of(stretch, same).map(|(run, _)| run).filter(wanted).collect();
        found.into_iter().collect()
    }

    /// Cuts the runs of `whose` speech, or of anybody's, that are in `stretch` and go on over a frame.
    fn cut(&mut self, stretch: Stretch, whose: Option<usize>, at_frame: u32, same: bool) {
        let over = |run: &usize| {
            let Run { first_frame, end_frame, .. } = self.runs.runs[*run];
            first_frame < at_frame && at_frame < end_frame
        };
        let runs: Vec<usize> = self.runs_in(stretch, whose, same).into_iter().filter(over).collect();
        // From the last, so that the numbers of the others hold.
        for run in runs.into_iter().rev() {
            self.runs.cut(run, at_frame);
            let after = |other: usize| if other > run { other + 1 } else { other };
            let said = self.fixed.get(&run).copied();
            let fixed: BTreeMap<usize, Option<usize>> =
                self.fixed.iter().map(|(other, said)| (after(*other), *said)).collect();
            self.fixed = fixed;
            self.fixed.extend(said.map(|said| (run + 1, said)));
            self.begins = self.begins.iter().map(|other| after(*other)).collect();
        }
    }

    /// Lets `speaker` speak in frames in which nobody was heard, or not only they: as a piece of its own in each block, in a slot that no
    /// other such piece has there.
    fn speak(&mut self, speaker: usize, frames: Range<u32>) {
        let first = channels::first_slot(MOST_SIDES);
        let mut start = frames.start;
        while start < frames.end {
            let block_end = (start / BLOCK_FRAMES as u32 + 1) * BLOCK_FRAMES as u32;
            let end = frames.end.min(block_end);
            let taken: BTreeSet<u8> =
                self.runs.sharing(start, end).map(|(run, _)| self.runs.slot(run)).collect();
            let slot = (first..u8::MAX).find(|slot| !taken.contains(slot)).unwrap_or(u8::MAX);
            let piece = self.labelled.places.len();
            self.labelled.places.push(Place {
                first_frame: start,
                frames: (end - start) as u16,
                clean_frames: 0,
                slot,
                is_embedded: false,
            });
            self.pieces.push(Heard { scored: None, embedding: None });
            self.choices.push(None);
            self.by_sound.iter_mut().for_each(|choices| choices.push(None));
            let run = self.runs.add(Run { piece: piece as u32, first_frame: start, end_frame: end }, slot);
            self.fixed.insert(run, Some(speaker));
            start = end;
        }
    }
}
