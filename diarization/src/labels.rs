//! Labels: the names that speakers are shown under.

use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::fmt;
use std::str::FromStr;

/// Scheme by which speakers are named, in the order in which they first speak.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum LabelScheme {
    /// Interviewer, Respondent, Respondent2, Respondent3…
    Interview,
    /// SPEAKER_00, SPEAKER_01…
    #[default]
    Numbered,
    /// The caller's names; speakers beyond the list are numbered.
    Names(Vec<String>),
}

/// The scheme cannot be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum LabelError {
    /// A name in the list is empty, too long or has a control character.
    #[error("'{0}' cannot be a speaker's name: use 1 to 80 printable characters")]
    BadName(String),
    /// A name stands twice in the list, or two names would be the same in RTTM, where spaces are underscores.
    #[error("the speaker name '{0}' is given twice")]
    Twice(String),
    /// Nobody can tell so many apart.
    #[error("there are more than {MOST_NAMES} speaker names; give fewer")]
    TooMany,
    /// A name is one that speakers beyond the list are given.
    #[error("'{0}' is what an unnamed speaker is called: choose another name")]
    Reserved(String),
}

impl LabelScheme {
    /// Label of the speaker who was the `index`-th (from 0) to speak.
    pub fn label(&self, index: usize) -> String {
        match (self, index) {
            (Self::Interview, 0) => "Interviewer".into(),
            (Self::Interview, 1) => "Respondent".into(),
            (Self::Interview, _) => format!("Respondent{index}"),
            (Self::Names(names), _) if index < names.len() => names[index].clone(),
            _ => format!("SPEAKER_{index:02}"),
        }
    }
}

/// Most names in a list.
const MOST_NAMES: usize = 1000;

/// True where `c` may stand in what people read on one line. It is no control character, no other line end, no byte order mark and no
/// noncharacter. It is also none of the marks that turn the direction of what follows, by which one name can be made to look like another.
pub fn is_printable(c: char) -> bool {
    let turns =
        matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    !(c.is_control() || turns || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}') || is_noncharacter(c))
}

/// True for a noncharacter, which never stands for anything; XML refuses two of them, U+FFFE and U+FFFF.
fn is_noncharacter(c: char) -> bool {
    matches!(c, '\u{fdd0}'..='\u{fdef}') || c as u32 & 0xfffe == 0xfffe
}

/// True where anything is seen of `c`: no blank, and none of the marks that have no width.
pub fn is_visible(c: char) -> bool {
    let of_no_width = matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}'
        | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
        | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}');
    is_printable(c) && !c.is_whitespace() && !of_no_width
}

/// Most characters of a name.
const LONGEST_NAME: usize = 80;

/// True where a speaker may be called `name`: something to read on one line, and not too much.
pub fn is_name(name: &str) -> bool {
    name.chars().any(is_visible) && name.chars().count() <= LONGEST_NAME && name.chars().all(is_printable)
}

/// A name as RTTM writes it: two names that are the same in it cannot be told apart.
pub fn in_rttm(name: &str) -> String {
    name.split_whitespace().collect::<Vec<_>>().join("_")
}

impl FromStr for LabelScheme {
    type Err = LabelError;

    /// `interview`, `numbered`, or names with commas between them.
    fn from_str(text: &str) -> Result<Self, LabelError> {
        match text.trim() {
            "interview" => Ok(Self::Interview),
            "numbered" => Ok(Self::Numbered),
            list => {
                let names: Vec<String> = list.split(',').map(|name| name.trim().to_owned()).collect();
                if names.len() > MOST_NAMES {
                    return Err(LabelError::TooMany);
                }
                let mut seen = HashSet::new();
                for name in &names {
                    if !is_name(name) {
                        return Err(LabelError::BadName(name.clone()));
                    }
                    if !seen.insert(in_rttm(name)) {
                        return Err(LabelError::Twice(name.clone()));
                    }
                    if in_rttm(name)
                        .strip_prefix("SPEAKER_")
                        .is_some_and(|n| n.chars().all(|c| c.is_ascii_digit()))
                    {
                        return Err(LabelError::Reserved(name.clone()));
                    }
                }
                Ok(Self::Names(names))
            }
        }
    }
}

impl TryFrom<String> for LabelScheme {
    type Error = LabelError;

    fn try_from(text: String) -> Result<Self, LabelError> {
        match text.parse() {
            // Taken when more was a name: what is stored must go on being read.
            Err(LabelError::BadName(_)) => {
                Ok(Self::Names(text.split(',').map(|name| name.trim().to_owned()).collect()))
            }
            read => read,
        }
    }
}

impl fmt::Display for LabelScheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Interview => f.write_str("interview"),
            Self::Numbered => f.write_str("numbered"),
            Self::Names(names) => f.write_str(&names.join(",")),
        }
    }
}

impl From<LabelScheme> for String {
    fn from(scheme: LabelScheme) -> String {
        scheme.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(scheme: &str, count: usize) -> Vec<String> {
        let scheme: LabelScheme = scheme.parse().expect("a scheme");
        (0..count).map(|index| scheme.label(index)).collect()
    }

    #[test]
    fn the_first_voice_of_an_interview_is_the_interviewer() {
        assert_eq!(first("interview", 4), ["Interviewer", "Respondent", "Respondent2", "Respondent3"]);
    }

    #[test]
    fn speakers_beyond_the_callers_names_are_numbered() {
        assert_eq!(first("Ann, Bob", 3), ["Ann", "Bob", "SPEAKER_02"]);
    }

    #[test]
    fn a_name_given_twice_or_empty_is_refused() {
        assert_eq!("Ann,Ann".parse::<LabelScheme>(), Err(LabelError::Twice("Ann".into())));
        assert_eq!("Ann,,Bob".parse::<LabelScheme>(), Err(LabelError::BadName(String::new())));
    }

    #[test]
    fn two_speakers_can_never_share_a_name() {
        assert_eq!("A B,A_B".parse::<LabelScheme>(), Err(LabelError::Twice("A_B".into())));
        assert_eq!("Ann,SPEAKER_01".parse::<LabelScheme>(), Err(LabelError::Reserved("SPEAKER_01".into())));
    }

    #[test]
    fn a_name_has_something_to_see_in_it() {
        for nothing in [
            "\u{200b}",
            "\u{2060}\u{200d}",
            "\u{3164}",
            "\u{ad} \u{fe0f}",
            "\u{e0041}",
            "a\u{fffe}",
            "a\u{1ffff}",
        ] {
            assert!(!is_name(nothing), "{nothing:?}");
            assert!(nothing.parse::<LabelScheme>().is_err());
            assert!(LabelScheme::try_from(nothing.to_owned()).is_ok(), "what is stored is read");
        }
        for name in ["Ann", "\u{646}\u{6cc}\u{200c}\u{647}", "\u{1f469}\u{200d}\u{1f467}", "李", "."] {
            assert!(is_name(name), "{name:?}");
        }
    }

    #[test]
    fn a_scheme_survives_being_written_and_read() {
        for text in ["interview", "numbered", "Ann,Bob"] {
            assert_eq!(text.parse::<LabelScheme>().expect("a scheme").to_string(), text);
        }
    }
}
