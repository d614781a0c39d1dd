//! Survey: the first reading of a recording's blocks. Names speakers in order as they come, and gathers what the decision over
//! the whole needs, which is little: a dozen bytes per piece and a bounded number of voices.

use crate::analysis::BlockAnalysis;
use crate::diarize::{OutOfOrder, Settings};
use crate::labelling::{Labelling, Naming};
use crate::matching::{self, ReferenceSet};
use crate::speakers::Place;
use crate::timeline::{self, Turn};
use crate::training::{Bounds, TrainingSet};

/// Folds block analyses, in order, into what is decided on.
#[derive(Clone, Debug, Default)]
pub struct Survey {
    settings: Settings,
    references: ReferenceSet,
    training: TrainingSet,
    blocks: usize,
    places: Vec<Place>,
    provisional: Vec<Option<usize>>,
}

impl Survey {
    /// Starts a recording.
    pub fn new(settings: Settings) -> Self {
        Self::within(settings, Bounds::default())
    }

    /// Starts a recording whose voices are clustered within `bounds`.
    pub fn within(settings: Settings, bounds: Bounds) -> Self {
        Self { training: TrainingSet::new(settings.hints, bounds), settings, ..Self::default() }
    }

    /// Takes the next block and returns its provisional turns, by start.
    pub fn push(&mut self, block: &BlockAnalysis) -> Result<Vec<Turn>, OutOfOrder> {
        if block.block != self.blocks {
            return Err(OutOfOrder { wanted: self.blocks, got: block.block });
        }
        let labels = matching::speakers_of(&self.references.match_block(&block.pieces, &self.settings.hints));
        let turns = timeline::turns(std::slice::from_ref(block), &labels);
        self.training.push(&block.pieces);
        self.places.extend(block.pieces.iter().map(Place::of));
        self.provisional.extend(labels);
        self.blocks += 1;
        Ok(turns)
    }

    /// Decides which voices speak in the recording. The blocks are then read again, to label them.
    pub fn decide(self) -> Labelling {
        Labelling {
            labels: self.settings.labels,
            cast: self.training.speakers(),
            naming: Naming::AsShown { provisional: self.provisional, speakers: self.references.len() },
            choices: Vec::with_capacity(self.places.len()),
            places: self.places,
            blocks: self.blocks,
            next_block: 0,
            runs: Vec::new(),
            heard: None,
        }
    }
}
