//! Mono at any rate to mono at 16 kHz, sample-true: sample `k` of the output is the sound at `k / 16000`
//! seconds of the input, and `n` input samples give `round(n * 16000 / rate)` output samples.

use rubato::audioadapter_buffers::direct::InterleavedSlice;
use rubato::{Fft, FixedSync, Indexing, Resampler, WindowFunction};

use super::SAMPLE_RATE;
use super::error::AudioError;

/// Transform length on the 16 kHz side. 64 ms makes the filter flat to about 7.8 kHz, all the speech
/// there is below the new limit of 8 kHz, for a look-ahead that is compensated anyway.
const BLOCK_OUT: u64 = 1024;

/// The longest input block that is rounded up to an even length.
const EVEN_UP_TO: u64 = 1 << 16;

/// Transform length on the input side. The resampler rounds it up to a multiple of `rate / gcd`; where
/// that is short an even multiple is asked for, since the middle of the filter then falls on a sample
/// and the delay is compensated exactly, not to half a sample of the source.
fn block_in(rate: u32) -> usize {
    let gcd = |mut a: u64, mut b: u64| {
        while b != 0 {
            (a, b) = (b, a % b);
        }
        a
    };
    let wanted = (BLOCK_OUT * u64::from(rate) / u64::from(SAMPLE_RATE)).max(1);
    let step = u64::from(rate) / gcd(u64::from(rate), u64::from(SAMPLE_RATE)) * 2;
    (if step <= EVEN_UP_TO { wanted.next_multiple_of(step) } else { wanted }) as usize
}

/// A streaming resampler for one source rate.
pub(super) struct Resample {
    rate: u32,
    /// `None` when the source is 16 kHz already: such samples pass through untouched.
    fft: Option<Fft<f32>>,
    pending: Vec<f32>,
    block_out: Vec<f32>,
    /// Output samples of the filter's delay still to drop.
    to_drop: usize,
    taken: u64,
    given: u64,
}

impl Resample {
    /// For a source at `rate` Hz (already checked to be within bounds).
    pub(super) fn new(rate: u32) -> Result<Self, AudioError> {
        let fft = if rate == SAMPLE_RATE {
            None
        } else {
            let chunk = block_in(rate);
            let window = WindowFunction::BlackmanHarris2;
            let made =
                Fft::new_custom(rate as usize, SAMPLE_RATE as usize, chunk, 1, 1, window, FixedSync::Both);
            Some(made.map_err(|e| AudioError::Resample { rate, reason: e.to_string() })?)
        };
        let block_out = vec![0.0; fft.as_ref().map_or(0, Resampler::output_frames_max)];
        let to_drop = fft.as_ref().map_or(0, Resampler::output_delay);
        Ok(Self { rate, fft, pending: Vec::new(), block_out, to_drop, taken: 0, given: 0 })
    }

    /// Takes samples and appends what is ready to `out`.
    pub(super) fn push(&mut self, samples: &[f32], out: &mut Vec<f32>) -> Result<(), AudioError> {
        self.taken += samples.len() as u64;
        let Some(fft) = &self.fft else {
            self.given += samples.len() as u64;
            out.extend_from_slice(samples);
            return Ok(());
        };
        let need = fft.input_frames_next();
        self.pending.extend_from_slice(samples);
        let mut at = 0;
        while self.pending.len() - at >= need {
            self.step(at, None, u64::MAX, out)?;
            at += need;
        }
        self.pending.drain(..at);
        Ok(())
    }

    /// Drives silence through until the last input sample is out, and ends at the exact length.
    pub(super) fn finish(&mut self, out: &mut Vec<f32>) -> Result<(), AudioError> {
        if self.fft.is_none() {
            return Ok(());
        }
        let rate = u128::from(self.rate);
        let wanted = ((u128::from(self.taken) * u128::from(SAMPLE_RATE) + rate / 2) / rate) as u64;
        let mut partial = self.pending.len();
        while self.given < wanted {
            let before = (self.given, self.to_drop);
            self.step(0, Some(partial), wanted - self.given, out)?;
            if before == (self.given, self.to_drop) {
                // Cannot happen with a resampler that keeps its word; never spin on one that does not.
                break;
            }
            partial = 0;
        }
        self.pending.clear();
        Ok(())
    }

    /// One transform of the pending samples from `at`; `partial` of them count, the rest is silence.
    fn step(
        &mut self,
        at: usize,
        partial: Option<usize>,
        most: u64,
        out: &mut Vec<f32>,
    ) -> Result<(), AudioError> {
        let rate = self.rate;
        let fail = |e: String| AudioError::Resample { rate, reason: e };
        let Some(fft) = &mut self.fft else { return Ok(()) };
        let room = self.block_out.len();
        let input = InterleavedSlice::new(&self.pending[..], 1, self.pending.len())
            .map_err(|e| fail(e.to_string()))?;
        let mut output =
            InterleavedSlice::new_mut(&mut self.block_out[..], 1, room).map_err(|e| fail(e.to_string()))?;
        let mut indexing = Indexing::new().input_offset(at);
        indexing.partial_len = partial;
        let (_, made) =
            fft.process_into_buffer(&input, &mut output, Some(&indexing)).map_err(|e| fail(e.to_string()))?;
        let dropped = self.to_drop.min(made);
        self.to_drop -= dropped;
        let fresh = &self.block_out[dropped..made];
        let kept = fresh.len().min(usize::try_from(most).unwrap_or(usize::MAX));
        out.extend_from_slice(&fresh[..kept]);
        self.given += kept as u64;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(rate: u32, input: &[f32], chunk: usize) -> Vec<f32> {
        let mut resample = Resample::new(rate).expect("the rate is sound");
        let mut out = Vec::new();
        for part in input.chunks(chunk) {
            resample.push(part, &mut out).expect("resampling works");
        }
        resample.finish(&mut out).expect("flushing works");
        out
    }

    #[test]
    fn an_impulse_stays_within_a_millisecond_of_its_time() {
        for rate in [8_000, 11_025, 22_050, 44_100, 48_000, 96_000, 44_101, 767_999] {
            let mut input = vec![0.0; rate as usize * 2];
            input[(f64::from(rate) * 1.25) as usize] = 1.0;
            let out = run(rate, &input, 1_000);
            let peak =
                (0..out.len()).max_by(|&a, &b| out[a].abs().total_cmp(&out[b].abs())).expect("not empty");
            assert!((peak as f64 / 16_000.0 - 1.25).abs() < 0.001, "{rate} Hz: peak at sample {peak}");
        }
    }

    #[test]
    fn a_tone_keeps_its_phase_and_level() {
        for rate in [8_000u32, 44_100, 48_000] {
            let wave = |t: f64| (t * 1_000.0 * std::f64::consts::TAU).sin() as f32 * 0.5;
            let input: Vec<f32> = (0..rate).map(|n| wave(f64::from(n) / f64::from(rate))).collect();
            let out = run(rate, &input, 777);
            for (k, &x) in out.iter().enumerate().skip(2_000).take(12_000) {
                assert!((x - wave(k as f64 / 16_000.0)).abs() < 0.01, "{rate} Hz, sample {k}");
            }
        }
    }

    #[test]
    fn the_length_is_the_rounded_ratio_even_for_one_sample() {
        for (rate, samples, wanted) in
            [(48_000, 1, 0), (48_000, 2, 1), (8_000, 1, 2), (44_100, 44_100, 16_000)]
        {
            assert_eq!(run(rate, &vec![0.1; samples], 64).len(), wanted, "{samples} samples at {rate} Hz");
        }
    }

    #[test]
    fn the_result_does_not_depend_on_the_chunk_size() {
        let input: Vec<f32> = (0..50_000).map(|n| (n as f32 * 0.37).sin()).collect();
        assert_eq!(run(44_100, &input, 1), run(44_100, &input, 50_000));
    }

    #[test]
    fn sixteen_kilohertz_passes_untouched() {
        let input: Vec<f32> = (0..1_000).map(|n| n as f32).collect();
        assert_eq!(run(16_000, &input, 7), input);
    }
}
