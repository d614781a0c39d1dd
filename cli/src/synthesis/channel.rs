//! Channel: what lies between mouths and recording: distance, room, noise, telephone.

use super::conversation::Kind;
use rand::Rng;
use rand::rngs::StdRng;
use std::f32::consts::TAU;

const RATE: f32 = 16_000.0;

/// A room as parallel combs and a series of all-passes (Schroeder 1962): crude, and enough to blur a voice.
pub struct Room {
    /// Delays in samples and feedback of the combs.
    combs: Vec<(usize, f32)>,
    /// Share of the sound that comes by way of the room.
    wet: f32,
}

/// Channel through which a recording is heard.
pub struct Channel {
    room: Option<Room>,
    telephone: bool,
    /// Root mean square of the noise.
    noise: f32,
    /// Share of a noise sample that stays in the next one: 0 is white.
    colour: f32,
    /// Gain of each speaker.
    gains: Vec<f32>,
}

impl Channel {
    /// Draws one that fits `kind`.
    pub fn draw(kind: Kind, speakers: usize, random: &mut StdRng) -> Self {
        let far =
            matches!(kind, Kind::Meeting | Kind::Crowd) || kind == Kind::Clip && random.random_bool(0.5);
        let spread_db: f32 = if far { 7.0 } else { 4.0 };
        let signal_to_noise_db: f32 = random.random_range(if far { 12.0..28.0 } else { 18.0..45.0 });
        Self {
            room: far.then(|| Room::draw(random)),
            telephone: kind == Kind::Call,
            noise: 0.06 * decibels(-signal_to_noise_db),
            colour: random.random_range(0.0..0.95),
            gains: (0..speakers).map(|_| decibels(random.random_range(-spread_db..spread_db))).collect(),
        }
    }

    /// Gain of a speaker.
    pub fn gain(&self, speaker: usize) -> f32 {
        self.gains[speaker]
    }

    /// Sends the mixed speech through.
    pub fn pass(&self, mut samples: Vec<f32>, random: &mut StdRng) -> Vec<f32> {
        if let Some(room) = &self.room {
            samples = room.blur(&samples);
        }
        let scale = self.noise * (1.0 - self.colour * self.colour).sqrt() * 3.0_f32.sqrt();
        let mut before = 0.0;
        for x in &mut samples {
            before = self.colour * before + scale * random.random_range(-1.0_f32..1.0);
            *x += before;
        }
        if self.telephone {
            samples = telephone(&samples);
        }
        let most = samples.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
        if most > 0.98 {
            samples.iter_mut().for_each(|x| *x *= 0.98 / most);
        }
        samples
    }
}

impl Room {
    fn draw(random: &mut StdRng) -> Self {
        let seconds: f32 = random.random_range(0.2..0.6);
        let combs = (0..6).map(|_| {
            let delay = random.random_range(300..900);
            // Falls by 60 dB in the room's time.
            (delay, 10.0_f32.powf(-3.0 * delay as f32 / RATE / seconds))
        });
        Self { combs: combs.collect(), wet: random.random_range(0.15..0.5) }
    }

    fn blur(&self, samples: &[f32]) -> Vec<f32> {
        let mut echo = vec![0.0_f32; samples.len()];
        for &(delay, feedback) in &self.combs {
            let mut line = vec![0.0_f32; delay];
            for (at, (&x, out)) in samples.iter().zip(&mut echo).enumerate() {
                let slot = &mut line[at % delay];
                *out += *slot / self.combs.len() as f32;
                *slot = x + feedback * *slot;
            }
        }
        for delay in [83_usize, 229] {
            let mut line = vec![0.0_f32; delay];
            for (at, x) in echo.iter_mut().enumerate() {
                let held = line[at % delay];
                let entering = *x + 0.6 * held;
                *x = held - 0.6 * entering;
                line[at % delay] = entering;
            }
        }
        samples.iter().zip(&echo).map(|(dry, wet)| (1.0 - self.wet) * dry + self.wet * wet).collect()
    }
}

/// 300 to 3400 Hz, in the 256 steps of G.711's µ-law.
fn telephone(samples: &[f32]) -> Vec<f32> {
    let mut filtered = samples.to_vec();
    for (hertz, high_pass) in [(300.0, true), (300.0, true), (3400.0, false), (3400.0, false)] {
        filtered = biquad(&filtered, hertz, high_pass);
    }
    let mu = 255.0_f32;
    let step = |x: f32| {
        let squeezed = x.signum() * (1.0 + mu * x.abs().min(1.0)).ln() / (1.0 + mu).ln();
        let coarse = (squeezed * 127.0).round() / 127.0;
        coarse.signum() * ((1.0 + mu).powf(coarse.abs()) - 1.0) / mu
    };
    filtered.into_iter().map(step).collect()
}

/// A second-order Butterworth filter (R. Bristow-Johnson, Audio EQ Cookbook).
fn biquad(samples: &[f32], hertz: f32, high_pass: bool) -> Vec<f32> {
    let omega = TAU * hertz / RATE;
    let (sin, cos) = omega.sin_cos();
    let alpha = sin / std::f32::consts::SQRT_2;
    let edge = if high_pass { 1.0 + cos } else { 1.0 - cos };
    let b = [edge / 2.0, if high_pass { -edge } else { edge }, edge / 2.0].map(|x| x / (1.0 + alpha));
    let a = [-2.0 * cos / (1.0 + alpha), (1.0 - alpha) / (1.0 + alpha)];
    let (mut x1, mut x2, mut y1, mut y2) = (0.0, 0.0, 0.0, 0.0);
    samples
        .iter()
        .map(|&x| {
            let y = b[0] * x + b[1] * x1 + b[2] * x2 - a[0] * y1 - a[1] * y2;
            (x2, x1, y2, y1) = (x1, x, y1, y);
            y
        })
        .collect()
}

fn decibels(db: f32) -> f32 {
    10.0_f32.powf(db / 20.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    fn tone(hertz: f32) -> Vec<f32> {
        (0..16_000).map(|i| 0.3 * (TAU * hertz * i as f32 / RATE).sin()).collect()
    }

    fn level(samples: &[f32]) -> f32 {
        (samples[8000..].iter().map(|x| x * x).sum::<f32>() / 8000.0).sqrt()
    }

    #[test]
    fn a_telephone_passes_what_lies_between_300_and_3400_hertz() {
        let through = |hertz| level(&telephone(&tone(hertz))) / level(&tone(hertz));
        assert!(through(1000.0) > 0.9 && through(60.0) < 0.1 && through(7000.0) < 0.15);
    }

    #[test]
    fn a_room_is_heard_after_the_sound_has_ended_and_dies_away() {
        let room = Room { combs: vec![(400, 0.5), (530, 0.5)], wet: 0.5 };
        let mut click = vec![0.0_f32; 16_000];
        click[0] = 1.0;
        let heard = room.blur(&click);
        let sum = |range: std::ops::Range<usize>| heard[range].iter().map(|x| x.abs()).sum::<f32>();
        assert!(sum(300..4000) > 0.1 && sum(12_000..16_000) < 0.01);
    }

    #[test]
    fn noise_has_the_level_that_was_drawn() {
        let channel = Channel { room: None, telephone: false, noise: 0.01, colour: 0.8, gains: vec![1.0] };
        let heard = channel.pass(vec![0.0; 16_000], &mut StdRng::seed_from_u64(1));
        assert!((level(&heard) - 0.01).abs() < 0.002, "{}", level(&heard));
    }
}
