//! Channels: what the caller wants done with the channels of a file, and what was done.

use crate::segmentation::LOCAL_SPEAKERS;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Most channels that are told apart.
pub const MOST_SIDES: usize = 2;

/// Treatment wanted for a file with several channels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Channels {
    /// Two channels that are two sides of a call are told apart; all others are mixed.
    #[default]
    Auto,
    /// All channels become one.
    Mix,
    /// Each of two channels is heard by itself, and nobody speaks on both.
    Separate,
}

/// The word is none of those.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("channels must be auto, mix or separate")]
pub struct ChannelsError;

impl Channels {
    /// True for the treatment that holds where nobody chose one.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Mix => "mix",
            Self::Separate => "separate",
        }
    }
}

impl FromStr for Channels {
    type Err = ChannelsError;

    fn from_str(word: &str) -> Result<Self, ChannelsError> {
        [Self::Auto, Self::Mix, Self::Separate].into_iter().find(|it| it.word() == word).ok_or(ChannelsError)
    }
}

impl fmt::Display for Channels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// The channel that `slot` of a block is of: each has as many slots as segmentation tells speakers apart.
pub fn of_slot(slot: u8) -> u8 {
    slot / LOCAL_SPEAKERS as u8
}

/// The first slot of `channel`.
pub fn first_slot(channel: usize) -> u8 {
    (channel * LOCAL_SPEAKERS) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_read_as_it_is_written_and_no_other_is() {
        for it in [Channels::Auto, Channels::Mix, Channels::Separate] {
            assert_eq!(it.to_string().parse(), Ok(it));
            assert_eq!(serde_json::to_string(&it).expect("is written"), format!("\"{it}\""));
        }
        assert!(
            "stereo"
                .parse::<Channels>()
                .is_err_and(|error| error.to_string().contains("auto, mix or separate"))
        );
    }

    #[test]
    fn the_slots_of_a_channel_are_three() {
        assert_eq!((0..6).map(of_slot).collect::<Vec<_>>(), [0, 0, 0, 1, 1, 1]);
        assert_eq!((first_slot(0), first_slot(1)), (0, 3));
    }
}
