//! Corrections: what a person says of the result, in a form that can be found again when the recording is clustered anew.
//!
//! Speakers have no lasting numbers, so a correction names them by [anchors](Anchor): stretches of the recording in which they spoke when
//! it was made. [`Corrected`] applies corrections in their order to a [labelled](crate::labelled) recording: a merge joins two voices for
//! good (must-link); a move gives a turn's speech to another speaker (must-link) and away from its own (cannot-link), whatever it
//! sounds like, and where a person wants it so, what [sounds like the turn](following) goes along; a new name is a name. A turn is also
//! [given another shape](shaping): split, longer or shorter, removed, or added where none was found. See docs/decisions/0010.

mod corrected;
mod finding;
pub mod following;
mod naming;
mod outcome;
mod request;
mod shaping;

pub use corrected::Corrected;
pub use request::{Refusal, Request, To, TurnShown};

use serde::{Deserialize, Serialize};

/// Speech of one slot: frames from and to, counted from the start of the recording, and the slot inside their block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(u32, u32, u8)", into = "(u32, u32, u8)")]
pub struct Stretch {
    /// First frame.
    pub first_frame: u32,
    /// One past the last frame.
    pub end_frame: u32,
    /// Slot inside its block; it says something only of the same analyses.
    pub slot: u8,
}

impl From<(u32, u32, u8)> for Stretch {
    fn from((first_frame, end_frame, slot): (u32, u32, u8)) -> Self {
        Self { first_frame, end_frame, slot }
    }
}

impl From<Stretch> for (u32, u32, u8) {
    fn from(it: Stretch) -> Self {
        (it.first_frame, it.end_frame, it.slot)
    }
}

/// A speaker, by when they spoke.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Anchor {
    /// Label that the speaker had.
    pub label: String,
    /// Some of the speech that was theirs, by first frame.
    pub spoke: Vec<Stretch>,
}

/// Somebody new.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Newcomer {
    /// Name.
    pub name: String,
    /// True where [what sounds like the turn](following) is theirs too.
    pub similar: bool,
}

/// Speaker that a turn is given to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// A speaker of the recording.
    Known(Anchor),
    /// Somebody who was not told apart from the others.
    New(Newcomer),
}

/// A turn, by its speech and by whose it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spoken {
    /// First frame of the turn.
    pub first_frame: u32,
    /// One past its last frame.
    pub end_frame: u32,
    /// Its speech.
    pub turn: Vec<Stretch>,
    /// Speaker whose turn it was.
    pub speaker: Anchor,
}

/// One of the two ends of a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Edge {
    /// Start of the turn.
    Start,
    /// End of the turn.
    End,
}

/// Statement of a person about the result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Correction {
    /// A speaker has this name.
    Rename {
        /// The speaker.
        speaker: Anchor,
        /// The name.
        name: String,
    },
    /// Two speakers are one.
    Merge {
        /// The speaker who is no longer shown.
        speaker: Anchor,
        /// The speaker who both are.
        into: Anchor,
    },
    /// A turn is another speaker's.
    Move {
        /// First frame of the turn.
        first_frame: u32,
        /// One past its last frame.
        end_frame: u32,
        /// Its speech.
        turn: Vec<Stretch>,
        /// Speaker whose turn it was.
        speaker: Anchor,
        /// Speaker whose turn it is.
        to: Target,
    },
    /// A turn is two, one after the other.
    Split {
        /// The turn.
        #[serde(flatten)]
        turn: Spoken,
        /// First frame of the second.
        at_frame: u32,
    },
    /// A turn begins or ends elsewhere.
    Border {
        /// The turn.
        #[serde(flatten)]
        turn: Spoken,
        /// End of the turn that is moved.
        edge: Edge,
        /// Frame at which it begins, or one past its last.
        at_frame: u32,
    },
    /// A turn is no speech.
    Remove {
        /// The turn.
        #[serde(flatten)]
        turn: Spoken,
    },
    /// A turn was missed.
    Add {
        /// Its first frame.
        first_frame: u32,
        /// One past its last frame.
        end_frame: u32,
        /// Speaker whose turn it is.
        to: Target,
    },
}

/// A correction as it is stored, and whether it was made of the analyses that are at hand. Of others, slots say nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// The correction.
    pub correction: Correction,
    /// True where the recording's analyses are of the same models and configuration.
    pub same_analyses: bool,
}
