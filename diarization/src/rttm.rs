//! RTTM, the text form in which diarization references and results are exchanged: one line per stretch of
//! speech, ten columns parted by blanks (NIST, *The 2009 (RT-09) Rich Transcription Meeting Recognition
//! Evaluation Plan*, appendix A).
//!
//! Only `SPEAKER` records matter here. Comments (`;;`), blank lines and records of any other type
//! (`SPKR-INFO`, `LEXEME`, `NOSCORE`, …) are passed over, so a `NOSCORE` record excludes nothing from a score.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The latest time that is taken for a time in seconds, about three years: past it, the unit is wrong.
pub const MAX_SECONDS: f64 = 1e8;

/// One stretch of one speaker's speech.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Segment {
    /// The recording, by the name that the RTTM file gives it.
    pub file: String,
    /// Start of the speech, in seconds from the start of the recording.
    pub start_s: f64,
    /// Duration of the speech, in seconds.
    pub duration_s: f64,
    /// Name of the speaker; it means something within one recording only.
    pub speaker: String,
}

impl Segment {
    /// End of the speech, in seconds from the start of the recording.
    pub fn end_s(&self) -> f64 {
        self.start_s + self.duration_s
    }
}

/// Reason why a text is not RTTM. Every message names the line, counted from 1.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum RttmError {
    /// The line breaks off before the speaker's name.
    #[error(
        "line {line}: this SPEAKER record has {found} columns where at least 8 are needed; \
         write SPEAKER FILE 1 START DURATION <NA> <NA> NAME <NA> <NA>"
    )]
    TooFewColumns {
        /// Line, counted from 1.
        line: usize,
        /// Columns that are there.
        found: usize,
    },
    /// A time that is not a number, or not a finite one.
    #[error(
        "line {line}: the {column} `{value}` is not a number; write seconds with a decimal point, such as 12.340"
    )]
    NotANumber {
        /// Line, counted from 1.
        line: usize,
        /// `start` or `duration`.
        column: &'static str,
        /// Text that stands there, shortened.
        value: String,
    },
    /// A time below zero.
    #[error(
        "line {line}: the {column} `{value}` is negative; count times in seconds from the start of the recording"
    )]
    Negative {
        /// Line, counted from 1.
        line: usize,
        /// `start` or `duration`.
        column: &'static str,
        /// Text that stands there, shortened.
        value: String,
    },
    /// A time past [`MAX_SECONDS`].
    #[error(
        "line {line}: the {column} `{value}` is longer than three years; write seconds, not samples or milliseconds"
    )]
    TooLong {
        /// Line, counted from 1.
        line: usize,
        /// `start` or `duration`.
        column: &'static str,
        /// Text that stands there, shortened.
        value: String,
    },
}

/// Reads the `SPEAKER` records of an RTTM text, in the order in which they stand there.
///
/// Columns may be parted by any blanks, lines may end in CRLF, and a byte order mark at the start is passed
/// over. The channel is not kept. Segments of no duration are kept as they are.
///
/// # Errors
///
/// The first record that cannot be read: too few columns, or a time that is no number, not finite, negative
/// or past [`MAX_SECONDS`].
pub fn parse(text: &str) -> Result<Vec<Segment>, RttmError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut segments = Vec::new();
    for (index, content) in text.lines().enumerate() {
        if let Some(segment) = parse_line(index + 1, content)? {
            segments.push(segment);
        }
    }
    Ok(segments)
}

fn parse_line(line: usize, content: &str) -> Result<Option<Segment>, RttmError> {
    let columns: Vec<&str> = content.split_whitespace().collect();
    match columns.first() {
        Some(kind) if kind.eq_ignore_ascii_case("SPEAKER") => {}
        _ => return Ok(None),
    }
    // Confidence and lookahead, after the name, may be absent.
    let &[_, file, _, start, duration, _, _, speaker, ..] = columns.as_slice() else {
        return Err(RttmError::TooFewColumns { line, found: columns.len() });
    };
    Ok(Some(Segment {
        file: file.to_owned(),
        start_s: parse_seconds(line, "start", start)?,
        duration_s: parse_seconds(line, "duration", duration)?,
        speaker: speaker.to_owned(),
    }))
}

fn parse_seconds(line: usize, column: &'static str, text: &str) -> Result<f64, RttmError> {
    let value = || text.chars().take(40).collect();
    match text.parse::<f64>() {
        Ok(seconds) if !seconds.is_finite() => Err(RttmError::NotANumber { line, column, value: value() }),
        Ok(seconds) if seconds < 0.0 => Err(RttmError::Negative { line, column, value: value() }),
        Ok(seconds) if seconds > MAX_SECONDS => Err(RttmError::TooLong { line, column, value: value() }),
        // `+ 0.0` turns a written -0 into 0.
        Ok(seconds) => Ok(seconds + 0.0),
        Err(_) => Err(RttmError::NotANumber { line, column, value: value() }),
    }
}

/// Writes segments as RTTM, in the order given, times rounded to the millisecond.
///
/// Blanks within a name would part it into columns, and some readers take control characters for blanks, so each of them
/// becomes `_`; an empty name becomes `_` too.
/// [`parse`] reads back what is written, as long as the times are such as it accepts.
pub fn write(segments: &[Segment]) -> String {
    let mut text = String::with_capacity(segments.len() * 72);
    for segment in segments {
        let (file, speaker) = (one_column(&segment.file), one_column(&segment.speaker));
        // Writing into a String cannot fail.
        let _ = writeln!(
            text,
            "SPEAKER {file} 1 {:.3} {:.3} <NA> <NA> {speaker} <NA> <NA>",
            segment.start_s, segment.duration_s
        );
    }
    text
}

fn one_column(name: &str) -> String {
    if name.is_empty() {
        return "_".to_owned();
    }
    name.chars().map(|c| if c.is_whitespace() || c.is_control() { '_' } else { c }).collect()
}
