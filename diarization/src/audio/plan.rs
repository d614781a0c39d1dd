//! Plan: what becomes of the channels of a file, by what the caller wants and what was heard of them.

use super::error::AudioError;
use super::sides::Heard;
use crate::channels::{Channels, MOST_SIDES};
use crate::tracks::Tracks;
use serde::{Deserialize, Serialize};

/// Level that each side is brought to, in dB relative to full scale: so that in a chunk of it, wherever it was cut, everybody knows what
/// is loud for this side.
pub const SIDE_LEVEL_DB: f64 = -26.0;
/// Most that a quiet side is brought up in a mix.
const MOST_GAIN_DB: f64 = 40.0;

/// Channels that are made from those of a file.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Layout {
    /// One channel; where gains are given, there are two, and each is multiplied by its own first.
    Mix(Option<[f32; 2]>),
    /// The first or the second of two channels, as it is.
    Only(usize),
    /// Both channels, each multiplied by its gain.
    Separate([f32; 2]),
}

impl Layout {
    /// Channels that there are then.
    pub fn channels(&self) -> usize {
        match self {
            Self::Mix(_) | Self::Only(_) => 1,
            Self::Separate(_) => 2,
        }
    }

    /// True where it takes one of so many channels alone.
    pub(super) fn is_one_of(&self, channels: usize) -> bool {
        channels == 2 && matches!(self, Self::Only(_))
    }

    /// Name of the layout: the treatment that the channels had.
    pub fn done(&self) -> Channels {
        match self {
            Self::Mix(_) | Self::Only(_) => Channels::Mix,
            Self::Separate(_) => Channels::Separate,
        }
    }
}

/// Wishes of the caller, and what the caller knows.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wish {
    /// Audio tracks that are heard.
    pub tracks: Tracks,
    /// Treatment of the channels.
    pub channels: Channels,
    /// Most speakers there are.
    pub max_speakers: Option<usize>,
}

/// Channels that a file has.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Found {
    /// So many channels, other than two.
    Channels(usize),
    /// Two channels in one part and another number in the next.
    Changing,
    /// Two channels.
    Two(Heard),
}

/// Layout for the channels, and what the caller should know of it.
pub(super) fn plan(wish: Wish, found: Found) -> Result<(Layout, Option<String>), AudioError> {
    let mixed = |why: &str| Ok((Layout::Mix(None), Some(why.to_owned())));
    let wanted = wish.channels == Channels::Separate;
    match found {
        Found::Channels(1) if wanted => {
            mixed("the file has one channel, so there is nothing to separate: it was taken as it is")
        }
        Found::Channels(channels) if wanted && channels > MOST_SIDES => Err(AudioError::Separate(channels)),
        Found::Changing if wanted => mixed(
            "the number of channels changes within the file, so they could not be separated and were mixed",
        ),
        Found::Channels(_) | Found::Changing => Ok((Layout::Mix(None), None)),
        Found::Two(heard) => Ok(of_two(wish, &heard)),
    }
}

fn of_two(wish: Wish, heard: &Heard) -> (Layout, Option<String>) {
    let gains_to = |level: f64, most: f64| {
        heard.levels_db.map(|db| db.map_or(1.0, |db| 10_f64.powf((level - db).min(most) / 20.0) as f32))
    };
    let loudest = heard.levels_db.into_iter().flatten().fold(f64::NEG_INFINITY, f64::max);
    let mixed = if heard.is_two_sides() {
        Layout::Mix(Some(gains_to(loudest, MOST_GAIN_DB)))
    } else {
        Layout::Mix(None)
    };
    let separate = Layout::Separate(gains_to(SIDE_LEVEL_DB, f64::INFINITY));
    match wish.channels {
        Channels::Mix => (mixed, None),
        // One person does not call himself.
        Channels::Auto if heard.is_two_sides() && wish.max_speakers != Some(1) => (separate, None),
        Channels::Auto => (mixed, None),
        Channels::Separate => match heard.levels_db.map(|db| db.is_some()) {
            [true, true] if heard.is_same() => (
                mixed,
                Some("both channels hold the same sound, so they were mixed and not separated".to_owned()),
            ),
            [true, true] => (separate, None),
            [false, false] => (mixed, Some("both channels are silent".to_owned())),
            [first, _] => {
                let (silent, other) = if first { (2, 1) } else { (1, 2) };
                let why = format!("channel {silent} is silent: only channel {other} was taken");
                (Layout::Only(other - 1), Some(why))
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALL: Heard = Heard {
        levels_db: [Some(-20.0), Some(-40.0)],
        speaks: [true, true],
        active_s: 50.0,
        alone_s: [30.0, 15.0],
        correlation: 0.1,
    };
    const ROOM: Heard = Heard { alone_s: [2.0, 1.0], correlation: 0.7, ..CALL };

    fn wish(channels: Channels) -> Wish {
        Wish { channels, ..Wish::default() }
    }

    fn planned(channels: Channels, heard: Heard) -> (Layout, Option<String>) {
        plan(wish(channels), Found::Two(heard)).expect("two channels can always be carried")
    }

    #[test]
    fn a_call_is_separated_by_itself_and_each_side_is_as_loud_as_the_other_then() {
        let (layout, warning) = planned(Channels::Auto, CALL);
        let Layout::Separate([a, b]) = layout else { panic!("{layout:?}") };
        assert!((b / a - 10.0).abs() < 1e-4 && warning.is_none());
        assert!((20.0 * a.log10() + 6.0).abs() < 1e-4);
        assert_eq!(planned(Channels::Separate, CALL), (layout, None));
    }

    #[test]
    fn a_call_that_is_mixed_has_its_quiet_side_brought_up_and_a_room_is_as_it_is() {
        let (layout, _) = planned(Channels::Mix, CALL);
        let Layout::Mix(Some([a, b])) = layout else { panic!("{layout:?}") };
        assert!((a - 1.0).abs() < 1e-6 && (b - 10.0).abs() < 1e-4);
        for channels in [Channels::Auto, Channels::Mix] {
            assert_eq!(planned(channels, ROOM), (Layout::Mix(None), None));
        }
        assert_eq!(planned(Channels::Separate, ROOM).0.channels(), 2);
        let far = Heard { levels_db: [Some(-20.0), Some(-74.0)], ..CALL };
        let Layout::Mix(Some([_, gain])) = planned(Channels::Mix, far).0 else { panic!("is mixed") };
        assert!((gain - 100.0).abs() < 1e-3);
    }

    #[test]
    fn a_caller_who_knows_of_one_speaker_gets_no_sides_by_itself() {
        let wish = |channels| Wish { channels, max_speakers: Some(1), ..Wish::default() };
        let layout = |channels| plan(wish(channels), Found::Two(CALL)).expect("can be carried").0;
        assert_eq!(layout(Channels::Auto).done(), Channels::Mix);
        assert_eq!(layout(Channels::Separate).done(), Channels::Separate);
    }

    #[test]
    fn what_cannot_be_separated_is_said_and_nothing_is_lost() {
        let (layout, why) = planned(Channels::Separate, Heard { levels_db: [None, Some(-30.0)], ..ROOM });
        assert_eq!(layout, Layout::Only(1));
        assert!(why.is_some_and(|why| why.contains("channel 1 is silent")));
        let (_, why) = planned(Channels::Separate, Heard { levels_db: [None, None], ..ROOM });
        assert!(why.is_some_and(|why| why.contains("both channels are silent")));
        let same = Heard { correlation: 1.0, alone_s: [0.0; 2], ..ROOM };
        let (layout, why) = planned(Channels::Separate, same);
        assert_eq!(layout, Layout::Mix(None));
        assert!(why.is_some_and(|why| why.contains("the same sound")));
        for found in [Found::Channels(1), Found::Changing] {
            let (layout, why) = plan(wish(Channels::Separate), found).expect("is taken");
            assert!(layout == Layout::Mix(None) && why.is_some());
        }
        let refused =
            plan(wish(Channels::Separate), Found::Channels(64)).expect_err("is refused").to_string();
        assert!(refused.contains("64 channels") && refused.contains("mix"), "{refused}");
        for channels in [Channels::Auto, Channels::Mix] {
            for found in [Found::Channels(1), Found::Channels(64), Found::Changing] {
                assert_eq!(plan(wish(channels), found).expect("is taken"), (Layout::Mix(None), None));
            }
        }
    }
}
