//! Labelled: a recording every piece of which has a voice, before anything is corrected.

use crate::cast::Cast;
use crate::decision::Decision;
use crate::diarize::{Diarization, Speaker};
use crate::evidence::Choice;
use crate::labels::LabelScheme;
use crate::scored::Scored;
use crate::speakers::Place;
use crate::timeline::{self, Turn};

/// A run of frames of a piece, to be given to the piece's speaker.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    pub piece: u32,
    pub first_frame: u32,
    pub end_frame: u32,
}

/// Data of a piece that a correction is worked out from.
#[derive(Clone, Debug)]
pub(crate) struct Heard {
    /// Similarity of the piece to each voice; `None` of a piece too short to have a voice.
    pub scored: Option<Scored>,
    pub embedding: Option<Vec<f32>>,
}

/// A recording with the voice of each piece: who spoke when, by the voices found.
#[derive(Clone, Debug)]
pub struct Labelled {
    pub(crate) labels: LabelScheme,
    pub(crate) cast: Cast,
    /// The voices in the order of their names.
    pub(crate) order: Vec<usize>,
    pub(crate) places: Vec<Place>,
    pub(crate) blocks: usize,
    /// Voice of each piece.
    pub(crate) choices: Vec<Option<Choice>>,
    pub(crate) runs: Vec<Run>,
    pub(crate) heard: Option<Vec<Heard>>,
}

impl Labelled {
    /// Decision that the recording is labelled by.
    pub fn decision(&self) -> Decision {
        Decision {
            cast: self.cast.clone(),
            order: self.order.clone(),
            blocks: self.blocks,
            pieces: self.places.len(),
        }
    }

    /// Result of the recording: who spoke when.
    pub fn diarization(mut self) -> Diarization {
        let rank = |voice: usize| self.order.iter().position(|&v| v == voice);
        for choice in &mut self.choices {
            *choice = choice.and_then(|it| it.named(rank));
        }
        let turns = self.runs.iter().filter_map(|run| {
            let speaker = self.choices[run.piece as usize]?.best.speaker;
            Some(Turn { first_frame: run.first_frame as usize, end_frame: run.end_frame as usize, speaker })
        });
        let turns = timeline::audible(timeline::joined(turns.collect()));
        let speaker = |(index, &voice): (usize, &usize)| Speaker {
            label: self.labels.label(index),
            embedding: self.cast.embedding(voice).to_vec(),
            speech_seconds: timeline::seconds_of(&turns, index),
        };
        let speakers = self.order.iter().enumerate().map(speaker).collect();
        // Of a long recording there are many: not twice as much room as they need.
        let mut matches = Vec::with_capacity(self.choices.len());
        let chosen = self.places.iter().zip(&self.choices);
        matches.extend(chosen.filter_map(|(place, choice)| Some(place.matched((*choice)?))));
        Diarization { speakers, turns, matches }
    }
}
