//! Marks: one result of one recording against its reference.

use crate::bench::recordings::Recording;
use diarization::analysis::BlockAnalysis;
use diarization::blocks::BLOCK_SAMPLES;
use diarization::blocks::SAMPLE_RATE;
use diarization::diarize::{Diarizer, Settings};
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

/// Both results of a recording.
pub struct Results {
    /// As decided over the whole.
    pub last: Vec<Segment>,
    /// How well its confidences hold.
    pub reliability: Reliability,
    /// As shown while it was in work: each block as it was named when it came.
    pub in_order: Vec<Segment>,
    /// Time that this took, past the models.
    pub seconds: f64,
}

/// Names the speakers of `blocks`, those of `recording`.
pub fn results(
    blocks: &[BlockAnalysis],
    settings: &Settings,
    recording: &Recording,
) -> anyhow::Result<Results> {
    let stem = &recording.stem;
    let started = Instant::now();
    let mut diarizer = Diarizer::new(settings.clone());
    let mut shown = Vec::new();
    for block in blocks {
        shown.extend(diarizer.push(block.clone())?);
    }
    let found = diarizer.finish();
    let seconds = started.elapsed().as_secs_f64();
    let last = found.segments(stem);
    let sure = last.iter().cloned().zip(found.choices());
    let sure: Vec<(Segment, f64)> =
        sure.filter_map(|(segment, choice)| Some((segment, choice?.best.confidence.into()))).collect();
    let in_order = timeline::joined(shown).into_iter().map(|turn| Segment {
        file: stem.clone(),
        start_s: turn.start_seconds(),
        duration_s: turn.end_seconds() - turn.start_seconds(),
        speaker: settings.labels.label(turn.speaker),
    });
    Ok(Results {
        reliability: scoring::reliability(&recording.reference, &sure),
        last,
        in_order: in_order.collect(),
        seconds,
    })
}
