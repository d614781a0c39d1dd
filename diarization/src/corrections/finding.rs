//! Finding: the speech that a correction is about, and whose it is now.

use super::Stretch;
use super::corrected::Corrected;
use crate::blocks::BLOCK_FRAMES;
use crate::labelled::Run;
use std::collections::BTreeMap;

/// Share of an anchor's speech from which on a speaker has part in it: what was told apart since is still one person.
const PART: f64 = 0.2;

/// Runs of speech that can be looked up by their frames.
#[derive(Clone, Debug)]
pub(super) struct Runs {
    pub runs: Vec<Run>,
    /// Slot of each.
    slots: Vec<u8>,
    /// Their numbers by first frame.
    by_start: Vec<usize>,
    longest: u32,
}

impl Runs {
    pub fn new(runs: Vec<Run>, slot_of: impl Fn(&Run) -> u8) -> Self {
        let slots = runs.iter().map(slot_of).collect();
        let mut all = Self { slots, runs, by_start: Vec::new(), longest: 0 };
        all.order();
        all
    }

    /// To be called whenever runs have changed.
    fn order(&mut self) {
        let runs = &self.runs;
        self.by_start = (0..runs.len()).collect();
        self.by_start.sort_by_key(|&run| (runs[run].first_frame, run));
        self.longest = runs.iter().map(|run| run.end_frame - run.first_frame).max().unwrap_or_default();
    }

    /// Cuts a run at a frame inside it: what follows is the run with the next number, and all after it have numbers higher by one.
    pub fn cut(&mut self, run: usize, at_frame: u32) {
        let rest = Run { first_frame: at_frame, ..self.runs[run] };
        self.runs[run].end_frame = at_frame;
        self.runs.insert(run + 1, rest);
        self.slots.insert(run + 1, self.slots[run]);
        self.order();
    }

    /// Adds a run of a piece that comes after all others; returns its number.
    pub fn add(&mut self, run: Run, slot: u8) -> usize {
        self.runs.push(run);
        self.slots.push(slot);
        self.order();
        self.runs.len() - 1
    }

    pub fn slot(&self, run: usize) -> u8 {
        self.slots[run]
    }

    pub fn frames(&self, run: usize) -> u32 {
        self.runs[run].end_frame - self.runs[run].first_frame
    }

    pub fn stretch(&self, run: usize) -> Stretch {
        let Run { first_frame, end_frame, .. } = self.runs[run];
        Stretch { first_frame, end_frame, slot: self.slots[run] }
    }

    /// Block and slot of a run.
    fn place(&self, run: usize) -> (u32, u8) {
        (self.runs[run].first_frame / BLOCK_FRAMES as u32, self.slots[run])
    }

    /// Runs that share frames with `from..to`, and how many.
    pub fn sharing(&self, from: u32, to: u32) -> impl Iterator<Item = (usize, u32)> + '_ {
        let earliest = self
            .by_start
            .partition_point(|&run| self.runs[run].first_frame.saturating_add(self.longest) <= from);
        let near = self.by_start[earliest..].iter().take_while(move |&&run| self.runs[run].first_frame < to);
        near.filter_map(move |&run| {
            let Run { first_frame, end_frame, .. } = self.runs[run];
            let shared = end_frame.min(to).saturating_sub(first_frame.max(from));
            (shared > 0).then_some((run, shared))
        })
    }

    /// Runs of `stretch`, and the frames that they share with it: in its slot, where analyses are the `same`, and else in any.
    pub fn of(&self, stretch: Stretch, same: bool) -> impl Iterator<Item = (usize, u32)> + '_ {
        let place = (stretch.first_frame / BLOCK_FRAMES as u32, stretch.slot);
        self.sharing(stretch.first_frame, stretch.end_frame)
            .filter(move |(run, _)| !same || self.place(*run) == place)
    }

    /// Runs that lie in `stretch` by more than half.
    fn within(&self, stretch: Stretch, same: bool) -> impl Iterator<Item = usize> + '_ {
        self.of(stretch, same).filter_map(|(run, shared)| (2 * shared > self.frames(run)).then_some(run))
    }
}

impl Corrected {
    /// Frames that each speaker has of `stretches`.
    fn frames_of(&self, stretches: &[Stretch], same: bool) -> BTreeMap<usize, u64> {
        let mut frames = BTreeMap::new();
        for &stretch in stretches {
            for (run, shared) in self.runs.of(stretch, same) {
                if let Some(speaker) = self.speaker_of(run) {
                    *frames.entry(speaker).or_default() += u64::from(shared);
                }
            }
        }
        frames
    }

    /// The speaker who has most of `stretches`.
    pub(super) fn owner(&self, stretches: &[Stretch], same: bool) -> Option<usize> {
        let frames = self.frames_of(stretches, same);
        frames.into_iter().max_by(|a, b| a.1.cmp(&b.1).then(b.0.cmp(&a.0))).map(|(speaker, _)| speaker)
    }

    /// The speaker `known` where they have part of `stretches`, and else who has most of them.
    pub(super) fn owner_of(&self, stretches: &[Stretch], known: &[Stretch], same: bool) -> Option<usize> {
        let frames = self.frames_of(stretches, same);
        let known = self.owner(known, same).filter(|known| frames.contains_key(known));
        known.or_else(|| self.owner(stretches, same))
    }

    /// The speaker who has most of `stretches`, and then all who have a part in them.
    pub(super) fn owners(&self, stretches: &[Stretch], same: bool) -> Option<(usize, Vec<usize>)> {
        let frames = self.frames_of(stretches, same);
        let all: u64 = frames.values().sum();
        let first = self.owner(stretches, same)?;
        let has_part = |count: u64| count as f64 >= PART * all as f64;
        let others = frames.iter().filter(|(speaker, count)| **speaker != first && has_part(**count));
        Some((first, others.map(|(speaker, _)| *speaker).collect()))
    }

    /// The runs that are the speech `turn`, which was taken for `owner`'s. In other analyses than those in which it was found: what
    /// lies in it and is the owner's, or else the slot that has most of it.
    pub(super) fn runs_of(&self, turn: &[Stretch], owner: Option<usize>, same: bool) -> Vec<usize> {
        let within = |stretch: &Stretch| self.runs.within(*stretch, same).collect::<Vec<_>>();
        if same {
            return turn.iter().flat_map(within).collect();
        }
        let mut found = Vec::new();
        for stretch in turn {
            let candidates = within(stretch);
            let owned = |run: &&usize| owner.is_some() && self.speaker_of(**run) == owner;
            if candidates.iter().any(|run| owned(&run)) {
                found.extend(candidates.iter().filter(owned));
                continue;
            }
            let mut slots: BTreeMap<(u32, u8), u32> = BTreeMap::new();
            for &run in &candidates {
                *slots.entry(self.runs.place(run)).or_default() += self.runs.frames(run);
            }
            let most = slots.iter().max_by(|a, b| a.1.cmp(b.1).then(b.0.cmp(a.0))).map(|(place, _)| *place);
            found.extend(candidates.into_iter().filter(|&run| Some(self.runs.place(run)) == most));
        }
        found.sort_unstable();
        found.dedup();
        found
    }
}
