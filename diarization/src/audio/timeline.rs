//! Keeps decoded blocks at their true times: drops what encoders add at both ends, fills what is missing with silence, and leaves out
//! what lies over what came before.

use super::filling::Filling;

/// Marked padding is at most a few codec frames. A longer run of "padding" is sound that the header
/// does not know of, as in two MP3 files copied into one, and is kept.
const MAX_PADDING_S: f64 = 0.5;
/// A step back is an overlap from here on: the end of an Ogg stream is cut by a step back of a packet.
const MIN_OVERLAP_S: f64 = 0.2;
/// A longer step back is another clock, whose sound is new.
const MAX_OVERLAP_S: f64 = 10.0;
/// Right after a skipped packet a smaller step is already the hole it left.
const STEP_AFTER_DAMAGE_S: f64 = 0.002;

/// Sound that is due once a block was placed.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Placed {
    /// Interleaved samples that were held back and are due first.
    pub(super) before: Vec<f32>,
    /// Frames of silence that are due then.
    pub(super) silence: u64,
    /// Interleaved samples that are due last.
    pub(super) samples: Vec<f32>,
    /// Step in its time stamp, where there is one.
    pub(super) step: Option<Step>,
}

/// A time stamp that is not where the one before ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Step {
    /// End of the block before, in s on the clock of the time stamps.
    pub(super) from_s: f64,
    /// By how much it is off, in s.
    pub(super) length_s: f64,
    /// Action taken about it.
    pub(super) then: Then,
}

/// Action taken about a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    /// Silence fills the hole.
    Filled,
    /// The hole was closed up.
    Closed,
    /// So much sound as lay over what came before was left out.
    Dropped,
}

/// The state along one track at a constant rate and channel count.
#[derive(Debug)]
pub(super) struct Timeline {
    rate: u32,
    channels: usize,
    /// Frames of the encoder's delay that are still to be dropped.
    skip_frames: u64,
    /// Frames that are still to be dropped since they lie over what came before.
    over_frames: u64,
    /// A step in the time stamps smaller than this is rounding, or jitter of the recorder.
    step_s: f64,
    held: Vec<f32>,
    keep_padding: bool,
    expected_s: Option<f64>,
    closed_s: f64,
    given_frames: u64,
}

impl Timeline {
    /// `skip_frames` is the encoder delay to drop at the start; `expected_s` the time at which the sound goes on, if some came before.
    pub(super) fn new(
        rate: u32,
        channels: usize,
        skip_frames: u64,
        step_s: f64,
        expected_s: Option<f64>,
    ) -> Self {
        Self {
            rate,
            channels,
            skip_frames,
            over_frames: 0,
            step_s,
            held: Vec::new(),
            keep_padding: false,
            expected_s,
            closed_s: 0.0,
            given_frames: 0,
        }
    }

    /// The rate and channel count it was made for.
    pub(super) fn shape(&self) -> (u32, usize) {
        (self.rate, self.channels)
    }

    /// Seconds given out so far, silence included.
    pub(super) fn given_s(&self) -> f64 {
        self.given_frames as f64 / f64::from(self.rate)
    }

    /// End of the last block, in s on the clock of the time stamps.
    pub(super) fn expected_s(&self) -> Option<f64> {
        self.expected_s
    }

    /// Takes the next decoded block (whole frames, delay and padding still on it).
    /// `at_s` is its time stamp, `cut_start` and `cut_end` count marked frames, `damaged` says that a
    /// packet was skipped just before.
    pub(super) fn place(
        &mut self,
        at_s: f64,
        block: &[f32],
        (cut_start, cut_end): (u64, u64),
        damaged: bool,
        filling: &mut Filling,
    ) -> Placed {
        let mut placed = Placed::default();
        let frames = (block.len() / self.channels) as u64;
        if frames == 0 {
            return placed;
        }
        let (mut sound, padding) = self.split(block, frames, cut_start, cut_end);
        if !sound.is_empty() {
            // Sound goes on, so what was held as padding of the end was none.
            placed.before.append(&mut self.held);
            self.follow(at_s, damaged, filling, &mut placed);
            let over = self.over_frames.min((sound.len() / self.channels) as u64);
            self.over_frames -= over;
            sound = &sound[over as usize * self.channels..];
            placed.samples.extend_from_slice(sound);
        }
        self.expected_s = Some(self.expected_s.unwrap_or(at_s) + frames as f64 / f64::from(self.rate));
        self.held.extend_from_slice(padding);
        if self.held.len() as f64 > MAX_PADDING_S * f64::from(self.rate) * self.channels as f64 {
            self.keep_padding = true;
            placed.samples.append(&mut self.held);
        }
        let values = placed.before.len() + placed.samples.len();
        self.given_frames += placed.silence + (values / self.channels) as u64;
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

    /// Compares the time stamp of sound with where the sound before it ended.
    fn follow(&mut self, at_s: f64, damaged: bool, filling: &mut Filling, placed: &mut Placed) {
        let Some(expected) = self.expected_s else { return };
        let step = at_s - expected;
        if step > if damaged { STEP_AFTER_DAMAGE_S } else { self.step_s } {
            let then = if filling.take(expected, at_s, self.shape()) {
                let frames = self.frames(step);
                let over = self.over_frames.min(frames);
                self.over_frames -= over;
                placed.silence = frames - over;
                Then::Filled
            } else {
                self.closed_s += step;
                Then::Closed
            };
            placed.step = Some(Step { from_s: expected, length_s: step, then });
            self.expected_s = Some(at_s);
        } else if step < -self.step_s {
            // What was closed up before lies between.
            let closed = self.closed_s.min(-step);
            self.closed_s -= closed;
            let over = -step - closed;
            if (MIN_OVERLAP_S..=MAX_OVERLAP_S).contains(&over) {
                self.over_frames += self.frames(over);
                placed.step = Some(Step { from_s: at_s, length_s: over, then: Then::Dropped });
            }
            self.expected_s = Some(at_s);
        }
    }

    fn frames(&self, seconds: f64) -> u64 {
        (seconds * f64::from(self.rate)).round() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A line of two channels at 1000 Hz, and what may be filled in it.
    struct Line(Timeline, Filling);

    impl Line {
        fn new(skip_frames: u64) -> Self {
            let mut filling = Filling::default();
            filling.ends(Some(100.0));
            Self(Timeline::new(1_000, 2, skip_frames, 0.02, None), filling)
        }

        /// Places a block of 100 frames, of which so many at the end are padding; frames that are due.
        fn place(&mut self, at_s: f64, cut_end: u64) -> (usize, Option<Then>) {
            let placed = self.0.place(at_s, &[1.0; 200], (0, cut_end), false, &mut self.1);
            let frames = placed.before.len() / 2 + placed.silence as usize + placed.samples.len() / 2;
            (frames, placed.step.map(|step| step.then))
        }
    }

    #[test]
    fn the_encoder_delay_is_dropped_even_when_it_spans_blocks() {
        let mut line = Line::new(150);
        assert_eq!(line.place(-0.15, 0), (0, None));
        assert_eq!(line.place(-0.05, 0), (50, None));
    }

    #[test]
    fn padding_at_the_end_is_dropped_but_sound_behind_it_brings_it_back() {
        let mut line = Line::new(0);
        assert_eq!(line.place(0.0, 30), (70, None));
        assert_eq!(line.place(0.1, 0), (130, None));
    }

    #[test]
    fn a_second_file_behind_the_promised_end_is_kept() {
        let mut line = Line::new(0);
        assert_eq!((0..20).map(|n| line.place(f64::from(n) * 0.1, 100).0).sum::<usize>(), 2_000);
    }

    #[test]
    fn a_hole_is_filled_with_silence_so_that_later_times_stay_true() {
        let mut line = Line::new(0);
        line.place(0.0, 0);
        assert_eq!(line.place(90.1, 0), (90_100, Some(Then::Filled)));
        assert!((line.0.given_s() - 90.2).abs() < 1e-9);
    }

    #[test]
    fn a_time_stamp_beyond_the_end_makes_no_silence_and_the_way_back_drops_nothing() {
        let mut line = Line::new(0);
        line.place(0.0, 0);
        assert_eq!(line.place(9_000.1, 0), (100, Some(Then::Closed)));
        assert_eq!(line.place(0.2, 0), (100, None));
    }

    #[test]
    fn sound_over_sound_that_came_before_is_left_out_and_later_times_stay_true() {
        let mut line = Line::new(0);
        for n in 0..10 {
            line.place(f64::from(n) * 0.1, 0);
        }
        assert_eq!(line.place(0.65, 0), (0, Some(Then::Dropped)));
        let frames = (1..6).map(|n| line.place(0.65 + f64::from(n) * 0.1, 0).0).collect::<Vec<_>>();
        assert_eq!(frames, [0, 0, 50, 100, 100]);
        assert!((line.0.given_s() - 1.25).abs() < 1e-9);
    }

    #[test]
    fn a_clock_that_starts_anew_loses_nothing() {
        let mut line = Line::new(0);
        for n in 0..200 {
            line.place(f64::from(n) * 0.1, 0);
        }
        assert_eq!(line.place(0.0, 0), (100, None));
    }
}
