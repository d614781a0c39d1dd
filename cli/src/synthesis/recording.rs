//! Recording: a conversation said by real voices, with what was said when.

use super::channel::Channel;
use super::conversation::{self, Kind, Saying};
use super::material::Speaker;
use diarization::rttm::Segment;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::index;

const RATE: f64 = 16_000.0;

/// Samples and reference.
pub struct Recording {
    /// 16 kHz mono.
    pub samples: Vec<f32>,
    /// Reference: segments, each with its speaker.
    pub reference: Vec<Segment>,
}

/// Reads on in a speaker's stretches, round and round.
struct Reader<'a> {
    speaker: &'a Speaker,
    stretch: usize,
    at: usize,
}

impl<'a> Reader<'a> {
    /// The next stretches, cut so that they come to `samples` and the pauses between them.
    fn read(&mut self, samples: usize) -> Vec<&'a [f32]> {
        let (mut parts, mut left) = (Vec::new(), samples);
        while left > 0 {
            let stretch = &self.speaker.stretches[self.stretch % self.speaker.stretches.len()];
            let end = stretch.len().min(self.at + left);
            parts.push(&stretch[self.at..end]);
            left -= end - self.at;
            self.at = end;
            if end == stretch.len() {
                (self.stretch, self.at) = (self.stretch + 1, 0);
                left = left.saturating_sub(PAUSE);
            }
        }
        parts
    }
}

/// Samples between two stretches of one saying: long enough to be a pause in the reference too.
const PAUSE: usize = 6_400;
/// Samples over which a cut is faded.
const FADE: usize = 160;

/// Makes the recording of `seed`.
pub fn make(kind: Kind, speakers: &[Speaker], name: &str, seed: u64) -> Recording {
    let mut random = StdRng::seed_from_u64(seed);
    let range = kind.speakers();
    let count = rand::Rng::random_range(&mut random, range).min(speakers.len());
    let cast: Vec<&Speaker> =
        index::sample(&mut random, speakers.len(), count).iter().map(|i| &speakers[i]).collect();
    let plan = conversation::plan(kind, count, &mut random);
    let channel = Channel::draw(kind, count, &mut random);
    let mut readers: Vec<Reader> = cast
        .iter()
        .map(|speaker| Reader {
            speaker,
            stretch: rand::Rng::random_range(&mut random, 0..speaker.stretches.len()),
            at: 0,
        })
        .collect();
    let mut samples = vec![0.0_f32; (plan.seconds * RATE) as usize];
    let mut reference = Vec::new();
    for Saying { speaker, at, seconds } in &plan.sayings {
        let mut start = (at * RATE) as usize;
        for part in readers[*speaker].read((seconds * RATE) as usize) {
            let end = (start + part.len()).min(samples.len());
            mix(&mut samples[start.min(end)..end], part, channel.gain(*speaker));
            if end > start {
                reference.push(Segment {
                    file: name.to_owned(),
                    start_s: start as f64 / RATE,
                    duration_s: (end - start) as f64 / RATE,
                    speaker: cast[*speaker].name.clone(),
                });
            }
            start = end + PAUSE;
        }
    }
    reference.sort_by(|a, b| a.start_s.total_cmp(&b.start_s));
    Recording { samples: channel.pass(samples, &mut random), reference }
}

fn mix(into: &mut [f32], part: &[f32], gain: f32) {
    let length = into.len();
    for (at, (x, said)) in into.iter_mut().zip(part).enumerate() {
        let edge = at.min(length - 1 - at);
        *x += gain * said * (edge as f32 / FADE as f32).min(1.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn speakers() -> Vec<Speaker> {
        (0..4)
            .map(|who| Speaker {
                name: format!("voice{who}"),
                stretches: (1..4).map(|n| vec![0.1 * (who + 1) as f32; n * 20_000]).collect(),
            })
            .collect()
    }

    #[test]
    fn the_reference_says_who_can_be_heard() {
        let made = make(Kind::Interview, &speakers(), "x", 3);
        let names: std::collections::BTreeSet<&str> =
            made.reference.iter().map(|s| s.speaker.as_str()).collect();
        assert!((2..=3).contains(&names.len()));
        let mut active = vec![false; made.samples.len()];
        for segment in &made.reference {
            let from = (segment.start_s * RATE).round() as usize;
            let to = ((segment.start_s + segment.duration_s) * RATE).round() as usize;
            active[from..to.min(made.samples.len())].fill(true);
        }
        let mean = |wanted: bool| {
            let levels = made.samples.iter().zip(&active).filter(|(_, on)| **on == wanted);
            let (sum, count) = levels.fold((0.0, 0), |(sum, n), (x, _)| (sum + x.abs(), n + 1));
            sum / count as f32
        };
        assert!(mean(true) > 10.0 * mean(false), "{} {}", mean(true), mean(false));
    }

    #[test]
    fn the_same_seed_makes_the_same_recording_and_another_one_another() {
        let make = |seed| make(Kind::Call, &speakers(), "x", seed);
        assert_eq!(make(1).samples, make(1).samples);
        assert_ne!(make(1).samples.len(), make(2).samples.len());
    }
}
