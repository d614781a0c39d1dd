//! Features: Kaldi log mel filter banks, the embedding model's input.
//!
//! 80 bins, 25 ms Hamming window, 10 ms hop, pre-emphasis 0.97, no dither, edges snipped, low cut 20 Hz, samples in the range of 16-bit
//! numbers (Kaldi's `compute-fbank-feats`, as WeSpeaker's models were trained on).

use crate::blocks::SAMPLE_RATE;
use realfft::num_complex::Complex32;
use realfft::{RealFftPlanner, RealToComplex};
use std::sync::Arc;

/// Name of these features; a manifest says which ones its embedding model wants.
pub const NAME: &str = "kaldi-fbank-80-hamming-int16";
/// Mel bins per frame.
pub const MEL_BINS: usize = 80;
/// Samples between two filter-bank frames (10 ms).
pub const HOP: usize = 160;
/// Samples of one filter-bank frame (25 ms).
pub const WINDOW: usize = 400;

const FFT: usize = 512;
/// Value that a sample of 1.0 counts as. With it the floor below which energies are not told apart is that of 16-bit audio.
const FULL_SCALE: f32 = 32768.0;
const PRE_EMPHASIS: f32 = 0.97;
const LOW_HZ: f32 = 20.0;
const HIGH_HZ: f32 = SAMPLE_RATE as f32 / 2.0;

/// Filter-bank features of a run of samples, `[frames, MEL_BINS]` row-major.
pub struct Features {
    values: Vec<f32>,
}

impl Features {
    /// Number of frames.
    pub fn len(&self) -> usize {
        self.values.len() / MEL_BINS
    }

    /// True where the samples were shorter than one frame.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The bins of one frame.
    pub fn frame(&self, index: usize) -> &[f32] {
        &self.values[index * MEL_BINS..(index + 1) * MEL_BINS]
    }
}

/// Computes filter banks; keeps its tables and buffers between calls.
pub struct FilterBank {
    fft: Arc<dyn RealToComplex<f32>>,
    window: Vec<f32>,
    filters: Vec<MelFilter>,
    frame: Vec<f32>,
    spectrum: Vec<Complex32>,
    power: Vec<f32>,
}

/// One triangular filter: weights of the FFT bins from `first` on.
struct MelFilter {
    first: usize,
    weights: Vec<f32>,
}

impl Default for FilterBank {
    fn default() -> Self {
        let fft = RealFftPlanner::new().plan_fft_forward(FFT);
        let spectrum = fft.make_output_vec();
        let step = std::f64::consts::TAU / (WINDOW - 1) as f64;
        let window = (0..WINDOW).map(|i| (0.54 - 0.46 * (step * i as f64).cos()) as f32).collect();
        Self {
            fft,
            window,
            filters: mel_filters(),
            frame: vec![0.0; FFT],
            spectrum,
            power: vec![0.0; FFT / 2],
        }
    }
}

impl FilterBank {
    /// Filter banks of `samples`; frames for which `wanted` is false are left at zero (they cost nothing).
    pub fn compute(&mut self, samples: &[f32], wanted: impl Fn(usize) -> bool) -> Features {
        let frames = if samples.len() < WINDOW { 0 } else { 1 + (samples.len() - WINDOW) / HOP };
        let mut values = vec![0.0; frames * MEL_BINS];
        for (index, row) in values.chunks_exact_mut(MEL_BINS).enumerate() {
            if wanted(index) {
                self.compute_frame(&samples[index * HOP..index * HOP + WINDOW], row);
            }
        }
        Features { values }
    }

    fn compute_frame(&mut self, samples: &[f32], row: &mut [f32]) {
        let mean = (samples.iter().map(|&x| f64::from(x)).sum::<f64>() / WINDOW as f64) as f32;
        self.frame[WINDOW..].fill(0.0);
        let mut previous = (samples[0] - mean) * FULL_SCALE;
        for ((out, &sample), &weight) in self.frame.iter_mut().zip(samples).zip(&self.window) {
            let centred = (sample - mean) * FULL_SCALE;
            *out = (centred - PRE_EMPHASIS * previous) * weight;
            previous = centred;
        }
        // The lengths are fixed by the plan, so the transform cannot refuse them; a zero spectrum is the safe fallback.
        if self.fft.process(&mut self.frame, &mut self.spectrum).is_err() {
            self.spectrum.fill(Complex32::default());
        }
        for (power, bin) in self.power.iter_mut().zip(&self.spectrum) {
            *power = bin.norm_sqr();
        }
        for (value, filter) in row.iter_mut().zip(&self.filters) {
            let energy: f32 =
                filter.weights.iter().zip(&self.power[filter.first..]).map(|(w, p)| w * p).sum();
            *value = energy.max(f32::EPSILON).ln();
        }
    }
}

fn mel(hz: f32) -> f32 {
    1127.0 * (1.0 + hz / 700.0).ln()
}

fn mel_filters() -> Vec<MelFilter> {
    let (low, high) = (mel(LOW_HZ), mel(HIGH_HZ));
    let delta = (high - low) / (MEL_BINS + 1) as f32;
    let bin_hz = SAMPLE_RATE as f32 / FFT as f32;
    (0..MEL_BINS)
        .map(|bin| {
            let left = low + bin as f32 * delta;
            let (centre, right) = (left + delta, left + 2.0 * delta);
            let mut filter = MelFilter { first: 0, weights: Vec::new() };
            for index in 0..FFT / 2 {
                let at = mel(bin_hz * index as f32);
                if at > left && at < right {
                    if filter.weights.is_empty() {
                        filter.first = index;
                    }
                    let rising = at <= centre;
                    filter.weights.push(if rising { (at - left) / delta } else { (right - at) / delta });
                }
            }
            filter
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_shorter_than_a_frame_give_no_features() {
        assert!(FilterBank::default().compute(&[0.1; WINDOW - 1], |_| true).is_empty());
    }

    #[test]
    fn a_frame_does_not_depend_on_where_the_run_began() {
        let samples: Vec<f32> = (0..8000).map(|i| (i as f32 * 0.37).sin() * 0.3).collect();
        let mut bank = FilterBank::default();
        let whole = bank.compute(&samples, |_| true);
        let later = bank.compute(&samples[10 * HOP..], |_| true);
        assert_eq!(whole.frame(14), later.frame(4));
    }
}
