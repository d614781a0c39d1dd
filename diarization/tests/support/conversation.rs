//! Conversations put together from single utterances, so that their truth is known.

use super::{analyses, audio, models};
use diarization::analysis::BlockAnalysis;
use diarization::blocks::SAMPLE_RATE;
use diarization::diarize::{Diarization, Diarizer, Settings};
use diarization::hints::Hints;
use diarization::labels::LabelScheme;
use diarization::timeline::Turn;
use std::ops::Range;

/// A speaker and the names of the utterances that we have of them.
#[derive(Clone, Copy, Debug)]
pub struct Voice {
    pub folder: &'static str,
    pub utterances: &'static [&'static str],
}

/// A man.
pub const ADAM: Voice = Voice {
    folder: "ls-1688",
    utterances: &[
        "1688-142285-0007.flac",
        "1688-142285-0003.flac",
        "1688-142285-0004.flac",
        "1688-142285-0005.flac",
        "1688-142285-0008.flac",
        "1688-142285-0009.flac",
        "1688-142285-0002.flac",
    ],
};
/// A woman.
pub const BETH: Voice = Voice {
    folder: "ls-1998",
    utterances: &[
        "1998-15444-0003.flac",
        "1998-15444-0001.flac",
        "1998-15444-0006.flac",
        "1998-15444-0009.flac",
        "1998-15444-0007.flac",
        "1998-15444-0008.flac",
    ],
};
/// Another man.
pub const CARL: Voice = Voice {
    folder: "vctk-p226",
    utterances: &["p226_003.flac", "p226_005.flac", "p226_011.flac", "p226_019.flac"],
};

impl Voice {
    /// Samples of an utterance.
    pub fn samples(self, utterance: usize) -> Vec<f32> {
        audio::samples(&format!("tests/data/voices/{}/{}", self.folder, self.utterances[utterance]))
    }
}

/// Pause between two utterances of a conversation, seconds.
const PAUSE_S: f64 = 0.5;

/// Samples of a conversation, and who speaks in which seconds of it.
#[derive(Clone, Debug, Default)]
pub struct Conversation {
    pub samples: Vec<f32>,
    pub said: Vec<(&'static str, Range<f64>)>,
}

impl Conversation {
    pub fn says(mut self, voice: Voice, utterance: usize) -> Self {
        let from = self.seconds();
        self.samples.extend(voice.samples(utterance));
        self.said.push((voice.folder, from..self.seconds()));
        self.pause(PAUSE_S)
    }

    pub fn pause(mut self, seconds: f64) -> Self {
        self.samples.resize(self.samples.len() + (seconds * f64::from(SAMPLE_RATE)) as usize, 0.0);
        self
    }

    pub fn seconds(&self) -> f64 {
        self.samples.len() as f64 / f64::from(SAMPLE_RATE)
    }

    /// Its blocks, one per chunk.
    pub fn analyse(&self) -> Vec<BlockAnalysis> {
        analyses::in_chunks(&mut models::load(), &self.samples, 1).concat()
    }

    /// The speaker of each utterance according to `turns`. Fails where an utterance was mostly missed, or where anybody else
    /// has more than a tenth of it.
    pub fn heard(&self, turns: &[Turn]) -> Vec<usize> {
        self.said.iter().map(|(_, span)| speaker_during(span, turns)).collect()
    }

    /// Fails unless the speakers heard are one-to-one with the voices.
    pub fn assert_each_voice_has_one_speaker(&self, turns: &[Turn]) {
        let heard = self.heard(turns);
        for (voice, speaker) in self.said.iter().zip(&heard) {
            for (other_voice, other_speaker) in self.said.iter().zip(&heard) {
                assert_eq!(
                    voice.0 == other_voice.0,
                    speaker == other_speaker,
                    "{voice:?} is heard as {speaker}, {other_voice:?} as {other_speaker}"
                );
            }
        }
    }
}

/// Seconds of `turn` inside `span`.
pub fn shared_seconds(turn: &Turn, span: &Range<f64>) -> f64 {
    (turn.end_seconds().min(span.end) - turn.start_seconds().max(span.start)).max(0.0)
}

pub fn speaker_during(span: &Range<f64>, turns: &[Turn]) -> usize {
    let speakers = turns.iter().map(|turn| turn.speaker + 1).max().unwrap_or(0);
    let seconds = |speaker: usize| -> f64 {
        turns.iter().filter(|turn| turn.speaker == speaker).map(|turn| shared_seconds(turn, span)).sum()
    };
    let most = (0..speakers)
        .max_by(|a, b| seconds(*a).total_cmp(&seconds(*b)))
        .unwrap_or_else(|| panic!("nobody is heard in {span:?}"));
    let length = span.end - span.start;
    assert!(seconds(most) > 0.5 * length, "only {:.2} s are heard in {span:?}", seconds(most));
    for other in (0..speakers).filter(|other| *other != most) {
        assert!(seconds(other) < 0.1 * length, "speakers {most} and {other} are both heard in {span:?}");
    }
    most
}

pub fn diarize(blocks: &[BlockAnalysis], settings: Settings) -> Diarization {
    let mut diarizer = Diarizer::new(settings);
    for block in blocks {
        diarizer.push(block.clone()).expect("blocks are in order");
    }
    diarizer.finish()
}

/// The turns as they were shown while the recording came in.
pub fn provisional_turns(blocks: &[BlockAnalysis], hints: Hints) -> Vec<Turn> {
    let mut diarizer = Diarizer::new(Settings { hints, ..Settings::default() });
    blocks.iter().flat_map(|block| diarizer.push(block.clone()).expect("blocks are in order")).collect()
}

pub fn labels(diarization: &Diarization) -> Vec<&str> {
    diarization.speakers.iter().map(|speaker| speaker.label.as_str()).collect()
}

pub fn interview() -> Settings {
    Settings { labels: LabelScheme::Interview, ..Settings::default() }
}
