//! Marks: one result of one recording against its reference.

use crate::bench::figures::Figures;
use crate::bench::recordings::Recording;
use crate::bench::speed;
use diarization::analysis::BlockAnalysis;
use diarization::blocks::BLOCK_SAMPLES;
use diarization::blocks::SAMPLE_RATE;
use diarization::diarize::{Diarization, Diarizer, Settings};
use diarization::evidence::{self, Choice};
use diarization::hints::Hints;
use diarization::matching::{self, ReferenceSet};
use diarization::rttm::{self, Segment};
use diarization::scoring::{self, Continuity, Judged, Options, Reliability, Score};
use diarization::timeline;
use serde::Serialize;
use std::time::Instant;

/// Forgiveness on each side of a border in the second error rate, seconds.
pub const COLLAR_S: f64 = 0.25;

/// Scores of one result.
#[derive(Clone, Debug, Serialize)]
pub struct Marks {
    /// Without a collar.
    pub exact: Score,
    /// With [`COLLAR_S`].
    pub forgiving: Score,
    /// Continuity of labels from chunk to chunk.
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
    /// Segments, each with its speaker.
    pub segments: Vec<Segment>,
    /// Reliability of its confidences.
    pub reliability: Reliability,
    /// Its turns with their confidences, against the reference.
    pub judged: Vec<Judged>,
}

impl Shown {
    fn of(recording: &Recording, segments: Vec<Segment>, choices: &[Option<Choice>]) -> Self {
        let sure: Vec<(Segment, f64)> = segments
            .iter()
            .zip(choices)
            .filter_map(|(segment, choice)| Some((segment.clone(), choice.as_ref()?.best.confidence.into())))
            .collect();
        Self {
            reliability: scoring::reliability(&recording.reference, &sure),
            judged: scoring::judged(&recording.reference, &sure),
            segments,
        }
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
    /// The same in processor time.
    pub processor_seconds: f64,
}

/// Diarization of `blocks`, as decided over the whole.
fn decide(blocks: &[BlockAnalysis], settings: &Settings) -> anyhow::Result<Diarization> {
    let mut diarizer = Diarizer::new(settings.clone());
    for block in blocks {
        diarizer.push(block.clone())?;
    }
    Ok(diarizer.finish())
}

/// The same as it is written: to the millisecond.
pub fn last(blocks: &[BlockAnalysis], settings: &Settings, stem: &str) -> anyhow::Result<Vec<Segment>> {
    Ok(rttm::parse(&rttm::write(&decide(blocks, settings)?.segments(stem)))?)
}

/// Figures of a recording where the number of its speakers is given: only the attribution of speech is left to err. `None` where
/// that many cannot be asked for.
pub fn count_given(
    blocks: &[BlockAnalysis],
    settings: &Settings,
    recording: &Recording,
) -> anyhow::Result<Option<Figures>> {
    let threshold = settings.hints.threshold;
    let Ok(hints) = Hints::new(Some(recording.speakers()), None, None, threshold) else { return Ok(None) };
    let found = last(blocks, &Settings { hints, ..settings.clone() }, &recording.stem)?;
    Ok(Some(Figures::of(&scoring::score(&recording.reference, &found, &Options::default()))))
}

/// Names the speakers of `blocks`, those of `recording`.
pub fn results(
    blocks: &[BlockAnalysis],
    settings: &Settings,
    recording: &Recording,
) -> anyhow::Result<Results> {
    let (started, from) = (Instant::now(), speed::processor_time());
    let found = decide(blocks, settings)?;
    let (seconds, processor) = (started.elapsed().as_secs_f64(), speed::processor_time() - from);
    let choices = found.choices();
    Ok(Results {
        last: Shown::of(recording, found.segments(&recording.stem), &choices),
        in_order: in_order(blocks, settings, recording),
        seconds,
        processor_seconds: processor.as_secs_f64(),
    })
}

/// Result that a viewer sees while the blocks come in, where nothing shown is changed later.
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
