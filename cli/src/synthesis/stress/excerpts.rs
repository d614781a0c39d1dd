//! Excerpts: what each voice of a recording says while nobody else does, and the sound of the room while nobody speaks.

use super::{RATE, SHORTEST_S};
use diarization::rttm::Segment;
use std::collections::BTreeMap;

/// Kept clear of what others say, and of speech where the room is listened to: borders are not exact.
const MARGIN_S: f64 = 0.1;
/// Stretches of one voice that lie nearer are one.
const NEAR_S: f64 = 0.1;
/// Shortest piece of room, seconds, and how much of it is kept.
const SHORTEST_ROOM_S: f64 = 0.4;
const ROOM_S: f64 = 20.0;
/// Root mean square that the speech of each recording is brought to.
pub const LEVEL: f32 = 0.06;

/// One voice of one recording.
#[derive(Clone, Debug)]
pub struct Voice {
    /// Name: of the same person, the same in all recordings.
    pub name: String,
    /// Recording and source that it is from.
    pub recording: String,
    /// Source of the recording.
    pub source: String,
    /// Stretches in which it speaks alone, in order; 16 kHz mono.
    pub stretches: Vec<Vec<f32>>,
    /// Sound of the room while nobody speaks; empty where somebody always does.
    pub room: Vec<f32>,
}

impl Voice {
    /// Seconds of speech.
    pub fn seconds(&self) -> f64 {
        self.stretches.iter().map(Vec::len).sum::<usize>() as f64 / RATE
    }

    /// Root mean square of the speech.
    pub fn level(&self) -> f32 {
        level(self.stretches.iter().map(Vec::as_slice))
    }
}

/// The voices of a recording that say anything alone, by name.
pub fn voices(samples: &[f32], reference: &[Segment], recording: &str, source: &str) -> Vec<Voice> {
    let mut spans: BTreeMap<&str, Vec<(f64, f64)>> = BTreeMap::new();
    for segment in reference {
        let end = segment.start_s + segment.duration_s;
        spans.entry(&segment.speaker).or_default().push((segment.start_s, end));
    }
    let spoken = level(
        reference.iter().map(|segment| cut(samples, (segment.start_s, segment.start_s + segment.duration_s))),
    );
    let gain = LEVEL / spoken.max(1e-6);
    let louder = |part: &[f32]| -> Vec<f32> { part.iter().map(|x| (x * gain).clamp(-1.0, 1.0)).collect() };
    let all: Vec<(f64, f64)> = spans.values().flatten().copied().collect();
    let room = room(samples, &all);
    let room = louder(&room);
    let mut voices = Vec::new();
    for (name, own) in &spans {
        let others: Vec<(f64, f64)> = spans
            .iter()
            .filter(|(other, _)| other != &name)
            .flat_map(|(_, spans)| spans.iter().map(|&(from, to)| (from - MARGIN_S, to + MARGIN_S)))
            .collect();
        let alone = without(&joined(own, NEAR_S), &joined(&others, 0.0));
        let long = alone.into_iter().filter(|(from, to)| to - from >= SHORTEST_S);
        let stretches: Vec<Vec<f32>> = long.map(|span| louder(cut(samples, span))).collect();
        let stretches: Vec<Vec<f32>> =
            stretches.into_iter().filter(|part| part.len() as f64 >= SHORTEST_S * RATE - 1.0).collect();
        if !stretches.is_empty() {
            voices.push(Voice {
                name: (*name).to_owned(),
                recording: recording.to_owned(),
                source: source.to_owned(),
                stretches,
                room: room.clone(),
            });
        }
    }
    voices
}

/// The quieter half of what lies between all speech.
fn room(samples: &[f32], speech: &[(f64, f64)]) -> Vec<f32> {
    let near: Vec<(f64, f64)> =
        speech.iter().map(|&(from, to)| (from - 2.0 * MARGIN_S, to + 2.0 * MARGIN_S)).collect();
    let whole = [(0.0, samples.len() as f64 / RATE)];
    let mut parts: Vec<&[f32]> = without(&whole, &joined(&near, 0.0))
        .into_iter()
        .filter(|(from, to)| to - from >= SHORTEST_ROOM_S)
        .map(|span| cut(samples, span))
        .collect();
    let loudness = |part: &[f32]| level([part].into_iter());
    parts.sort_by(|a, b| loudness(a).total_cmp(&loudness(b)));
    parts.truncate(parts.len().div_ceil(2));
    let mut room: Vec<f32> = parts.concat();
    room.truncate((ROOM_S * RATE) as usize);
    room
}

fn cut(samples: &[f32], (from, to): (f64, f64)) -> &[f32] {
    let at = |seconds: f64| ((seconds.max(0.0) * RATE).round() as usize).min(samples.len());
    &samples[at(from)..at(to).max(at(from))]
}

fn level<'a>(parts: impl Iterator<Item = &'a [f32]>) -> f32 {
    let (energy, count) = parts.fold((0.0_f64, 0_usize), |(sum, count), part| {
        (sum + part.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>(), count + part.len())
    });
    (energy / count.max(1) as f64).sqrt() as f32
}

/// `spans` in order, those that touch or lie nearer than `near` as one.
fn joined(spans: &[(f64, f64)], near: f64) -> Vec<(f64, f64)> {
    let mut spans = spans.to_vec();
    spans.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut joined: Vec<(f64, f64)> = Vec::new();
    for (from, to) in spans {
        match joined.last_mut() {
            Some((_, end)) if from <= *end + near => *end = end.max(to),
            _ => joined.push((from, to)),
        }
    }
    joined
}

/// `spans` without `others`, both in order and apart.
fn without(spans: &[(f64, f64)], others: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let mut left = Vec::new();
    for &(from, to) in spans {
        let mut at = from;
        for &(start, end) in others.iter().filter(|(start, end)| *end > from && *start < to) {
            if start > at {
                left.push((at, start));
            }
            at = at.max(end);
        }
        if at < to {
            left.push((at, to));
        }
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(speaker: &str, start_s: f64, end_s: f64) -> Segment {
        let duration_s = end_s - start_s;
        Segment { file: "f".into(), start_s, duration_s, speaker: speaker.into() }
    }

    /// Ten seconds: a tenth as loud as it is late, so that a cut shows where it is from; next to silence between 7 and 9 s.
    fn samples() -> Vec<f32> {
        let loud = |second: f64| if (7.0..9.0).contains(&second) { 0.001 } else { 0.1 };
        (0..160_000).map(|i| loud(f64::from(i) / RATE)).collect()
    }

    #[test]
    fn only_what_somebody_says_alone_and_for_long_enough_is_used() {
        let reference = [said("a", 0.0, 3.0), said("b", 2.0, 4.0), said("a", 5.0, 5.5), said("a", 5.55, 6.0)];
        let voices = voices(&samples(), &reference, "r", "s");
        let seconds = |voice: &Voice| -> Vec<f64> {
            voice.stretches.iter().map(|part| (part.len() as f64 / RATE * 100.0).round() / 100.0).collect()
        };
        assert_eq!(voices.iter().map(|voice| voice.name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
        // Until b begins, with a margin; and the two short ones, which nearly touch, as one.
        assert_eq!(seconds(&voices[0]), [1.9, 1.0]);
        // From where a has ended, with a margin, on.
        assert_eq!(seconds(&voices[1]), [0.9]);
        assert!((voices[0].level() - LEVEL).abs() < 0.01, "{}", voices[0].level());
    }

    #[test]
    fn the_room_is_what_is_quiet_between_speech() {
        let reference = [said("a", 0.0, 3.0), said("a", 4.0, 6.9), said("a", 9.1, 10.0)];
        let voices = voices(&samples(), &reference, "r", "s");
        let room = level([voices[0].room.as_slice()].into_iter());
        assert!(room > 0.0 && room < LEVEL / 50.0, "{room}");
        let without_pause = [said("a", 0.0, 10.0)];
        assert!(super::voices(&samples(), &without_pause, "r", "s")[0].room.is_empty());
    }
}
