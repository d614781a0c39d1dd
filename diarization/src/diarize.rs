//! Diarize: the whole pipeline past inference as one fold over block analyses.
//!
//! The matcher does as chunks come in what [`Diarizer::push`] does, and after the last one what [`Diarizer::finish`] does.

use crate::analysis::BlockAnalysis;
use crate::audio::Wish;
use crate::channels::Channels;
use crate::evidence::{self, Choice, Match};
use crate::hints::Hints;
use crate::labels::LabelScheme;
use crate::rttm::Segment;
use crate::survey::Survey;
use crate::timeline::Turn;
use crate::tracks::Tracks;
use crate::training::Bounds;
use serde::{Deserialize, Serialize};

/// Settings that the caller asked for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// Number of speakers and threshold.
    pub hints: Hints,
    /// Scheme by which speakers are named.
    pub labels: LabelScheme,
    /// Treatment of the channels. Not written where nobody chose one, so that what was written before means what it did.
    #[serde(default, skip_serializing_if = "Channels::is_default")]
    pub channels: Channels,
    /// Audio tracks that are heard. Not written where nobody chose them.
    #[serde(default, skip_serializing_if = "Tracks::is_default")]
    pub tracks: Tracks,
}

impl Settings {
    /// The part of the settings that says how a file is to be read.
    pub fn wish(&self) -> Wish {
        Wish { tracks: self.tracks, channels: self.channels, max_speakers: self.hints.max_speakers }
    }
}

/// One speaker of the result.
#[derive(Clone, Debug, PartialEq)]
pub struct Speaker {
    /// Name shown to users.
    pub label: String,
    /// Unit-length voice vector; empty where a person gave a speaker nothing but speech too short to have a voice.
    pub embedding: Vec<f32>,
    /// Seconds of speech, overlapped speech included.
    pub speech_seconds: f64,
}

/// Speakers of a recording and their turns: who spoke when.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Diarization {
    /// Speakers in the order of their labels.
    pub speakers: Vec<Speaker>,
    /// Turns by start; [`Turn::speaker`] is an index into `speakers`.
    pub turns: Vec<Turn>,
    /// Reasons for that: the speaker that each piece is given to, by first frame and then by slot. Speakers are indices into `speakers`.
    pub matches: Vec<Match>,
}

impl Diarization {
    /// Reason why each turn is its speaker's; `None` of a turn without pieces.
    pub fn choices(&self) -> Vec<Option<Choice>> {
        evidence::of_turns(&self.turns, &self.matches)
    }

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

/// Folds block analyses, in order, into a diarization. Keeps them, some 2 MB per hour of speech; where that is too much, as in a
/// service, they are read twice: by a [`Survey`] and then by the [labelling](crate::labelling) that it decides on.
#[derive(Clone, Debug, Default)]
pub struct Diarizer {
    survey: Survey,
    blocks: Vec<BlockAnalysis>,
}

impl Diarizer {
    /// Starts a recording.
    pub fn new(settings: Settings) -> Self {
        Self::within(settings, Bounds::default())
    }

    /// Starts a recording whose voices are clustered within `bounds`.
    pub fn within(settings: Settings, bounds: Bounds) -> Self {
        Self { survey: Survey::within(settings, bounds), blocks: Vec::new() }
    }

    /// Takes the next block and returns its provisional turns, by start.
    pub fn push(&mut self, block: BlockAnalysis) -> Result<Vec<Turn>, OutOfOrder> {
        let turns = self.survey.push(&block)?;
        self.blocks.push(block);
        Ok(turns)
    }

    /// Decides over the whole recording.
    pub fn finish(self) -> Diarization {
        let mut labelling = self.survey.decide();
        self.blocks.iter().for_each(|block| labelling.label(block));
        labelling.conclude().diarization()
    }
}
