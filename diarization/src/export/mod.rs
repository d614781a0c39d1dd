//! Export: who spoke when, in the forms that other programs read.
//!
//! Times are in seconds from the start of the recording and rounded to milliseconds, as in RTTM. Nothing here knows what was said:
//! where a form wants words, the speaker's name stands.

mod audacity;
mod csv;
mod eaf;
mod label_studio;
mod subtitles;
mod textgrid;

use std::str::FromStr;

/// Recording and turns that are exported.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sheet {
    /// Name of the recording.
    pub file: String,
    /// Its length in seconds.
    pub duration_s: f64,
    /// Time at which it was diarized, in RFC 3339; read by ELAN.
    pub date: String,
    /// The turns, by start.
    pub lines: Vec<Line>,
}

/// A turn.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// Start in milliseconds.
    pub start_ms: u64,
    /// End in milliseconds, after the start.
    pub end_ms: u64,
    /// Label of the speaker.
    pub speaker: String,
    /// Probability that the speaker is right, where it is known.
    pub confidence: Option<f64>,
}

impl Line {
    /// The turn from `start_s` to `end_s` seconds; `None` of one that rounding leaves nothing of.
    pub fn new(start_s: f64, end_s: f64, speaker: &str, confidence: Option<f64>) -> Option<Self> {
        let milliseconds = |seconds: f64| (seconds.max(0.0) * 1000.0).round() as u64;
        let (start_ms, end_ms) = (milliseconds(start_s), milliseconds(end_s));
        (end_ms > start_ms).then(|| Self { start_ms, end_ms, speaker: speaker.to_owned(), confidence })
    }
}

impl Sheet {
    /// The speakers in the order in which they first speak, each with their turns.
    fn by_speaker(&self) -> Vec<(&str, Vec<&Line>)> {
        let mut speakers: Vec<(&str, Vec<&Line>)> = Vec::new();
        for line in &self.lines {
            match speakers.iter_mut().find(|(name, _)| *name == line.speaker) {
                Some((_, lines)) => lines.push(line),
                None => speakers.push((&line.speaker, vec![line])),
            }
        }
        speakers
    }

    /// Milliseconds of the whole: its length, or the end of the last turn where that is later.
    fn duration_ms(&self) -> u64 {
        let last = self.lines.iter().map(|line| line.end_ms).max().unwrap_or_default();
        last.max((self.duration_s.max(0.0) * 1000.0).round() as u64)
    }
}

/// `text` with a mark in place of what XML 1.0 has no place for, and other programs choke on: most control characters, U+FFFE and U+FFFF.
fn sound(text: &str) -> String {
    let is_sound = |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
    text.chars().map(|c| if is_sound(c) { c } else { char::REPLACEMENT_CHARACTER }).collect()
}

/// A form that other programs read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Comma-separated values (RFC 4180): start, end, speaker, confidence.
    Csv,
    /// SubRip subtitles.
    Srt,
    /// WebVTT, with voice tags.
    WebVtt,
    /// A label track of Audacity.
    Audacity,
    /// A Praat TextGrid, a tier per speaker.
    TextGrid,
    /// An ELAN annotation document (EAF 3.0), a tier per speaker.
    Eaf,
    /// A task of Label Studio with the turns as its prediction.
    LabelStudio,
}

/// Name, endings of file names, and media type.
const FORMATS: [(Format, &str, &str, &str); 7] = [
    (Format::Csv, "csv", "csv", "text/csv; charset=utf-8; header=present"),
    (Format::Srt, "srt", "srt", "application/x-subrip; charset=utf-8"),
    (Format::WebVtt, "vtt", "vtt", "text/vtt; charset=utf-8"),
    (Format::Audacity, "audacity", "txt", "text/plain; charset=utf-8"),
    (Format::TextGrid, "textgrid", "TextGrid", "text/plain; charset=utf-8"),
    (Format::Eaf, "eaf", "eaf", "application/xml; charset=utf-8"),
    (Format::LabelStudio, "label-studio", "label-studio.json", "application/json"),
];

/// No format has that name.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("'{0}' is no export format: use one of {names}", names = Format::names().join(", "))]
pub struct UnknownFormat(pub String);

impl Format {
    fn row(self) -> &'static (Format, &'static str, &'static str, &'static str) {
        // Every format has a row: a test goes through them.
        FORMATS.iter().find(|(format, ..)| *format == self).unwrap_or(&FORMATS[0])
    }

    /// All formats.
    pub fn all() -> impl Iterator<Item = Self> {
        FORMATS.iter().map(|row| row.0)
    }

    /// The names of all formats.
    pub fn names() -> Vec<&'static str> {
        FORMATS.iter().map(|row| row.1).collect()
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        self.row().1
    }

    /// Ending of the names of its files, without the dot.
    pub fn extension(self) -> &'static str {
        self.row().2
    }

    /// Its media type.
    pub fn media_type(self) -> &'static str {
        self.row().3
    }

    /// The format that a file of this name has; the longest ending that fits says.
    pub fn of_file_name(name: &str) -> Option<Self> {
        let name = name.to_lowercase();
        let fits = |extension: &str| name.ends_with(&format!(".{}", extension.to_lowercase()));
        FORMATS.iter().filter(|row| fits(row.2)).max_by_key(|row| row.2.len()).map(|row| row.0)
    }

    /// `sheet` in this form.
    pub fn write(self, sheet: &Sheet) -> String {
        match self {
            Self::Csv => csv::write(sheet),
            Self::Srt => subtitles::srt(sheet),
            Self::WebVtt => subtitles::webvtt(sheet),
            Self::Audacity => audacity::write(sheet),
            Self::TextGrid => textgrid::write(sheet),
            Self::Eaf => eaf::write(sheet),
            Self::LabelStudio => label_studio::write(sheet),
        }
    }
}

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(name: &str) -> Result<Self, UnknownFormat> {
        let found = FORMATS.iter().find(|row| row.1 == name).map(|row| row.0);
        found.ok_or_else(|| UnknownFormat(name.to_owned()))
    }
}

/// Seconds with three decimals.
fn seconds(milliseconds: u64) -> String {
    format!("{}.{:03}", milliseconds / 1000, milliseconds % 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two speakers, one with a name that every form must take care of.
    pub(super) fn sheet() -> Sheet {
        let line = |start_s, end_s, speaker, confidence| Line::new(start_s, end_s, speaker, confidence);
        let lines = [
            line(0.5, 2.25, "Ann", Some(0.987)),
            line(2.0, 3_725.004, r#"=B"o,b <&> é"#, None),
            line(3_730.0, 3_731.0, "Ann", Some(0.5)),
        ];
        Sheet {
            file: "my talk".into(),
            duration_s: 3_740.5,
            date: "2026-11-26T03:00:00Z".into(),
            lines: lines.into_iter().flatten().collect(),
        }
    }

    #[test]
    fn every_format_is_known_by_its_name_and_by_the_files_it_writes() {
        for (format, name) in Format::all().zip(Format::names()) {
            assert_eq!(name.parse(), Ok(format));
            assert_eq!(Format::of_file_name(&format!("a.b.{}", format.extension())), Some(format));
            assert!(!format.write(&Sheet::default()).contains("NaN"), "{name}: nothing can be exported too");
        }
        assert_eq!(Format::of_file_name("talk.label-studio.json"), Some(Format::LabelStudio));
        assert_eq!(Format::of_file_name("TALK.TEXTGRID"), Some(Format::TextGrid));
        assert_eq!(Format::of_file_name("talk.json"), None);
        let unknown = "docx".parse::<Format>().expect_err("is none").to_string();
        assert!(unknown.contains("'docx'") && unknown.contains("label-studio"), "{unknown}");
    }

    #[test]
    fn a_turn_that_rounding_leaves_nothing_of_is_none() {
        assert_eq!(Line::new(1.0, 1.0004, "A", None), None);
        assert_eq!(
            Line::new(1.0, 1.0006, "A", None).map(|line| (line.start_ms, line.end_ms)),
            Some((1000, 1001))
        );
    }

    #[test]
    fn speakers_come_in_the_order_in_which_they_speak() {
        let sheet = sheet();
        let speakers = sheet.by_speaker();
        assert_eq!(speakers.iter().map(|(_, lines)| lines.len()).collect::<Vec<_>>(), [2, 1]);
        assert_eq!(sheet.duration_ms(), 3_740_500);
    }
}
