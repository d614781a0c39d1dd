//! One side's speech in whole microseconds: each speaker's stretches, sorted, merged where they overlap or
//! touch.

use std::collections::BTreeMap;

use crate::rttm::{MAX_SECONDS, Segment};

/// Whole microseconds.
pub(super) type Ticks = i64;

const TICKS_PER_SECOND: f64 = 1e6;

/// Seconds to the nearest tick, within ± [`MAX_SECONDS`]; not a number is 0.
pub(super) fn ticks(seconds: f64) -> Ticks {
    // The cast cannot overflow after the clamp, and takes NaN to 0.
    (seconds.clamp(-MAX_SECONDS, MAX_SECONDS) * TICKS_PER_SECOND).round() as Ticks
}

/// Ticks to seconds.
pub(super) fn seconds(ticks: Ticks) -> f64 {
    ticks as f64 / TICKS_PER_SECOND
}

/// A stretch of speech from `start` up to, not including, `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Span {
    pub(super) start: Ticks,
    pub(super) end: Ticks,
}

/// The speakers of a reference or of a hypothesis, sorted by name, each with some speech.
#[derive(Debug, Default)]
pub(super) struct Side {
    pub(super) names: Vec<String>,
    /// Beside each name its speech: sorted spans that neither overlap nor touch.
    pub(super) spans: Vec<Vec<Span>>,
}

impl Side {
    pub(super) fn new(segments: &[Segment]) -> Self {
        let mut by_name: BTreeMap<&str, Vec<Span>> = BTreeMap::new();
        for segment in segments {
            if !segment.start_s.is_finite() || !segment.duration_s.is_finite() {
                continue;
            }
            // Start and duration are rounded apart, so that equal lengths stay equal wherever they lie.
            let start = ticks(segment.start_s);
            let end = start + ticks(segment.duration_s);
            if end > start {
                by_name.entry(&segment.speaker).or_default().push(Span { start, end });
            }
        }
        let mut side = Self::default();
        for (name, spans) in by_name {
            side.names.push(name.to_owned());
            side.spans.push(merged(spans));
        }
        side
    }

    pub(super) fn len(&self) -> usize {
        self.names.len()
    }

    /// The speech of all of `side`, whoever speaks.
    pub(super) fn of_one(side: &Self) -> Vec<Span> {
        merged(side.spans.concat())
    }
}

/// Intersection of two sorted lists of spans.
pub(super) fn common(a: &[Span], b: &[Span]) -> Vec<Span> {
    let (mut i, mut j, mut found) = (0, 0, Vec::new());
    while let (Some(x), Some(y)) = (a.get(i), b.get(j)) {
        let (start, end) = (x.start.max(y.start), x.end.min(y.end));
        if start < end {
            found.push(Span { start, end });
        }
        if x.end < y.end { i += 1 } else { j += 1 }
    }
    found
}

fn merged(mut spans: Vec<Span>) -> Vec<Span> {
    spans.sort_unstable();
    let mut merged: Vec<Span> = Vec::with_capacity(spans.len());
    for span in spans {
        match merged.last_mut() {
            Some(last) if span.start <= last.end => last.end = last.end.max(span.end),
            _ => merged.push(span),
        }
    }
    merged
}
