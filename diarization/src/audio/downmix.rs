//! Any number of channels to one, without losing speech that sits in few channels or that cancels.
//!
//! The output is a weighted sum of the channels. The weights are decided once per window of 20 ms,
//! from energies summed since the start up to and with that window, so the result depends neither on
//! how the file is cut into blocks nor on what comes later. When the weights change they are ramped
//! over one window, which keeps clicks out.

/// Windows per second.
const WINDOWS_PER_S: u32 = 50;
/// A channel counts as carrying signal once its summed energy reaches this share (-40 dB) of the
/// loudest channel's. It then counts for good: the level changes only when a channel first speaks up.
const ACTIVE_SHARE: f64 = 1e-4;
/// Below this share of the mean channel energy the plain average counts as cancelled ...
const CANCELLED: f64 = 0.01;
/// ... and it must be back above this one before averaging is trusted again, so that a file near the
/// border does not switch to and fro. Unrelated channels give 1/n, which stays above for n <= 25; with
/// more the switch back can only be late, never flap.
const RECOVERED: f64 = 0.04;
/// Mean square per sample (-100 dB) below which nothing is decided: ratios of dither mean nothing.
const QUIET: f64 = 1e-10;

/// Mixes interleaved frames of a fixed number of channels.
#[derive(Debug)]
pub(super) struct Downmix {
    channels: usize,
    window: usize,
    /// Interleaved frames waiting for a full window.
    pending: Vec<f32>,
    /// Per channel: sum of squares since the start.
    energy: Vec<f64>,
    active: Vec<bool>,
    /// Sum of squares of the plain average of the active channels.
    average_energy: f64,
    frames: u64,
    /// The channel used alone while averaging cancels.
    single: Option<usize>,
    weights: Option<Vec<f32>>,
}

impl Downmix {
    /// For `channels` (at least 1) at `rate` Hz.
    pub(super) fn new(channels: usize, rate: u32) -> Self {
        Self {
            channels: channels.max(1),
            window: (rate / WINDOWS_PER_S).max(1) as usize,
            pending: Vec::new(),
            energy: vec![0.0; channels],
            active: vec![false; channels],
            average_energy: 0.0,
            frames: 0,
            single: None,
            weights: None,
        }
    }

    /// Takes interleaved samples (whole frames) and appends what can be mixed by now to `mono`.
    pub(super) fn push(&mut self, interleaved: &[f32], mono: &mut Vec<f32>) {
        if self.channels == 1 {
            mono.extend_from_slice(interleaved);
            return;
        }
        self.pending.extend_from_slice(interleaved);
        let span = self.window * self.channels;
        let pending = std::mem::take(&mut self.pending);
        let mut windows = pending.chunks_exact(span);
        for window in windows.by_ref() {
            self.mix(window, mono);
        }
        self.pending = windows.remainder().to_vec();
    }

    /// Mixes the last, partial window.
    pub(super) fn finish(&mut self, mono: &mut Vec<f32>) {
        let rest = std::mem::take(&mut self.pending);
        self.mix(&rest, mono);
    }

    fn mix(&mut self, window: &[f32], mono: &mut Vec<f32>) {
        let frames = window.len() / self.channels;
        if frames == 0 {
            return;
        }
        self.measure(window, frames);
        let target = self.decide();
        let from = self.weights.take().unwrap_or_else(|| target.clone());
        if from == target {
            mono.extend(window.chunks_exact(self.channels).map(|frame| dot(frame, &target)));
        } else {
            for (n, frame) in window.chunks_exact(self.channels).enumerate() {
                let share = (n + 1) as f32 / frames as f32;
                mono.push(dot(frame, &from) * (1.0 - share) + dot(frame, &target) * share);
            }
        }
        self.weights = Some(target);
    }

    fn measure(&mut self, window: &[f32], frames: usize) {
        for frame in window.chunks_exact(self.channels) {
            for (energy, &x) in self.energy.iter_mut().zip(frame) {
                *energy += f64::from(x) * f64::from(x);
            }
        }
        self.frames += frames as u64;
        let loudest = self.energy.iter().copied().fold(0.0, f64::max);
        if loudest > QUIET * self.frames as f64 {
            for (active, &energy) in self.active.iter_mut().zip(&self.energy) {
                *active |= energy >= ACTIVE_SHARE * loudest;
            }
        }
        let average = self.averaging();
        self.average_energy += window
            .chunks_exact(self.channels)
            .map(|frame| f64::from(dot(frame, &average)).powi(2))
            .sum::<f64>();
    }

    /// Equal weights that add up to 1 over the channels that have carried signal so far. Dividing by
    /// all channels would put the one speech channel of a 5.1 file 16 dB down.
    fn averaging(&self) -> Vec<f32> {
        let active = self.active.iter().filter(|&&active| active).count();
        if active == 0 {
            return vec![1.0 / self.channels as f32; self.channels];
        }
        self.active.iter().map(|&on| if on { 1.0 / active as f32 } else { 0.0 }).collect()
    }

    fn decide(&mut self) -> Vec<f32> {
        let active: Vec<f64> =
            self.energy.iter().zip(&self.active).filter(|&(_, &on)| on).map(|(&energy, _)| energy).collect();
        if active.len() > 1 {
            let mean = active.iter().sum::<f64>() / active.len() as f64;
            if self.single.is_none() && self.average_energy < CANCELLED * mean {
                // The loudest channel so far, the first of equals.
                let loudest = (0..self.channels)
                    .fold(0, |best, c| if self.energy[c] > self.energy[best] { c } else { best });
                self.single = Some(loudest);
            } else if self.single.is_some() && self.average_energy > RECOVERED * mean {
                self.single = None;
            }
        }
        match self.single {
            Some(only) => (0..self.channels).map(|c| if c == only { 1.0 } else { 0.0 }).collect(),
            None => self.averaging(),
        }
    }
}

fn dot(frame: &[f32], weights: &[f32]) -> f32 {
    frame.iter().zip(weights).map(|(x, w)| x * w).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: u32 = 16_000;

    fn tone(n: usize) -> f32 {
        0.5 * (n as f32 * 0.17).sin()
    }

    fn mix(channels: usize, frames: usize, sample: impl Fn(usize, usize) -> f32) -> Vec<f32> {
        let interleaved: Vec<f32> =
            (0..frames * channels).map(|i| sample(i / channels, i % channels)).collect();
        let mut mixer = Downmix::new(channels, RATE);
        let mut mono = Vec::new();
        mixer.push(&interleaved, &mut mono);
        mixer.finish(&mut mono);
        assert_eq!(mono.len(), frames);
        mono
    }

    fn rms(samples: &[f32]) -> f32 {
        (samples.iter().map(|x| x * x).sum::<f32>() / samples.len() as f32).sqrt()
    }

    #[test]
    fn an_inverted_right_channel_does_not_cancel_the_speech() {
        let mono = mix(2, 32_000, |n, c| if c == 0 { tone(n) } else { -tone(n) });
        assert!(mono.iter().enumerate().all(|(n, &x)| (x - tone(n)).abs() < 1e-6));
    }

    #[test]
    fn equal_channels_come_out_as_they_are() {
        let mono = mix(2, 3_000, |n, _| tone(n));
        assert!(mono.iter().enumerate().all(|(n, &x)| (x - tone(n)).abs() < 1e-6));
    }

    #[test]
    fn speech_in_the_centre_of_six_channels_keeps_its_level() {
        let mono = mix(6, 16_000, |n, c| if c == 2 { tone(n) } else { 0.0 });
        assert!(rms(&mono) > 0.3);
    }

    #[test]
    fn a_channel_that_speaks_up_later_is_heard_without_a_jump() {
        let mono = mix(2, 32_000, |n, c| if c == 0 || n >= 16_000 { tone(n) } else { 0.0 });
        assert!(rms(&mono[..16_000]) > 0.3 && rms(&mono[17_000..]) > 0.3);
        assert!(mono.windows(2).all(|pair| (pair[1] - pair[0]).abs() < 0.1));
    }

    #[test]
    fn the_mix_does_not_depend_on_how_the_samples_arrive() {
        let interleaved: Vec<f32> =
            (0..30_001 * 2).map(|i| tone(i) * if i % 3 == 0 { -1.0 } else { 0.4 }).collect();
        let whole = {
            let (mut mixer, mut mono) = (Downmix::new(2, RATE), Vec::new());
            mixer.push(&interleaved, &mut mono);
            mixer.finish(&mut mono);
            mono
        };
        let (mut mixer, mut mono) = (Downmix::new(2, RATE), Vec::new());
        for part in interleaved.chunks(14) {
            mixer.push(part, &mut mono);
        }
        mixer.finish(&mut mono);
        assert_eq!(whole, mono);
    }
}
