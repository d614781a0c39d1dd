//! Diarize: the whole pipeline past inference as one fold over block analyses.
//!
//! [`Diarizer::push`] is what the matcher does as chunks come in; [`Diarizer::finish`] is what it does after the last one.

use crate::analysis::BlockAnalysis;
use crate::hints::Hints;
use crate::labels::LabelScheme;
use crate::matching::{ReferenceSet, assign_one_to_one};
use crate::pieces::Piece;
use crate::rttm::Segment;
use crate::speakers::{self, Assignment};
use crate::timeline::{self, Turn};
use serde::{Deserialize, Serialize};

/// What the caller asked for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// Number of speakers and threshold.
    pub hints: Hints,
    /// How speakers are named.
    pub labels: LabelScheme,
}

/// One speaker of the result.
#[derive(Clone, Debug, PartialEq)]
pub struct Speaker {
    /// Name shown to users.
    pub label: String,
    /// Unit-length voice vector.
    pub embedding: Vec<f32>,
    /// Seconds of speech, overlapped speech included.
    pub speech_seconds: f64,
}

/// Who spoke when.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Diarization {
    /// Speakers in the order of their labels.
    pub speakers: Vec<Speaker>,
    /// Turns by start; [`Turn::speaker`] is an index into `speakers`.
    pub turns: Vec<Turn>,
}

impl Diarization {
    /// The turns as RTTM segments of the recording `file`.
    pub fn segments(&self, file: &str) -> Vec<Segment> {
        self.turns
            .iter()
            .map(|turn| Segment {
                file: file.to_owned(),
                start_s: turn.start_seconds(),
                duration_s: turn.end_seconds() - turn.start_seconds(),
                speaker: self.speakers[turn.speaker].label.clone(),
            })
            .collect()
    }
}

/// A block of another number than the next was pushed.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("block {got} was given where block {wanted} is next: blocks must come in order, once each")]
pub struct OutOfOrder {
    /// Block that is next.
    pub wanted: usize,
    /// Block that was given.
    pub got: usize,
}

/// Folds block analyses, in order, into a diarization.
#[derive(Clone, Debug, Default)]
pub struct Diarizer {
    settings: Settings,
    references: ReferenceSet,
    blocks: Vec<BlockAnalysis>,
    provisional: Vec<Option<usize>>,
}

impl Diarizer {
    /// Starts a recording.
    pub fn new(settings: Settings) -> Self {
        Self { settings, ..Self::default() }
    }

    /// Takes the next block and returns its provisional turns, by start.
    pub fn push(&mut self, block: BlockAnalysis) -> Result<Vec<Turn>, OutOfOrder> {
        if block.block != self.blocks.len() {
            return Err(OutOfOrder { wanted: self.blocks.len(), got: block.block });
        }
        let labels = self.references.match_block(&block.pieces, &self.settings.hints);
        let turns = timeline::turns(std::slice::from_ref(&block), &labels);
        self.provisional.extend(labels);
        self.blocks.push(block);
        Ok(turns)
    }

    /// Decides over the whole recording.
    pub fn finish(self) -> Diarization {
        let pieces: Vec<&Piece> = self.blocks.iter().flat_map(|b| &b.pieces).collect();
        let found = speakers::assign(&pieces, &self.settings.hints);
        let order = naming_order(&pieces, &found, &self.provisional, self.references.len());
        let rank = |speaker: usize| order.iter().position(|&s| s == speaker);
        let labels: Vec<Option<usize>> = found.labels.iter().map(|label| label.and_then(rank)).collect();
        let turns = timeline::turns(&self.blocks, &labels);
        let speakers = order
            .iter()
            .enumerate()
            .map(|(index, &speaker)| Speaker {
                label: self.settings.labels.label(index),
                embedding: found.voices[speaker].clone(),
                speech_seconds: turns
                    .iter()
                    .filter(|t| t.speaker == index)
                    .map(|t| t.end_seconds() - t.start_seconds())
                    .sum(),
            })
            .collect();
        Diarization { speakers, turns }
    }
}

/// The order in which the speakers found are named: as they were named provisionally, where they were, so that labels
/// already shown hold; but the first voice to speak comes first, and no name is skipped.
fn naming_order(
    pieces: &[&Piece],
    found: &Assignment,
    provisional: &[Option<usize>],
    provisional_speakers: usize,
) -> Vec<usize> {
    let count = found.voices.len();
    let mut shared = vec![vec![0.0_f32; provisional_speakers]; count];
    let mut first_heard = vec![usize::MAX; count];
    for ((piece, label), shown) in pieces.iter().zip(&found.labels).zip(provisional) {
        let Some(speaker) = *label else { continue };
        if let Some(shown) = *shown {
            shared[speaker][shown] += speakers::weight(piece) as f32;
        }
        first_heard[speaker] = first_heard[speaker].min(piece.first_frame);
    }
    let shown = assign_one_to_one(&shared, f32::MIN_POSITIVE);
    let mut order: Vec<usize> = (0..count).filter(|&s| first_heard[s] != usize::MAX).collect();
    order.sort_by_key(|&s| (shown[s].unwrap_or(usize::MAX), first_heard[s]));
    if let Some(first) = order.iter().copied().min_by_key(|&s| first_heard[s]) {
        order.retain(|&s| s != first);
        order.insert(0, first);
    }
    order
}
