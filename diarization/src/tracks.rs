//! Tracks: which audio tracks of a file are heard.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Most audio tracks of a file.
pub const MOST_TRACKS: u32 = 64;

/// Tracks wanted of a file with several audio tracks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Tracks {
    /// The one that the file marks as its default, else the first. A file that has others says so in a warning.
    #[default]
    Default,
    /// All, each as a channel of its own.
    All,
    /// The one of this number, counted from 1 in the order of the file.
    One(u32),
}

/// The word is none of those.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("tracks must be default, all, or the number of an audio track from 1 to {MOST_TRACKS}")]
pub struct TracksError;

impl Tracks {
    /// True for the choice that holds where nobody made one.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl FromStr for Tracks {
    type Err = TracksError;

    fn from_str(word: &str) -> Result<Self, TracksError> {
        match word {
            "default" => Ok(Self::Default),
            "all" => Ok(Self::All),
            number => match number.parse() {
                Ok(number) if (1..=MOST_TRACKS).contains(&number) => Ok(Self::One(number)),
                _ => Err(TracksError),
            },
        }
    }
}

impl fmt::Display for Tracks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::All => f.write_str("all"),
            Self::One(number) => number.fmt(f),
        }
    }
}

impl TryFrom<String> for Tracks {
    type Error = TracksError;

    fn try_from(word: String) -> Result<Self, TracksError> {
        word.parse()
    }
}

impl From<Tracks> for String {
    fn from(tracks: Tracks) -> Self {
        tracks.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_read_as_it_is_written_and_no_other_is() {
        for it in [Tracks::Default, Tracks::All, Tracks::One(1), Tracks::One(64)] {
            assert_eq!(it.to_string().parse(), Ok(it));
            let json = serde_json::to_string(&it).expect("is written");
            assert_eq!(json, format!("\"{it}\""));
            assert_eq!(serde_json::from_str::<Tracks>(&json).expect("is read"), it);
        }
        for word in ["0", "65", "-1", "both", ""] {
            assert_eq!(word.parse::<Tracks>(), Err(TracksError), "{word}");
        }
    }
}
