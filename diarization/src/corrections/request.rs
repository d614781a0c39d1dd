//! Request: what a person asks for by the labels on the page, and the correction that it becomes.

use super::corrected::Corrected;
use super::{Anchor, Correction, Edge, Newcomer, Spoken, Stretch, Target};
use crate::blocks::{BLOCK_FRAMES, frame_start_seconds};
use crate::labels::{in_rttm, is_name};
use crate::timeline::{LEAST_FRAMES, Turn};

/// Stretches that a speaker is remembered by: the longest.
const STRETCHES: usize = 100;

/// Speaker that a turn is given to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum To {
    /// The speaker with this label.
    Label(String),
    /// A new speaker.
    New(Newcomer),
}

/// A turn, as the recording's turns show it; or several of one speaker, from the start of the first to the end of the last, with all that they say in
/// between.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TurnShown {
    /// Its first frame.
    pub first_frame: u32,
    /// One past its last frame.
    pub end_frame: u32,
    /// Label of its speaker.
    pub speaker: String,
}

/// Change that a person asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Call a speaker by another name.
    Rename {
        /// Label.
        speaker: String,
        /// The name.
        name: String,
    },
    /// Make two speakers one.
    Merge {
        /// Label of the one.
        speaker: String,
        /// Label of the other, which both have then.
        into: String,
    },
    /// Give a turn to another speaker.
    Move {
        /// The turn.
        turn: TurnShown,
        /// Speaker that the turn is given to.
        to: To,
    },
    /// Make a turn two.
    Split {
        /// The turn.
        turn: TurnShown,
        /// First frame of the second.
        at_frame: u32,
    },
    /// Let a turn begin or end elsewhere.
    Border {
        /// The turn.
        turn: TurnShown,
        /// End of the turn that is moved.
        edge: Edge,
        /// Frame at which it is to begin, or one past its last.
        at_frame: u32,
    },
    /// Take a turn out: it is no speech.
    Remove {
        /// The turn.
        turn: TurnShown,
    },
    /// Add a turn that was missed.
    Add {
        /// Its first frame.
        first_frame: u32,
        /// One past its last frame.
        end_frame: u32,
        /// Speaker whose turn it is.
        to: To,
    },
}

/// Reason why a request cannot be met.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// Nobody has this label.
    #[error("the recording has no speaker '{0}'; its speakers are: {1}")]
    NoSuchSpeaker(String, String),
    /// Nothing would change.
    #[error("'{0}' is that already; name two different speakers")]
    Same(String),
    /// Not a name.
    #[error("'{0}' cannot be a speaker's name: use 1 to 80 printable characters")]
    BadName(String),
    /// Another speaker is called so.
    #[error("another speaker is called '{0}' already; choose another name, or merge the two")]
    Taken(String),
    /// There is no such turn.
    #[error(
        "{speaker} has no turn from frame {first_frame} to {end_frame}; take one as the recording's turns show it now"
    )]
    NoSuchTurn {
        /// Label.
        speaker: String,
        /// First frame asked for.
        first_frame: u32,
        /// End asked for.
        end_frame: u32,
    },
    /// Nobody speaks where a turn is to be split.
    #[error("at {0:.2} s there is a pause, so there are two turns already")]
    Pause(f64),
    /// A border would stay where it is.
    #[error("the turn has that border already; move it somewhere else")]
    Unmoved,
    /// A turn would be shorter than any that is shown.
    #[error("a turn lasts 0.1 s or longer, and one here would be shorter")]
    TooShort,
    /// It would end after the recording.
    #[error("the recording ends at {0:.1} s, and the turn would be longer")]
    PastTheEnd(f64),
    /// The speaker speaks there already.
    #[error("{0} speaks there already, from {1:.2} to {2:.2} s; move the borders of that turn")]
    SpeaksThere(String, f64, f64),
}

/// As much of what was asked for as may stand in an answer.
fn shown(text: &str) -> String {
    text.chars().take(100).map(|c| if crate::labels::is_printable(c) { c } else { '\u{fffd}' }).collect()
}

impl Corrected {
    /// Correction that is to be stored for `request`.
    pub fn correction(&self, request: &Request) -> Result<Correction, Refusal> {
        let speakers = self.speakers();
        let find = |label: &str| {
            let found = speakers.iter().find(|(_, other)| other == label).map(|(speaker, _)| *speaker);
            let all = || speakers.iter().map(|(_, label)| label.as_str()).collect::<Vec<_>>().join(", ");
            found.ok_or_else(|| Refusal::NoSuchSpeaker(shown(label), all()))
        };
        let free = |name: &str| {
            let name = name.trim();
            if !is_name(name) {
                return Err(Refusal::BadName(shown(name)));
            }
            Ok((name.to_owned(), speakers.iter().find(|(_, other)| in_rttm(other) == in_rttm(name))))
        };
        let target = |to: &To| match to {
            To::Label(label) => Ok(Target::Known(self.anchor(find(label)?, label))),
            To::New(Newcomer { name, similar }) => match free(name)? {
                (name, Some(_)) => Err(Refusal::Taken(name)),
                (name, None) => Ok(Target::New(Newcomer { name, similar: *similar })),
            },
        };
        let spoken = |shown: &TurnShown| {
            let TurnShown { first_frame, end_frame, speaker } = shown.clone();
            let number = find(&speaker)?;
            let turns = self.turns();
            let mut own = turns.iter().filter(|turn| turn.speaker == number);
            let begins = own.clone().any(|turn| turn.first_frame == first_frame as usize);
            let ends = own.any(|turn| turn.end_frame == end_frame as usize);
            if !(begins && ends && first_frame < end_frame) {
                return Err(Refusal::NoSuchTurn { speaker, first_frame, end_frame });
            }
            let turn = self.speech(number, first_frame, end_frame);
            Ok(Spoken { first_frame, end_frame, turn, speaker: self.anchor(number, &speaker) })
        };
        let end = self.end_frame;
        let long_enough = |first_frame: u32, end_frame: u32| {
            if end_frame.saturating_sub(first_frame) < LEAST_FRAMES as u32 {
                return Err(Refusal::TooShort);
            }
            if end_frame as usize > end {
                return Err(Refusal::PastTheEnd(frame_start_seconds(end)));
            }
            Ok(())
        };
        match request {
            Request::Rename { speaker, name } => {
                let number = find(speaker)?;
                let (name, taken) = free(name)?;
                if *speaker == name {
                    return Err(Refusal::Same(name));
                }
                if taken.is_some_and(|(other, _)| *other != number) {
                    return Err(Refusal::Taken(name));
                }
                Ok(Correction::Rename { speaker: self.anchor(number, speaker), name })
            }
            Request::Merge { speaker, into } => {
                let (one, other) = (find(speaker)?, find(into)?);
                if one == other {
                    return Err(Refusal::Same(into.clone()));
                }
                Ok(Correction::Merge { speaker: self.anchor(one, speaker), into: self.anchor(other, into) })
            }
            Request::Move { turn, to } => {
                if matches!(to, To::Label(label) if *label == turn.speaker) {
                    return Err(Refusal::Same(turn.speaker.clone()));
                }
                let to = target(to)?;
                let Spoken { first_frame, end_frame, turn, speaker } = spoken(turn)?;
                Ok(Correction::Move { first_frame, end_frame, turn, speaker, to })
            }
            Request::Split { turn, at_frame } => {
                let turn = spoken(turn)?;
                long_enough(turn.first_frame, *at_frame)?;
                long_enough(*at_frame, turn.end_frame)?;
                let speaks = |it: &Stretch| it.first_frame <= *at_frame && *at_frame < it.end_frame;
                if !turn.turn.iter().any(speaks) {
                    return Err(Refusal::Pause(frame_start_seconds(*at_frame as usize)));
                }
                Ok(Correction::Split { turn, at_frame: *at_frame })
            }
            Request::Border { turn, edge, at_frame } => {
                let turn = spoken(turn)?;
                let (first_frame, end_frame) = match edge {
                    Edge::Start => (*at_frame, turn.end_frame),
                    Edge::End => (turn.first_frame, *at_frame),
                };
                if (first_frame, end_frame) == (turn.first_frame, turn.end_frame) {
                    return Err(Refusal::Unmoved);
                }
                long_enough(first_frame, end_frame)?;
                Ok(Correction::Border { turn, edge: *edge, at_frame: *at_frame })
            }
            Request::Remove { turn } => Ok(Correction::Remove { turn: spoken(turn)? }),
            Request::Add { first_frame, end_frame, to } => {
                long_enough(*first_frame, *end_frame)?;
                if let To::Label(label) = to {
                    self.silent_there(find(label)?, label, *first_frame, *end_frame)?;
                }
                Ok(Correction::Add { first_frame: *first_frame, end_frame: *end_frame, to: target(to)? })
            }
        }
    }

    /// Refuses where a turn of `speaker` reaches from `first_frame` to `end_frame` and further: nothing would change.
    fn silent_there(
        &self,
        speaker: usize,
        label: &str,
        first_frame: u32,
        end_frame: u32,
    ) -> Result<(), Refusal> {
        let turns = self.turns();
        let covers = |turn: &&Turn| {
            turn.speaker == speaker
                && turn.first_frame <= first_frame as usize
                && end_frame as usize <= turn.end_frame
        };
        turns.iter().find(covers).map_or(Ok(()), |turn| {
            Err(Refusal::SpeaksThere(label.to_owned(), turn.start_seconds(), turn.end_seconds()))
        })
    }

    /// A speaker, by the longest runs of their speech.
    fn anchor(&self, speaker: usize, label: &str) -> Anchor {
        let all = 0..self.runs.runs.len();
        let mut runs: Vec<usize> = all.filter(|&run| self.speaker_of(run) == Some(speaker)).collect();
        runs.sort_by_key(|&run| (std::cmp::Reverse(self.runs.frames(run)), run));
        runs.truncate(STRETCHES);
        runs.sort_unstable();
        let spoke = runs.into_iter().map(|run| self.runs.stretch(run)).collect();
        Anchor { label: label.to_owned(), spoke }
    }

    /// Speech of a speaker from one frame to another; runs of a slot that touch within a block are one.
    fn speech(&self, speaker: usize, first_frame: u32, end_frame: u32) -> Vec<Stretch> {
        let runs = self.runs.sharing(first_frame, end_frame).map(|(run, _)| run);
        let own = runs.filter(|&run| self.speaker_of(run) == Some(speaker));
        let mut stretches: Vec<Stretch> = own.map(|run| self.runs.stretch(run)).collect();
        stretches.sort_by_key(|it| (it.slot, it.first_frame));
        let block = |it: &Stretch| it.first_frame / BLOCK_FRAMES as u32;
        stretches.dedup_by(|next, last| {
            let touch =
                next.slot == last.slot && block(next) == block(last) && next.first_frame == last.end_frame;
            if touch {
                last.end_frame = next.end_frame;
            }
            touch
        });
        stretches.sort_by_key(|it| (it.first_frame, it.slot));
        stretches
    }
}
