//! Labelling: the second reading of a recording's blocks. Every piece gets one of the voices that the [survey](crate::survey)
//! has found, and the voices get their names.

use crate::analysis::BlockAnalysis;
use crate::cast::Cast;
use crate::decision::Decision;
use crate::diarize::{Diarization, Settings};
use crate::evidence::Choice;
use crate::labelled::{Heard, Labelled, Run};
use crate::labels::LabelScheme;
use crate::matching::assign_one_to_one;
use crate::speakers::{self, Place};
use crate::timeline;

/// The second reading differs from what was surveyed.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "block {block} is not what it was at the first reading: the analyses were changed while they were in use"
)]
pub struct Changed {
    /// The first block that differs; one past the last where some are missing.
    pub block: usize,
}

/// Basis that the names of the voices go by.
#[derive(Clone, Debug)]
pub(crate) enum Naming {
    /// By what each piece was shown under while the recording came in, and how many speakers there were.
    AsShown { provisional: Vec<Option<usize>>, speakers: usize },
    /// By what was decided before, of so many pieces: the voices in the order of their names.
    AsDecided { order: Vec<usize>, pieces: usize },
}

/// Folds the same blocks once more, into a diarization.
#[derive(Clone, Debug)]
pub struct Labelling {
    pub(crate) labels: LabelScheme,
    /// The speakers found.
    pub(crate) cast: Cast,
    pub(crate) naming: Naming,
    /// Places of all pieces, in order of time; with a decision made before, of those read so far.
    pub(crate) places: Vec<Place>,
    /// Number of blocks of the recording, and the one that is read next.
    pub(crate) blocks: usize,
    pub(crate) next_block: usize,
    /// Voice of each piece read.
    pub(crate) choices: Vec<Option<Choice>>,
    pub(crate) runs: Vec<Run>,
    /// Of each piece read, where it is to be corrected.
    pub(crate) heard: Option<Vec<Heard>>,
}

impl Labelling {
    /// Labels a recording again by what was decided of it.
    pub fn again(settings: &Settings, decision: Decision) -> Self {
        Self {
            labels: settings.labels.clone(),
            cast: decision.cast,
            naming: Naming::AsDecided { order: decision.order, pieces: decision.pieces },
            places: Vec::with_capacity(decision.pieces),
            blocks: decision.blocks,
            next_block: 0,
            choices: Vec::with_capacity(decision.pieces),
            runs: Vec::new(),
            heard: None,
        }
    }

    /// Keeps what [corrections](crate::corrections) are worked out from: some 1.5 MB per hour of speech. Before the first block.
    pub fn to_be_corrected(mut self) -> Self {
        self.heard = Some(Vec::new());
        self
    }

    /// Reads the next block again.
    pub fn push(&mut self, block: &BlockAnalysis) -> Result<(), Changed> {
        let first = self.choices.len();
        let places = block.pieces.iter().map(Place::of);
        let is_same = match &self.naming {
            Naming::AsDecided { pieces, .. } => {
                self.places.extend(places);
                self.places.len() <= *pieces
            }
            Naming::AsShown { .. } => {
                let surveyed = self.places.get(first..first + block.pieces.len());
                surveyed.is_some_and(|surveyed| places.eq(surveyed.iter().copied()))
            }
        };
        if !is_same || block.block != self.next_block || self.next_block >= self.blocks {
            return Err(Changed { block: self.next_block });
        }
        self.label(block);
        Ok(())
    }

    /// Result after the last block: who spoke when.
    pub fn finish(self) -> Result<Diarization, Changed> {
        Ok(self.labelled()?.diarization())
    }

    /// Recording with the voice of every piece, after the last block.
    pub fn labelled(self) -> Result<Labelled, Changed> {
        let pieces = match &self.naming {
            Naming::AsDecided { pieces, .. } => *pieces,
            Naming::AsShown { .. } => self.places.len(),
        };
        if self.next_block != self.blocks || self.choices.len() != pieces {
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
        let scored = speakers::label_block(&block.pieces, &self.cast);
        self.choices.extend(scored.iter().map(|it| it.as_ref()?.choice(Some)));
        if let Some(heard) = &mut self.heard {
            let each = scored.into_iter().zip(&block.pieces);
            heard.extend(each.map(|(scored, piece)| Heard { scored, embedding: piece.embedding.clone() }));
        }
        self.next_block += 1;
    }

    /// [`labelled`](Self::labelled) where every block is known to have been read.
    pub(crate) fn conclude(mut self) -> Labelled {
        speakers::follow_neighbours(&self.places, &mut self.choices, Choice::followed);
        let order = match self.naming {
            Naming::AsDecided { order, .. } => order,
            Naming::AsShown { ref provisional, speakers } => self.naming_order(provisional, speakers),
        };
        Labelled {
            labels: self.labels,
            cast: self.cast,
            order,
            places: self.places,
            blocks: self.blocks,
            choices: self.choices,
            runs: self.runs,
            heard: self.heard,
        }
    }

    /// The order in which the voices found are named: as they were named provisionally, where they were, so that labels
    /// already shown hold; but the first voice to speak comes first, and no name is skipped.
    fn naming_order(&self, provisional: &[Option<usize>], speakers: usize) -> Vec<usize> {
        let count = self.cast.len();
        let mut shared = vec![vec![0.0_f32; speakers]; count];
        let mut first_heard = vec![u32::MAX; count];
        for ((place, choice), shown) in self.places.iter().zip(&self.choices).zip(provisional) {
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
