//! Report: tables for people, and the JSON form of a diarization.

use comfy_table::{CellAlignment, ContentArrangement, Table};
use diarization::diarize::Diarization;
use serde::Serialize;

/// Pauses shorter than this do not end a turn in the table; files keep every border.
const READABLE_GAP_S: f64 = 0.5;

/// A turn as people and programs read it.
#[derive(Clone, Debug, PartialEq, Serialize, serde::Deserialize)]
pub struct Turn {
    /// Start in seconds.
    pub start: f64,
    /// End in seconds.
    pub end: f64,
    /// Label of the speaker.
    pub speaker: String,
}

/// A speaker's share.
#[derive(Clone, Debug, PartialEq, Serialize, serde::Deserialize)]
pub struct Share {
    /// Label.
    pub label: String,
    /// Seconds of speech.
    pub speech_seconds: f64,
}

/// Rounded to milliseconds, as RTTM is.
fn milliseconds(seconds: f64) -> f64 {
    (seconds * 1000.0).round() / 1000.0
}

/// The turns of a result.
pub fn turns(diarization: &Diarization) -> Vec<Turn> {
    let turn = |t: &diarization::timeline::Turn| Turn {
        start: milliseconds(t.start_seconds()),
        end: milliseconds(t.end_seconds()),
        speaker: diarization.speakers[t.speaker].label.clone(),
    };
    diarization.turns.iter().map(turn).collect()
}

/// The speakers of a result.
pub fn shares(diarization: &Diarization) -> Vec<Share> {
    let share = |s: &diarization::diarize::Speaker| Share {
        label: s.label.clone(),
        speech_seconds: milliseconds(s.speech_seconds),
    };
    diarization.speakers.iter().map(share).collect()
}

/// `75.3` as `1:15.3`; hours where there are any.
pub fn clock(seconds: f64) -> String {
    let tenths = (seconds * 10.0).round() as u64;
    let (hours, minutes, rest) = (tenths / 36_000, tenths / 600 % 60, tenths % 600);
    if hours > 0 {
        format!("{hours}:{minutes:02}:{:02}.{}", rest / 10, rest % 10)
    } else {
        format!("{minutes}:{:02}.{}", rest / 10, rest % 10)
    }
}

/// A plain table whose columns from `numbers` on are right-aligned.
pub fn table(header: &[&str], numbers: std::ops::Range<usize>) -> Table {
    let mut table = Table::new();
    table
        .load_style(comfy_table::presets::UTF8_HORIZONTAL_ONLY)
        .set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(header);
    for column in numbers {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

/// Turns of one speaker with only a short pause and nobody else between them, joined.
fn readable(turns: &[Turn]) -> Vec<Turn> {
    let mut joined: Vec<Turn> = Vec::new();
    for turn in turns {
        match joined.last_mut() {
            Some(last) if last.speaker == turn.speaker && turn.start - last.end < READABLE_GAP_S => {
                last.end = last.end.max(turn.end);
            }
            _ => joined.push(turn.clone()),
        }
    }
    joined
}

/// Prints the turns, then each speaker's speech time and share.
pub fn print(turns: &[Turn], shares: &[Share]) {
    if turns.is_empty() {
        println!("No speech was found.");
        return;
    }
    let mut lines = table(&["start", "end", "speaker"], 0..2);
    for turn in readable(turns) {
        lines.add_row([clock(turn.start), clock(turn.end), turn.speaker]);
    }
    println!("{lines}\n");
    let all: f64 = shares.iter().map(|s| s.speech_seconds).sum();
    let mut speakers = table(&["speaker", "speech", "share"], 1..3);
    for share in shares {
        let percent = format!("{:.1} %", 100.0 * share.speech_seconds / all);
        speakers.add_row([share.label.clone(), clock(share.speech_seconds), percent]);
    }
    println!("{speakers}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_as_on_a_clock() {
        assert_eq!(
            (clock(0.04), clock(75.34), clock(3_600.0)),
            ("0:00.0".into(), "1:15.3".into(), "1:00:00.0".into())
        );
    }

    #[test]
    fn a_short_pause_does_not_break_a_line_and_another_speaker_does() {
        let turn = |start, end, speaker: &str| Turn { start, end, speaker: speaker.into() };
        let found =
            readable(&[turn(0.0, 1.0, "A"), turn(1.3, 2.0, "A"), turn(2.1, 3.0, "B"), turn(3.1, 4.0, "A")]);
        assert_eq!(found, [turn(0.0, 2.0, "A"), turn(2.1, 3.0, "B"), turn(3.1, 4.0, "A")]);
    }
}
