//! Priority: how soon a recording is analysed, beside others.

use serde::{Deserialize, Serialize};
use std::str::FromStr;
use utoipa::ToSchema;

/// How soon a recording is analysed, beside others of its caller and of all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// Somebody waits for it.
    #[default]
    Interactive,
    /// It has time: one turn where an interactive recording has eight.
    Bulk,
}

impl Priority {
    /// Name of the priority of a bulk recording.
    pub(crate) const BULK: &'static str = "bulk";
    /// Turns that an interactive recording has where a bulk one has one.
    const INTERACTIVE_TURNS: f64 = 8.0;

    /// As the database and the API call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Interactive => "interactive",
            Self::Bulk => Self::BULK,
        }
    }

    /// Weight of a recording of the priority of that `name` beside others.
    pub(crate) fn weight(name: &str) -> f64 {
        if name == Self::BULK { 1.0 } else { Self::INTERACTIVE_TURNS }
    }
}

/// It is neither.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a priority is interactive or bulk")]
pub struct UnknownPriority;

impl FromStr for Priority {
    type Err = UnknownPriority;

    fn from_str(name: &str) -> Result<Self, UnknownPriority> {
        [Self::Interactive, Self::Bulk].into_iter().find(|known| known.name() == name).ok_or(UnknownPriority)
    }
}
