//! Compose: a plan said by a cast.

use super::cast::Ensemble;
use super::excerpts::{LEVEL, Voice};
use super::kind::Kind;
use super::plan::{self, Turn};
use super::{RATE, SHORTEST_S};
use crate::bench::sources::Source;
use diarization::rttm::Segment;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// Samples over which every cut is faded.
const FADE: usize = 160;
/// Gaps inside a turn, seconds.
const GAP_S: std::ops::Range<f64> = 0.12..0.35;
/// A recording this long may say the same up to so many times; a shorter one says nothing twice.
const LONG_S: f64 = 90.0;
const ROUNDS: f64 = 3.0;
/// Gain of the faint speaker: 20 dB down.
const FAINT: f32 = 0.1;
/// Root mean square of what is heard where no room was recorded.
const HUSH: f32 = 0.000_3;

/// Samples, reference and where the voices are from.
pub struct Made {
    /// 16 kHz mono.
    pub samples: Vec<f32>,
    /// Reference: segments, each with its speaker.
    pub reference: Vec<Segment>,
    /// Of all voices.
    pub source: Source,
}

/// Makes the recording of `seed`. `None` where there are not enough voices for it.
pub fn make(kind: Kind, speakers: usize, ensemble: &Ensemble, name: &str, seed: u64) -> Option<Made> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut seconds = kind.seconds(speakers, &mut random);
    loop {
        let turns = plan::turns(kind, speakers, seconds, &mut random);
        let mut needs = vec![0.0; speakers];
        turns.iter().for_each(|turn| needs[turn.speaker] += turn.seconds);
        let rounds = if seconds < LONG_S { 1.0 } else { ROUNDS };
        if let Some(cast) = ensemble.cast(&needs, rounds, &mut random) {
            return Some(say(kind, &turns, &cast, name, &mut random));
        }
        // Shorter, so that what there is suffices.
        let least = kind.least_seconds(speakers);
        if seconds <= least {
            return None;
        }
        seconds = (seconds * 0.75).max(least);
    }
}

/// Reads on in what a voice says, round and round.
struct Reader<'a> {
    voice: &'a Voice,
    gain: f32,
    stretch: usize,
    at: usize,
    room_at: usize,
}

impl<'a> Reader<'a> {
    fn new(voice: &'a Voice, gain: f32, random: &mut StdRng) -> Self {
        let stretch = random.random_range(0..voice.stretches.len());
        let room_at = random.random_range(0..voice.room.len().max(1));
        Self { voice, gain, stretch, at: 0, room_at }
    }

    /// The next stretches, cut so that they come to `seconds`; none of them too short.
    fn read(&mut self, seconds: f64) -> Vec<&'a [f32]> {
        let shortest = (SHORTEST_S * RATE) as usize - 1;
        let (mut parts, mut left) = (Vec::new(), ((seconds * RATE) as usize).max(shortest));
        while left >= shortest {
            let stretch = &self.voice.stretches[self.stretch % self.voice.stretches.len()];
            let end = stretch.len().min(self.at + left);
            if end - self.at >= shortest {
                parts.push(&stretch[self.at..end]);
                left -= end - self.at;
            }
            self.at = end;
            if stretch.len() - end < shortest {
                (self.stretch, self.at) = (self.stretch + 1, 0);
            }
        }
        parts
    }

    /// So much of the room that it is in, or next to silence where that is not known.
    fn room(&mut self, samples: usize, random: &mut StdRng) -> Vec<f32> {
        let room = &self.voice.room;
        if room.is_empty() {
            return (0..samples).map(|_| random.random_range(-HUSH..HUSH)).collect();
        }
        let part = (0..samples).map(|i| room[(self.room_at + i) % room.len()]).collect();
        self.room_at = (self.room_at + samples) % room.len();
        part
    }
}

fn say(kind: Kind, turns: &[Turn], cast: &[&Voice], name: &str, random: &mut StdRng) -> Made {
    let faint = (kind == Kind::Faint).then(|| cast.len() - 1);
    let mut readers: Vec<Reader> = cast
        .iter()
        .enumerate()
        .map(|(who, voice)| {
            // In the faint kind the loud ones are as loud as each other, or 20 dB would not be.
            let even = LEVEL / voice.level().max(1e-6);
            let gain = match faint {
                Some(faint) => {
                    if who == faint {
                        FAINT * even
                    } else {
                        even
                    }
                }
                None => 1.0,
            };
            Reader::new(voice, gain, random)
        })
        .collect();
    let (mut samples, mut reference) = (Vec::new(), Vec::new());
    for turn in turns {
        let reader = &mut readers[turn.speaker];
        let mut pause = turn.pause;
        for part in reader.read(turn.seconds) {
            let quiet = (pause * RATE) as usize;
            match kind {
                Kind::Gated | Kind::Faint => samples.extend(std::iter::repeat_n(0.0, quiet)),
                _ => samples.extend(faded(&reader.room(quiet, random), 1.0)),
            }
            reference.push(Segment {
                file: name.to_owned(),
                start_s: samples.len() as f64 / RATE,
                duration_s: part.len() as f64 / RATE,
                speaker: reader.voice.name.clone(),
            });
            samples.extend(faded(part, reader.gain));
            pause = random.random_range(GAP_S);
        }
    }
    if kind == Kind::Faint {
        // All are heard through the noise of the loud side, so that the faint one is not told by its own being fainter too.
        let under = readers[0].room(samples.len(), random);
        samples.iter_mut().zip(under).for_each(|(x, noise)| *x += noise);
    }
    let sources: Vec<&str> = cast.iter().map(|voice| voice.source.as_str()).collect();
    Made { samples, reference, source: Source::new(&sources.join("+")) }
}

fn faded(part: &[f32], gain: f32) -> impl Iterator<Item = f32> {
    let last = part.len().saturating_sub(1);
    part.iter().enumerate().map(move |(at, x)| gain * x * (at.min(last - at) as f32 / FADE as f32).min(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{BTreeMap, BTreeSet};

    fn ensemble() -> Ensemble {
        let voices = (0..12)
            .map(|who| Voice {
                name: format!("voice{who}"),
                recording: format!("r{who}"),
                source: format!("s{}", who % 2),
                stretches: (0..40).map(|n| vec![LEVEL; 14_000 + 3000 * n]).collect(),
                room: vec![0.001; 5000],
            })
            .collect();
        Ensemble::new(voices, BTreeMap::new())
    }

    fn level(made: &Made, speaker: &str) -> f64 {
        let (mut sum, mut count) = (0.0, 0);
        for segment in made.reference.iter().filter(|segment| segment.speaker == speaker) {
            let from = (segment.start_s * RATE).round() as usize;
            let to = from + (segment.duration_s * RATE).round() as usize;
            sum += made.samples[from..to].iter().map(|x| f64::from(x.abs())).sum::<f64>();
            count += to - from;
        }
        sum / f64::from(u32::try_from(count).expect("a short recording"))
    }

    /// Samples in which nobody speaks.
    fn between(made: &Made) -> Vec<f32> {
        let mut speaks = vec![false; made.samples.len()];
        for segment in &made.reference {
            let from = (segment.start_s * RATE).round() as usize;
            speaks[from..from + (segment.duration_s * RATE).round() as usize].fill(true);
        }
        made.samples.iter().zip(speaks).filter(|(_, speaks)| !speaks).map(|(x, _)| *x).collect()
    }

    #[test]
    fn as_many_speak_as_are_asked_for_and_the_reference_says_when() {
        for (kind, speakers) in Kind::ALL.iter().flat_map(|(kind, all)| all.iter().map(|n| (*kind, *n))) {
            let made = make(kind, speakers, &ensemble(), "x", 5).expect("enough voices");
            let names: BTreeSet<&str> = made.reference.iter().map(|s| s.speaker.as_str()).collect();
            assert_eq!(names.len(), speakers, "{kind:?}");
            assert!(made.reference.iter().all(|s| s.duration_s >= SHORTEST_S - 0.001), "{kind:?}");
            let quiet = between(&made);
            let loud = made.samples.iter().filter(|x| x.abs() > LEVEL / 2.0).count();
            assert!(quiet.iter().all(|x| x.abs() < 0.01), "{kind:?}: speech that no reference names");
            assert!(loud > made.samples.len() / 3, "{kind:?}");
        }
    }

    #[test]
    fn a_gate_leaves_digital_silence_and_a_room_does_not() {
        let quiet = |kind| between(&make(kind, 2, &ensemble(), "x", 6).expect("enough voices"));
        assert!(quiet(Kind::Gated).iter().all(|&x| x == 0.0));
        let room = quiet(Kind::Room);
        assert!(room.iter().filter(|&&x| x > 0.000_9).count() * 10 > room.len() * 8);
    }

    #[test]
    fn the_faint_one_is_twenty_decibels_down() {
        let made = make(Kind::Faint, 2, &ensemble(), "x", 7).expect("enough voices");
        let names: BTreeSet<&str> = made.reference.iter().map(|s| s.speaker.as_str()).collect();
        let levels: Vec<f64> = names.iter().map(|name| level(&made, name)).collect();
        let ratio = levels[0].max(levels[1]) / levels[0].min(levels[1]);
        assert!((8.0..10.5).contains(&ratio), "{levels:?}");
    }

    #[test]
    fn the_same_seed_makes_the_same_and_what_there_is_not_is_not_made() {
        let make = |seed, speakers| make(Kind::Even, speakers, &ensemble(), "x", seed);
        let (one, again) = (make(1, 2).expect("made"), make(1, 2).expect("made"));
        assert!(one.samples == again.samples && one.reference == again.reference);
        assert_ne!(one.samples.len(), make(2, 2).expect("made").samples.len());
        assert!(make(1, 13).is_none(), "there are twelve voices");
    }

    #[test]
    fn a_short_recording_says_nothing_twice() {
        let voice = Voice {
            name: "a".into(),
            recording: "r".into(),
            source: "s".into(),
            stretches: vec![vec![1.0; 32_000], vec![2.0; 32_000]],
            room: Vec::new(),
        };
        let mut reader = Reader { voice: &voice, gain: 1.0, stretch: 0, at: 0, room_at: 0 };
        let read = |reader: &mut Reader, seconds| -> Vec<(usize, f32)> {
            reader.read(seconds).iter().map(|part| (part.len(), part[0])).collect()
        };
        assert_eq!(read(&mut reader, 1.0), [(16_000, 1.0)]);
        assert_eq!(read(&mut reader, 2.0), [(16_000, 1.0), (16_000, 2.0)]);
        assert_eq!(read(&mut reader, 1.5), [(16_000, 2.0)], "what is left to say is too short to be cut");
    }
}
