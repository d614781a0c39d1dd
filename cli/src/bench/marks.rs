//! Marks: one result of one recording against its reference.

use crate::bench::recordings::Recording;
use diarization::analysis::BlockAnalysis;
use diarization::blocks::BLOCK_SAMPLES;
use diarization::blocks::SAMPLE_RATE;
use diarization::diarize::{Diarizer, Settings};
use diarization::evidence::{self, Choice};
use diarization::matching::{self, ReferenceSet};
use diarization::rttm::{self, Segment};
use diarization::scoring::{self, Continuity, Options, Reliability, Score};
use diarization::timeline;
use serde::Serialize;
use std::time::Instant;

/// Forgiveness on each side of a border in the second error rate, seconds.
pub const COLLAR_S: f64 = 0.25;

/// What a result comes to.
#[derive(Clone, Debug, Serialize)]
pub struct Marks {
    /// Without a collar.
    pub exact: Score,
    /// With [`COLLAR_S`].
    pub forgiving: Score,
    /// Whether labels hold from chunk to chunk.
    pub continuity: Continuity,
}

impl Marks {
    /// Scores `found`, as it is written: to the millisecond.
    pub fn of(reference: &[Segment], found: &[Segment], chunk_seconds: f64) -> anyhow::Result<Self> {
        let found = rttm::parse(&rttm::write(found))?;
        let score = |collar_s| scoring::score(reference, &found, &Options { collar_s, skip_overlap: false });
        Ok(Self {
            exact: score(0.0),
            forgiving: score(COLLAR_S),
            continuity: scoring::continuity(reference, &found, chunk_seconds),
        })
    }
}

/// Seconds of audio in a chunk.
pub fn chunk_seconds(chunk_blocks: usize) -> f64 {
    (chunk_blocks * BLOCK_SAMPLES) as f64 / f64::from(SAMPLE_RATE)
}

/// One result of a recording.
pub struct Shown {
    /// Who spoke when.
    pub segments: Vec<Segment>,
    /// How well its confidences hold.
    pub reliability: Reliability,
}

impl Shown {
    fn of(recording: &Recording, segments: Vec<Segment>, choices: &[Option<Choice>]) -> Self {
        let sure: Vec<(Segment, f64)> = segments
            .iter()
            .zip(choices)
            .filter_map(|(segment, choice)| Some((segment.clone(), choice.as_ref()?.best.confidence.into())))
            .collect();
        Self { reliability: scoring::reliability(&recording.reference, &sure), segments }
    }
}

/// Both results of a recording.
pub struct Results {
    /// As decided over the whole.
    pub last: Shown,
    /// As shown while it was in work: each block as it was named when it came.
    pub in_order: Shown,
    /// Time that both took, past the models.
    pub seconds: f64,
}

/// Names the speakers of `blocks`, those of `recording`.
pub fn results(
    blocks: &[BlockAnalysis],
    settings: &Settings,
    recording: &Recording,
) -> anyhow::Result<Results> {
    let started = Instant::now();
    let mut diarizer = Diarizer::new(settings.clone());
    for block in blocks {
        diarizer.push(block.clone())?;
    }
    let found = diarizer.finish();
    let seconds = started.elapsed().as_secs_f64();
    let choices = found.choices();
    Ok(Results {
        last: Shown::of(recording, found.segments(&recording.stem), &choices),
        in_order: in_order(blocks, settings, recording),
        seconds,
    })
}

/// What a viewer sees while the blocks come in, who is shown nothing anew.
fn in_order(blocks: &[BlockAnalysis], settings: &Settings, recording: &Recording) -> Shown {
    let mut references = ReferenceSet::default();
    let (mut turns, mut matches) = (Vec::new(), Vec::new());
    for block in blocks {
        let choices = references.match_block(&block.pieces, &settings.hints);
        turns.extend(timeline::turns(std::slice::from_ref(block), &matching::speakers_of(&choices)));
        matches.extend(evidence::matches(&block.pieces, &choices));
    }
    let turns = timeline::joined(turns);
    let segments = turns.iter().map(|turn| Segment {
        file: recording.stem.clone(),
        start_s: turn.start_seconds(),
        duration_s: turn.end_seconds() - turn.start_seconds(),
        speaker: settings.labels.label(turn.speaker),
    });
    Shown::of(recording, segments.collect(), &evidence::of_turns(&turns, &matches))
}
