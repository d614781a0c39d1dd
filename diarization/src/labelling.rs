//! Labelling: the second reading of a recording's blocks. Every piece gets one of the voices that the [survey](crate::survey)
//! has found, and the voices get their names.

use crate::analysis::BlockAnalysis;
use crate::diarize::{Diarization, Settings, Speaker};
use crate::evidence::Choice;
use crate::matching::assign_one_to_one;
use crate::speakers::{self, Place};
use crate::timeline::{self, Turn};
use crate::voices::Voices;

/// What was read the second time is not what was surveyed.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "block {block} is not what it was at the first reading: the analyses were changed while they were in use"
)]
pub struct Changed {
    /// The first block that differs; one past the last where some are missing.
    pub block: usize,
}

/// A run of frames of a piece, to be given to the piece's speaker.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    piece: u32,
    first_frame: u32,
    end_frame: u32,
}

/// Folds the same blocks once more, into a diarization.
#[derive(Clone, Debug)]
pub struct Labelling {
    pub(crate) settings: Settings,
    /// The speakers found.
    pub(crate) voices: Voices,
    /// What is known of all pieces, in order of time, and the speakers they were shown under.
    pub(crate) places: Vec<Place>,
    pub(crate) provisional: Vec<Option<usize>>,
    pub(crate) provisional_speakers: usize,
    /// Number of blocks of the recording, and the one that is read next.
    pub(crate) blocks: usize,
    pub(crate) next_block: usize,
    /// Voice of each piece read.
    pub(crate) choices: Vec<Option<Choice>>,
    pub(crate) runs: Vec<Run>,
}

impl Labelling {
    /// Reads the next block again.
    pub fn push(&mut self, block: &BlockAnalysis) -> Result<(), Changed> {
        let first = self.choices.len();
        let surveyed = self.places.get(first..first + block.pieces.len());
        let is_same =
            surveyed.is_some_and(|places| block.pieces.iter().map(Place::of).eq(places.iter().copied()));
        if !is_same || block.block != self.next_block || self.next_block >= self.blocks {
            return Err(Changed { block: self.next_block });
        }
        self.label(block);
        Ok(())
    }

    /// Who spoke when, after the last block.
    pub fn finish(self) -> Result<Diarization, Changed> {
        if self.next_block != self.blocks || self.choices.len() != self.places.len() {
            return Err(Changed { block: self.next_block });
        }
        Ok(self.conclude())
    }

    /// [`push`](Self::push) of a block that is known to be the one surveyed.
    pub(crate) fn label(&mut self, block: &BlockAnalysis) {
        for (piece, number) in block.pieces.iter().zip(self.choices.len()..) {
            self.runs.extend(timeline::active_runs(block, piece).map(|(from, to)| Run {
                piece: number as u32,
                first_frame: from as u32,
                end_frame: to as u32,
            }));
        }
        let scored = speakers::label_block(&block.pieces, &self.voices);
        self.choices.extend(scored.iter().map(|it| it.as_ref()?.choice(Some)));
        self.next_block += 1;
    }

    /// [`finish`](Self::finish) where every block is known to have been read.
    pub(crate) fn conclude(mut self) -> Diarization {
        speakers::follow_neighbours(&self.places, &mut self.choices, Choice::followed);
        let order = self.naming_order();
        let rank = |voice: usize| order.iter().position(|&v| v == voice);
        for choice in &mut self.choices {
            *choice = choice.and_then(|it| it.named(rank));
        }
        let turns = self.runs.iter().filter_map(|run| {
            let speaker = self.choices[run.piece as usize]?.best.speaker;
            Some(Turn { first_frame: run.first_frame as usize, end_frame: run.end_frame as usize, speaker })
        });
        let turns = timeline::joined(turns.collect());
        let speakers = order
            .iter()
            .enumerate()
            .map(|(index, &voice)| Speaker {
                label: self.settings.labels.label(index),
                embedding: self.voices.embeddings()[voice].clone(),
                speech_seconds: turns
                    .iter()
                    .filter(|t| t.speaker == index)
                    .map(|t| t.end_seconds() - t.start_seconds())
                    .sum(),
            })
            .collect();
        // Of a long recording there are many: not twice as much room as they need.
        let mut matches = Vec::with_capacity(self.choices.len());
        let chosen = self.places.iter().zip(&self.choices);
        matches.extend(chosen.filter_map(|(place, choice)| Some(place.matched((*choice)?))));
        Diarization { speakers, turns, matches }
    }

    /// The order in which the voices found are named: as they were named provisionally, where they were, so that labels
    /// already shown hold; but the first voice to speak comes first, and no name is skipped.
    fn naming_order(&self) -> Vec<usize> {
        let count = self.voices.len();
        let mut shared = vec![vec![0.0_f32; self.provisional_speakers]; count];
        let mut first_heard = vec![u32::MAX; count];
        for ((place, choice), shown) in self.places.iter().zip(&self.choices).zip(&self.provisional) {
            let Some(voice) = choice.map(|it| it.best.speaker) else { continue };
            if let Some(shown) = *shown {
                shared[voice][shown] += place.weight() as f32;
            }
            first_heard[voice] = first_heard[voice].min(place.first_frame);
        }
        let shown = assign_one_to_one(&shared, f32::MIN_POSITIVE);
        let mut order: Vec<usize> = (0..count).filter(|&v| first_heard[v] != u32::MAX).collect();
        order.sort_by_key(|&v| (shown[v].unwrap_or(usize::MAX), first_heard[v]));
        if let Some(first) = order.iter().copied().min_by_key(|&v| first_heard[v]) {
            order.retain(|&v| v != first);
            order.insert(0, first);
        }
        order
    }
}
