//! Keeps decoded blocks at their true times: drops what encoders add at both ends and fills holes that
//! damage leaves.

/// Marked padding is at most a few codec frames. A longer run of "padding" is sound that the header
/// does not know of, as in two MP3 files copied into one, and is kept.
const MAX_PADDING_S: f64 = 0.5;
/// A step in the time stamps smaller than this is rounding or jitter of the recorder.
const STEP_S: f64 = 0.2;
/// The same where the container counts samples.
const STEP_EXACT_S: f64 = 0.02;
/// Right after a skipped packet a smaller step is already the hole it left.
const STEP_AFTER_DAMAGE_S: f64 = 0.002;
/// Longer holes are not filled: the time stamp is more likely wrong than the sound missing.
const MAX_HOLE_S: f64 = 60.0;
/// All filling of one file together, so that crafted time stamps cannot make hours out of nothing.
const MAX_FILL_S: f64 = 600.0;

/// What became of a block.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Placed {
    /// Interleaved samples that were held back and are due first.
    pub(super) before: Vec<f32>,
    /// Frames of silence that are due then.
    pub(super) silence: u64,
    /// Interleaved samples that are due last.
    pub(super) samples: Vec<f32>,
    /// A hole that was met before them: its start and length in s, and whether silence fills it.
    pub(super) hole: Option<(f64, f64, bool)>,
}

/// The state along one track at a constant rate and channel count.
#[derive(Debug)]
pub(super) struct Timeline {
    rate: u32,
    channels: usize,
    skip_frames: u64,
    step_s: f64,
    held: Vec<f32>,
    keep_padding: bool,
    expected_s: Option<f64>,
    filled_s: f64,
    decoded_frames: u64,
}

impl Timeline {
    /// `skip_frames` is the encoder delay to drop at the start; `exact` says that the container's time
    /// stamps count samples.
    pub(super) fn new(rate: u32, channels: usize, skip_frames: u64, exact: bool) -> Self {
        Self {
            rate,
            channels,
            skip_frames,
            step_s: if exact { STEP_EXACT_S } else { STEP_S },
            held: Vec::new(),
            keep_padding: false,
            expected_s: None,
            filled_s: 0.0,
            decoded_frames: 0,
        }
    }

    /// The rate and channel count it was made for.
    pub(super) fn shape(&self) -> (u32, usize) {
        (self.rate, self.channels)
    }

    /// Seconds decoded so far, delay and padding included, filled silence not.
    pub(super) fn decoded_s(&self) -> f64 {
        self.decoded_frames as f64 / f64::from(self.rate)
    }

    /// Takes the next decoded block (whole frames, delay and padding still on it).
    /// `at_s` is its time stamp, `cut_start` and `cut_end` count marked frames, `damaged` says that a
    /// packet was skipped just before.
    pub(super) fn place(
        &mut self,
        at_s: f64,
        block: &[f32],
        cut_start: u64,
        cut_end: u64,
        damaged: bool,
    ) -> Placed {
        let mut placed = Placed::default();
        let frames = (block.len() / self.channels) as u64;
        if frames == 0 {
            return placed;
        }
        self.decoded_frames += frames;
        let (sound, padding) = self.split(block, frames, cut_start, cut_end);
        if !sound.is_empty() {
            // Sound goes on, so what was held as padding of the end was none.
            placed.before.append(&mut self.held);
            self.fill_hole(at_s, damaged, &mut placed);
            placed.samples.extend_from_slice(sound);
        }
        self.expected_s = Some(self.expected_s.unwrap_or(at_s) + frames as f64 / f64::from(self.rate));
        self.held.extend_from_slice(padding);
        if self.held.len() as f64 > MAX_PADDING_S * f64::from(self.rate) * self.channels as f64 {
            self.keep_padding = true;
            placed.samples.append(&mut self.held);
        }
        placed
    }

    /// The block without delay, cut into sound and padding.
    fn split<'a>(
        &mut self,
        block: &'a [f32],
        frames: u64,
        cut_start: u64,
        cut_end: u64,
    ) -> (&'a [f32], &'a [f32]) {
        let delay = self.skip_frames.min(frames);
        self.skip_frames -= delay;
        let start = delay.max(cut_start.min(frames));
        let cut_end = if self.keep_padding { 0 } else { cut_end.min(frames - start) };
        let index = |frame: u64| frame as usize * self.channels;
        let (from, to) = (index(start), index(frames - cut_end));
        (&block[from..to], &block[to..index(frames)])
    }

    fn fill_hole(&mut self, at_s: f64, damaged: bool, placed: &mut Placed) {
        let Some(expected) = self.expected_s else { return };
        let step = at_s - expected;
        if step <= if damaged { STEP_AFTER_DAMAGE_S } else { self.step_s } {
            if step < -self.step_s {
                // Time stamps that jump back carry no sound to remove; go on from the new clock.
                self.expected_s = Some(at_s);
            }
            return;
        }
        let fill = step <= MAX_HOLE_S && self.filled_s + step <= MAX_FILL_S;
        if fill {
            placed.silence = (step * f64::from(self.rate)).round() as u64;
            self.filled_s += step;
        }
        placed.hole = Some((expected.max(0.0), step, fill));
        self.expected_s = Some(at_s);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(frames: usize) -> Vec<f32> {
        vec![1.0; frames * 2]
    }

    fn total(placed: &Placed) -> usize {
        placed.before.len() + placed.silence as usize * 2 + placed.samples.len()
    }

    #[test]
    fn the_encoder_delay_is_dropped_even_when_it_spans_blocks() {
        let mut line = Timeline::new(1_000, 2, 150, true);
        assert_eq!(total(&line.place(-0.15, &block(100), 0, 0, false)), 0);
        assert_eq!(total(&line.place(-0.05, &block(100), 0, 0, false)), 50 * 2);
    }

    #[test]
    fn padding_at_the_end_is_dropped_but_sound_behind_it_brings_it_back() {
        let mut line = Timeline::new(1_000, 2, 0, true);
        assert_eq!(total(&line.place(0.0, &block(100), 0, 30, false)), 70 * 2);
        assert_eq!(total(&line.place(0.1, &block(100), 0, 0, false)), 130 * 2);
    }

    #[test]
    fn a_second_file_behind_the_promised_end_is_kept() {
        let mut line = Timeline::new(1_000, 2, 0, true);
        let total: usize =
            (0..20).map(|n| total(&line.place(f64::from(n) * 0.1, &block(100), 0, 100, false))).sum();
        assert_eq!(total, 2_000 * 2);
    }

    #[test]
    fn a_hole_is_filled_with_silence_so_that_later_times_stay_true() {
        let mut line = Timeline::new(1_000, 2, 0, true);
        line.place(0.0, &block(100), 0, 0, false);
        let placed = line.place(1.1, &block(100), 0, 0, false);
        assert_eq!(total(&placed), 1_100 * 2);
        assert!(placed.hole.is_some_and(|(at, length, filled)| {
            (at - 0.1).abs() < 1e-9 && (length - 1.0).abs() < 1e-9 && filled
        }));
    }

    #[test]
    fn a_time_stamp_hours_ahead_does_not_make_hours_of_silence() {
        let mut line = Timeline::new(1_000, 2, 0, true);
        line.place(0.0, &block(100), 0, 0, false);
        assert_eq!(total(&line.place(9_000.0, &block(100), 0, 0, false)), 100 * 2);
    }
}
