//! Options: what an uploader can say about a recording, from the query of the address and from the fields of a form.

use super::file_name;
use super::shown::shown;
use crate::recordings::priority::Priority;
use diarization::blocks::MAX_CHUNK_BLOCKS;
use diarization::channels::Channels;
use diarization::diarize::Settings;
use diarization::hints::{HintError, Hints};
use diarization::labels::{LabelError, LabelScheme, is_printable, is_visible};
use diarization::similarity::{Threshold, ThresholdError};
use diarization::tracks::Tracks;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

const KNOWN: &str = "title, labels, num_speakers, min_speakers, max_speakers, threshold, channels, tracks, allow_gaps, chunk_blocks, priority and file_name";
/// Longest value of an option, in bytes.
pub(crate) const LONGEST_VALUE: usize = 16 << 10;
/// Longest title, in characters.
const LONGEST_TITLE: usize = 300;
/// Title of a recording that has neither a title nor a file name.
const UNTITLED: &str = "Untitled";

/// An option cannot be used.
#[derive(Debug, thiserror::Error, PartialEq)]
pub(crate) enum OptionError {
    #[error("there is no option '{0}'; there are {KNOWN}")]
    Unknown(String),
    #[error("the option '{0}' is given twice; give it once")]
    Twice(String),
    #[error("the option '{name}' must be a whole number, not '{value}'")]
    NotAWholeNumber { name: &'static str, value: String },
    #[error("the option 'threshold' must be a number such as 0.45, not '{0}'")]
    NotANumber(String),
    #[error("the option 'allow_gaps' must be true or false, not '{0}'")]
    NotTrueOrFalse(String),
    #[error("the option 'channels' must be auto, mix or separate, not '{0}'")]
    Channels(String),
    #[error("the option 'tracks' must be default, all, or the number of an audio track, not '{0}'")]
    Tracks(String),
    #[error("the option 'priority' must be interactive or bulk, not '{0}'")]
    Priority(String),
    #[error("{0}")]
    Threshold(String),
    #[error("{0}")]
    Hints(#[from] HintError),
    #[error("labels: {0}; or give `interview` or `numbered`")]
    Labels(#[from] LabelError),
    #[error("chunk_blocks must be 1 to {MAX_CHUNK_BLOCKS}, not {0}")]
    ChunkBlocks(usize),
    #[error("the title has more than {LONGEST_TITLE} characters; shorten it")]
    LongTitle,
    #[error("the title is empty; give at least one printable character")]
    NoTitle,
    #[error("the field '{0}' is longer than an option can be")]
    LongField(String),
}

impl From<ThresholdError> for OptionError {
    fn from(error: ThresholdError) -> Self {
        Self::Threshold(error.to_string())
    }
}

/// Options as they come in, in any order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options {
    seen: Vec<String>,
    title: Option<String>,
    file_name: Option<String>,
    labels: Option<LabelScheme>,
    num_speakers: Option<usize>,
    min_speakers: Option<usize>,
    max_speakers: Option<usize>,
    threshold: Option<Threshold>,
    channels: Option<Channels>,
    tracks: Option<Tracks>,
    allow_gaps: Option<bool>,
    chunk_blocks: Option<usize>,
    priority: Option<Priority>,
}

/// What an uploader can say, for the document.
#[derive(IntoParams, ToSchema)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only the document needs it")]
pub(crate) struct UploadOptions {
    /// The file's name unless given.
    #[schema(max_length = 300)]
    #[param(max_length = 300)]
    title: Option<String>,
    /// How speakers are named: `numbered` (unless given), `interview`, or names with commas between.
    labels: Option<String>,
    /// How many speakers there are; not together with `min_speakers` and `max_speakers`.
    #[schema(minimum = 1, maximum = 100)]
    #[param(minimum = 1, maximum = 100)]
    num_speakers: Option<u32>,
    #[schema(minimum = 1, maximum = 100)]
    #[param(minimum = 1, maximum = 100)]
    min_speakers: Option<u32>,
    #[schema(minimum = 1, maximum = 100)]
    #[param(minimum = 1, maximum = 100)]
    max_speakers: Option<u32>,
    /// Probability from which two voices count as the same: lower merges more speakers, higher splits more.
    #[schema(minimum = 0.01, maximum = 0.99, default = 0.45)]
    #[param(minimum = 0.01, maximum = 0.99, default = 0.45)]
    threshold: Option<f64>,
    /// What is done with the channels of the file.
    #[schema(inline, default = "auto")]
    #[param(inline, default = "auto")]
    channels: Option<ChannelsWanted>,
    /// Which audio tracks of the file are heard: `default` (the one that the file marks as such, else the first; the others are warned
    /// of), `all` (each as a channel of its own), or the number of one, from 1.
    #[schema(default = "default")]
    #[param(default = "default")]
    tracks: Option<String>,
    /// Complete without chunks that cannot be analysed.
    allow_gaps: Option<bool>,
    /// Blocks of 59.94 s per chunk; the result does not depend on it.
    #[schema(minimum = 1, maximum = 20)]
    #[param(minimum = 1, maximum = 20)]
    chunk_blocks: Option<u32>,
    /// How soon it is analysed, beside others: an interactive recording has eight turns where a bulk one has one.
    #[schema(inline, default = "interactive")]
    #[param(inline, default = "interactive")]
    priority: Option<Priority>,
    /// Name of the file; for a form, in place of the name that it has there.
    file_name: Option<String>,
}

/// What is done with the channels of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[expect(dead_code, reason = "only the document needs it")]
pub(crate) enum ChannelsWanted {
    /// Two channels that are two sides of a call are told apart; all others are mixed.
    Auto,
    /// All become one.
    Mix,
    /// Each of two is heard by itself, and nobody speaks on both.
    Separate,
}

/// Options put together.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Chosen {
    pub title: String,
    pub file_stem: String,
    pub settings: Settings,
    pub allow_gaps: bool,
    pub chunk_blocks: u32,
    pub priority: Priority,
}

impl Options {
    /// Takes one option. A blank value is one not given, as a form sends it.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), OptionError> {
        if value.len() > LONGEST_VALUE {
            return Err(OptionError::LongField(shown(name)));
        }
        let value = value.trim();
        let given = !value.is_empty();
        match name {
            "title" => self.title = title(value)?,
            "file_name" => self.file_name = file_name::base(value),
            "labels" => self.labels = if given { Some(value.parse()?) } else { None },
            "num_speakers" => self.num_speakers = whole("num_speakers", value)?,
            "min_speakers" => self.min_speakers = whole("min_speakers", value)?,
            "max_speakers" => self.max_speakers = whole("max_speakers", value)?,
            "threshold" => self.threshold = if given { Some(threshold(value)?) } else { None },
            "channels" => self.channels = if given { Some(channels(value)?) } else { None },
            "tracks" => self.tracks = if given { Some(tracks(value)?) } else { None },
            "allow_gaps" => self.allow_gaps = if given { Some(yes_or_no(value)?) } else { None },
            "chunk_blocks" => self.chunk_blocks = chunk_blocks(whole("chunk_blocks", value)?)?,
            "priority" => self.priority = if given { Some(priority(value)?) } else { None },
            unknown => return Err(OptionError::Unknown(shown(unknown))),
        }
        if self.seen.iter().any(|seen| seen == name) {
            return Err(OptionError::Twice(name.to_owned()));
        }
        self.seen.push(name.to_owned());
        Ok(())
    }

    /// Checks the options against each other and fills in what was not given. `part_name` is the file name of a form's
    /// `file`; the option `file_name` goes before it.
    pub fn choose(self, part_name: Option<&str>, default_chunk_blocks: u32) -> Result<Chosen, OptionError> {
        let threshold = self.threshold.unwrap_or_default();
        let hints = Hints::new(self.num_speakers, self.min_speakers, self.max_speakers, threshold)?;
        let name = self.file_name.or_else(|| part_name.and_then(file_name::base));
        Ok(Chosen {
            file_stem: name.as_deref().map_or(file_name::UNNAMED, file_name::stem).to_owned(),
            title: self.title.or(name).unwrap_or_else(|| UNTITLED.to_owned()),
            settings: Settings {
                hints,
                labels: self.labels.unwrap_or_default(),
                channels: self.channels.unwrap_or_default(),
                tracks: self.tracks.unwrap_or_default(),
            },
            allow_gaps: self.allow_gaps.unwrap_or(false),
            chunk_blocks: self.chunk_blocks.map_or(default_chunk_blocks, |blocks| blocks as u32),
            priority: self.priority.unwrap_or_default(),
        })
    }
}

/// A title as it is kept; nothing of one that says nothing.
pub(super) fn title(value: &str) -> Result<Option<String>, OptionError> {
    let title: String = value.chars().map(|c| if is_printable(c) { c } else { ' ' }).collect();
    let title = title.trim();
    if title.chars().count() > LONGEST_TITLE {
        return Err(OptionError::LongTitle);
    }
    Ok(title.chars().any(is_visible).then(|| title.to_owned()))
}

fn whole(name: &'static str, value: &str) -> Result<Option<usize>, OptionError> {
    if value.is_empty() {
        return Ok(None);
    }
    value.parse().map(Some).map_err(|_| OptionError::NotAWholeNumber { name, value: shown(value) })
}

fn threshold(value: &str) -> Result<Threshold, OptionError> {
    let number: f64 = value.parse().map_err(|_| OptionError::NotANumber(shown(value)))?;
    Ok(Threshold::try_from(number)?)
}

pub(crate) fn channels(value: &str) -> Result<Channels, OptionError> {
    value.parse().map_err(|_| OptionError::Channels(shown(value)))
}

pub(crate) fn tracks(value: &str) -> Result<Tracks, OptionError> {
    value.parse().map_err(|_| OptionError::Tracks(shown(value)))
}

fn priority(value: &str) -> Result<Priority, OptionError> {
    value.parse().map_err(|_| OptionError::Priority(shown(value)))
}

fn yes_or_no(value: &str) -> Result<bool, OptionError> {
    value.parse().map_err(|_| OptionError::NotTrueOrFalse(shown(value)))
}

fn chunk_blocks(blocks: Option<usize>) -> Result<Option<usize>, OptionError> {
    match blocks {
        Some(blocks) if !(1..=MAX_CHUNK_BLOCKS).contains(&blocks) => Err(OptionError::ChunkBlocks(blocks)),
        fits => Ok(fits),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(options: &[(&str, &str)], part_name: Option<&str>) -> Result<Chosen, OptionError> {
        let mut taken = Options::default();
        for (name, value) in options {
            taken.set(name, value)?;
        }
        taken.choose(part_name, 5)
    }

    #[test]
    fn without_options_the_file_name_and_the_defaults_are_taken() {
        let chosen = chosen(&[("title", " "), ("num_speakers", "")], Some("dir/My talk.mp3")).expect("fits");
        assert_eq!((chosen.title.as_str(), chosen.file_stem.as_str()), ("My talk.mp3", "My talk"));
        assert_eq!((chosen.settings, chosen.chunk_blocks), (Settings::default(), 5));
        assert_eq!(chosen.priority, Priority::Interactive);
    }

    #[test]
    fn a_recording_without_any_name_is_untitled() {
        let chosen = chosen(&[], None).expect("fits");
        assert_eq!((chosen.title.as_str(), chosen.file_stem.as_str()), ("Untitled", "recording"));
    }

    #[test]
    fn every_option_reaches_the_settings() {
        let options = [
            ("title", "Call 7"),
            ("labels", "Ann,Bob"),
            ("min_speakers", "2"),
            ("max_speakers", "4"),
            ("threshold", "0.6"),
            ("channels", "separate"),
            ("tracks", "2"),
            ("allow_gaps", "true"),
            ("chunk_blocks", "20"),
            ("priority", "bulk"),
            ("file_name", "seven.wav"),
        ];
        let chosen = chosen(&options, Some("part.wav")).expect("fits");
        assert_eq!(
            (chosen.title.as_str(), chosen.file_stem.as_str(), chosen.chunk_blocks, chosen.allow_gaps),
            ("Call 7", "seven", 20, true)
        );
        assert_eq!((chosen.settings.channels, chosen.settings.tracks), (Channels::Separate, Tracks::One(2)));
        assert_eq!(chosen.priority, Priority::Bulk);
        let hints = chosen.settings.hints;
        assert_eq!((hints.min_speakers, hints.max_speakers), (Some(2), Some(4)));
        assert_eq!(hints.threshold.probability(), 0.6);
        assert_eq!(chosen.settings.labels, LabelScheme::Names(vec!["Ann".into(), "Bob".into()]));
        let exact = super::tests::chosen(&[("num_speakers", "3")], None).expect("fits").settings.hints;
        assert_eq!((exact.min_speakers, exact.max_speakers), (Some(3), Some(3)));
    }

    #[test]
    fn what_cannot_be_used_is_refused_by_name() {
        let refused = |options: &[(&str, &str)]| chosen(options, None).expect_err("is refused").to_string();
        let unknown = refused(&[("speakers", "2")]);
        assert!(unknown.contains("'speakers'") && unknown.contains("num_speakers"), "{unknown}");
        assert!(refused(&[("threshold", "75")]).contains("between 0.01 and 0.99"));
        assert!(refused(&[("threshold", "high")]).contains("0.45"));
        assert!(refused(&[("num_speakers", "two")]).contains("'num_speakers' must be a whole number"));
        assert!(refused(&[("num_speakers", "2"), ("max_speakers", "3")]).contains("not both"));
        assert!(refused(&[("chunk_blocks", "0")]).contains("1 to 20"));
        assert!(refused(&[("channels", "left")]).contains("auto, mix or separate, not 'left'"));
        assert!(
            refused(&[("tracks", "0")]).contains("default, all, or the number of an audio track, not '0'")
        );
        assert!(refused(&[("priority", "urgent")]).contains("interactive or bulk, not 'urgent'"));
        assert!(refused(&[("title", "a"), ("title", "b")]).contains("twice"));
        assert!(refused(&[("labels", "Ann,,Bob")]).contains("interview"));
    }
}
