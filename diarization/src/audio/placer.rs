//! Placer: decoded blocks with time stamps in, what is due out, such that it lies at its time on the file's own clock.

use super::due::Due;
use super::filling::Filling;
use super::source::Block;
use super::timeline::{Step, Then, Timeline};
use super::warnings::Warnings;

/// Sound that begins less than this after the picture begins with it.
const MIN_LEAD_S: f64 = 0.02;
/// Holes that are told one by one: who is muted often has hundreds.
const MAX_HOLES_TOLD: u32 = 5;

/// A decoded block's place.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Stamp {
    /// Its time stamp in s.
    pub(super) at_s: f64,
    /// Marked frames at its start and end that are no sound.
    pub(super) cut: (u64, u64),
    /// True where a packet was skipped just before.
    pub(super) damaged: bool,
}

/// Start of a track.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Start {
    /// Encoder delay to drop, in s.
    pub(super) delay_s: f64,
    /// Time of the file before the first sound, in s.
    pub(super) lead_s: f64,
}

/// The state along one track.
pub(super) struct Placer {
    step_s: f64,
    filling: Filling,
    timeline: Option<Timeline>,
    /// Seconds given out before the timeline in hand.
    before_s: f64,
    lead_s: f64,
    /// Time at which the track goes on after a change of shape, in s.
    expected_s: Option<f64>,
    start: Option<Start>,
    /// Holes that were not told one by one, and their length in s.
    more_holes: (u32, f64),
    holes: u32,
    due: Due,
}

impl Placer {
    /// Steps in the time stamps of less than `step_s` are no holes.
    pub(super) fn new(step_s: f64) -> Self {
        Self {
            step_s,
            filling: Filling::default(),
            timeline: None,
            before_s: 0.0,
            lead_s: 0.0,
            expected_s: None,
            start: None,
            more_holes: (0, 0.0),
            holes: 0,
            due: Due::default(),
        }
    }

    /// To be called before the first block of a track: where it begins, and when it ends on the clock of its time stamps, if known.
    pub(super) fn starts(&mut self, start: Start, end_s: Option<f64>) {
        self.before_s = self.given_s();
        (self.timeline, self.expected_s, self.start) = (None, None, Some(start));
        self.filling.ends(end_s);
    }

    /// Seconds given out so far.
    pub(super) fn given_s(&self) -> f64 {
        self.before_s + self.timeline.as_ref().map_or(0.0, Timeline::given_s)
    }

    /// Time up to which the sound of the track was read, in s: on the clock of its time stamps, or in all, whichever is more.
    pub(super) fn read_s(&self) -> f64 {
        let expected = self.timeline.as_ref().and_then(Timeline::expected_s);
        (self.given_s() - self.lead_s).max(expected.unwrap_or(0.0))
    }

    /// Takes a block of interleaved samples.
    pub(super) fn place(
        &mut self,
        stamp: Stamp,
        samples: &[f32],
        (rate, channels): (u32, usize),
        warnings: &mut Warnings,
    ) {
        if self.timeline.as_ref().is_some_and(|line| line.shape() != (rate, channels)) {
            self.before_s = self.given_s();
            self.expected_s = self.timeline.take().and_then(|line| line.expected_s());
        }
        let (start, expected) = (self.start.take(), self.expected_s.take());
        let timeline = self.timeline.get_or_insert_with(|| {
            let skip = start.map_or(0.0, |start| start.delay_s * f64::from(rate)).round() as u64;
            Timeline::new(rate, channels, skip, self.step_s, expected)
        });
        let mut placed = timeline.place(stamp.at_s, samples, stamp.cut, stamp.damaged, &mut self.filling);
        if let Some(Start { lead_s, .. }) = start.filter(|start| start.lead_s >= MIN_LEAD_S) {
            if self.filling.take(stamp.at_s - lead_s, stamp.at_s, (rate, channels)) {
                self.lead_s = lead_s;
                self.before_s += lead_s;
                placed.silence += (lead_s * f64::from(rate)).round() as u64;
            } else {
                warnings.push(format!(
                    "the audio starts {lead_s:.1} s after the file does, which is more than the file's length allows for; all times are early by that"
                ));
            }
        }
        match placed.step {
            Some(Step { then: Then::Filled, length_s, .. }) if self.holes >= MAX_HOLES_TOLD => {
                self.more_holes = (self.more_holes.0 + 1, self.more_holes.1 + length_s);
            }
            Some(step) => {
                self.holes += u32::from(step.then == Then::Filled);
                warnings.push(words(step));
            }
            None => {}
        }
        self.due = Due::of(placed, rate, channels);
    }

    /// To be called at the end, for the notes due there.
    pub(super) fn finish(&mut self, warnings: &mut Warnings) {
        if let (more @ 1.., length_s) = std::mem::take(&mut self.more_holes) {
            warnings.push(format!("{more} more holes of {length_s:.2} s in all are filled with silence"));
        }
    }

    /// Block that is due next.
    pub(super) fn next_due(&mut self) -> Option<Block> {
        self.due.next()
    }
}

fn words(Step { from_s, length_s, then }: Step) -> String {
    let from_s = from_s.max(0.0);
    match then {
        Then::Filled => {
            format!("{length_s:.2} s of audio are missing at about {from_s:.1} s; silence fills it")
        }
        Then::Closed => format!(
            "{length_s:.2} s of audio are missing at about {from_s:.1} s; it was closed up, later times are early by that"
        ),
        Then::Dropped => format!(
            "the time stamps go back by {length_s:.2} s to {from_s:.1} s; so much audio was left out, since there is other audio at that time"
        ),
    }
}
