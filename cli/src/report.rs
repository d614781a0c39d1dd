//! Report: tables for people, and the JSON form of a diarization.

use chrono::{SecondsFormat, Utc};
use comfy_table::{CellAlignment, ContentArrangement, LineStyle, Table, presets};
use diarization::diarize::Diarization;
use diarization::evidence::Choice;
use diarization::explanation::Explanation;
use diarization::export::{Line, Sheet};
use serde::Serialize;

/// Pauses shorter than this do not end a turn in the table; files keep every border.
pub const READABLE_GAP_S: f64 = 0.5;
/// Below this confidence the runner-up is named.
const UNSURE_PERCENT: f64 = 80.0;

/// A turn as people and programs read it.
#[derive(Clone, Debug, PartialEq, Serialize, serde::Deserialize)]
pub struct Turn {
    /// Start in seconds.
    pub start: f64,
    /// End in seconds.
    pub end: f64,
    /// Label of the speaker.
    pub speaker: String,
    /// Confidence in the speaker, and the reasons for it.
    #[serde(flatten)]
    pub why: Option<Explanation>,
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
    let label = |speaker: usize| diarization.speakers[speaker].label.clone();
    let turn = |(t, choice): (&diarization::timeline::Turn, Option<Choice>)| Turn {
        start: milliseconds(t.start_seconds()),
        end: milliseconds(t.end_seconds()),
        speaker: label(t.speaker),
        why: choice.map(|choice| Explanation::of(&choice, label)),
    };
    diarization.turns.iter().zip(diarization.choices()).map(turn).collect()
}

/// Content of a result for other programs, dated now.
pub fn sheet(file: &str, duration_s: f64, diarization: &Diarization) -> Sheet {
    let line = |(t, choice): (&diarization::timeline::Turn, Option<Choice>)| {
        let confidence = choice.map(|choice| choice.best.confidence.into());
        Line::new(t.start_seconds(), t.end_seconds(), &diarization.speakers[t.speaker].label, confidence)
    };
    Sheet {
        file: file.to_owned(),
        duration_s,
        date: Utc::now().to_rfc3339_opts(SecondsFormat::Secs, true),
        lines: diarization.turns.iter().zip(diarization.choices()).filter_map(line).collect(),
    }
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

/// `1 speaker`, `2 speakers`: so many of what `noun` names, which takes an s.
pub fn count(number: impl Into<u64>, noun: &str) -> String {
    match number.into() {
        1 => format!("1 {noun}"),
        number => format!("{number} {noun}s"),
    }
}

/// A plain table whose columns from `numbers` on are right-aligned.
pub fn table(header: &[&str], numbers: std::ops::Range<usize>) -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::UTF8_HORIZONTAL_ONLY.row_separator(LineStyle::none()))
        .set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(header);
    for column in numbers {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

/// Lengthens `last` by `turn`: as sure as both are by their speech so far and now, in seconds.
fn join(last: &mut Turn, spoken: f64, turn: &Turn) {
    if let (Some(why), Some(other)) = (&mut last.why, &turn.why) {
        let more = turn.end - turn.start;
        why.confidence = (spoken * why.confidence + more * other.confidence) / (spoken + more);
        // Whoever is the likeliest elsewhere in it.
        let of = |why: &Explanation| why.runner_up.as_ref().map_or(0.0, |it| it.confidence);
        if of(other) > of(why) {
            why.runner_up.clone_from(&other.runner_up);
        }
    }
    last.end = last.end.max(turn.end);
}

/// Confidence of a turn, in percent. Below `UNSURE_PERCENT`, the runner-up is named too.
fn sure(turn: &Turn) -> String {
    let Some(why) = &turn.why else { return String::new() };
    let percent = (100.0 * why.confidence).round();
    match &why.runner_up {
        Some(other) if percent < UNSURE_PERCENT => format!("{percent} %, or {}", other.speaker),
        _ => format!("{percent} %"),
    }
}

/// Turns of one speaker with only a short pause and nobody else between them, joined.
fn readable(turns: &[Turn]) -> Vec<Turn> {
    let mut joined: Vec<Turn> = Vec::new();
    let mut spoken = 0.0;
    for turn in turns {
        match joined.last_mut() {
            Some(last) if last.speaker == turn.speaker && turn.start - last.end < READABLE_GAP_S => {
                join(last, spoken, turn);
            }
            _ => {
                joined.push(turn.clone());
                spoken = 0.0;
            }
        }
        spoken += turn.end - turn.start;
    }
    joined
}

/// Prints the turns, then each speaker's speech time and share.
pub fn print(turns: &[Turn], shares: &[Share]) {
    if turns.is_empty() {
        println!("No speech was found.");
        return;
    }
    let mut lines = table(&["start", "end", "speaker", "confidence"], 0..2);
    for turn in readable(turns) {
        lines.add_row([clock(turn.start), clock(turn.end), turn.speaker.clone(), sure(&turn)]);
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
    use diarization::explanation::RunnerUp;

    #[test]
    fn times_read_as_on_a_clock() {
        assert_eq!(
            (clock(0.04), clock(75.34), clock(3_600.0)),
            ("0:00.0".into(), "1:15.3".into(), "1:00:00.0".into())
        );
    }

    #[test]
    fn one_is_singular_and_all_else_plural() {
        let counted = [0_u64, 1, 2].map(|number| count(number, "speaker"));
        assert_eq!(counted, ["0 speakers", "1 speaker", "2 speakers"]);
    }

    #[test]
    fn a_short_pause_does_not_break_a_line_and_another_speaker_does() {
        let turn = |start, end, speaker: &str| Turn { start, end, speaker: speaker.into(), why: None };
        let found =
            readable(&[turn(0.0, 1.0, "A"), turn(1.3, 2.0, "A"), turn(2.1, 3.0, "B"), turn(3.1, 4.0, "A")]);
        assert_eq!(found, [turn(0.0, 2.0, "A"), turn(2.1, 3.0, "B"), turn(3.1, 4.0, "A")]);
    }

    #[test]
    fn a_line_is_as_sure_as_its_turns_are_by_their_length_and_names_another_only_in_doubt() {
        let turn = |start, end, confidence, other: &str| {
            let next = RunnerUp { speaker: other.into(), confidence: 1.0 - confidence, score: None };
            let why = Explanation { confidence, score: None, runner_up: Some(next), corrected: false };
            Turn { start, end, speaker: "A".into(), why: Some(why) }
        };
        let lines = readable(&[
            turn(0.0, 1.0, 0.6, "B"),
            turn(1.1, 3.1, 1.0, "C"),
            turn(3.4, 4.4, 0.8, "C"),
            turn(9.0, 10.0, 0.796, "B"),
            turn(20.0, 21.0, 0.7, "B"),
        ]);
        assert_eq!(lines.iter().map(sure).collect::<Vec<_>>(), ["85 %", "80 %", "70 %, or B"]);
        let next = lines[0].why.as_ref().and_then(|why| why.runner_up.as_ref());
        assert_eq!(next.map(|it| it.speaker.as_str()), Some("B"));
    }
}
