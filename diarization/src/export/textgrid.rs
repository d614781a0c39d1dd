//! A TextGrid of Praat, in its long text form: a tier of intervals per speaker, which leave no gap.

use super::{Line, Sheet, seconds, sound};
use std::fmt::Write as _;

/// An interval of a tier; silence has no text.
struct Interval<'a> {
    start_ms: u64,
    end_ms: u64,
    text: &'a str,
}

/// The turns of one speaker, and the silence between them, over the whole recording.
fn intervals<'a>(lines: &[&'a Line], duration_ms: u64) -> Vec<Interval<'a>> {
    let mut intervals = Vec::new();
    let mut at = 0;
    for line in lines {
        let start_ms = line.start_ms.max(at);
        if start_ms > at {
            intervals.push(Interval { start_ms: at, end_ms: start_ms, text: "" });
        }
        if line.end_ms > start_ms {
            intervals.push(Interval { start_ms, end_ms: line.end_ms, text: &line.speaker });
            at = line.end_ms;
        }
    }
    if at < duration_ms || intervals.is_empty() {
        intervals.push(Interval { start_ms: at, end_ms: duration_ms, text: "" });
    }
    intervals
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", sound(text).replace('"', "\"\""))
}

pub(super) fn write(sheet: &Sheet) -> String {
    let whole = sheet.duration_ms();
    let speakers = sheet.by_speaker();
    let mut text = "File type = \"ooTextFile\"\nObject class = \"TextGrid\"\n\n".to_owned();
    // Writing into a String cannot fail.
    let mut line = |indent: usize, words: String| _ = writeln!(text, "{:indent$}{words}", "");
    line(0, "xmin = 0".into());
    line(0, format!("xmax = {}", seconds(whole)));
    line(0, (if speakers.is_empty() { "tiers? <absent>" } else { "tiers? <exists>" }).into());
    if speakers.is_empty() {
        return text;
    }
    line(0, format!("size = {}", speakers.len()));
    line(0, "item []:".into());
    for (number, (name, lines)) in speakers.iter().enumerate() {
        let intervals = intervals(lines, whole);
        line(4, format!("item [{}]:", number + 1));
        line(8, "class = \"IntervalTier\"".into());
        line(8, format!("name = {}", quoted(name)));
        line(8, "xmin = 0".into());
        line(8, format!("xmax = {}", seconds(whole)));
        line(8, format!("intervals: size = {}", intervals.len()));
        for (number, interval) in intervals.iter().enumerate() {
            line(8, format!("intervals [{}]:", number + 1));
            line(12, format!("xmin = {}", seconds(interval.start_ms)));
            line(12, format!("xmax = {}", seconds(interval.end_ms)));
            line(12, format!("text = {}", quoted(interval.text)));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::tests::sheet;
    use super::*;

    #[test]
    fn the_intervals_of_a_tier_leave_no_gap_and_reach_to_the_end() {
        let sheet = sheet();
        for (_, lines) in sheet.by_speaker() {
            let intervals = intervals(&lines, sheet.duration_ms());
            assert_eq!((intervals[0].start_ms, intervals.last().map(|i| i.end_ms)), (0, Some(3_740_500)));
            assert!(intervals.windows(2).all(|pair| pair[0].end_ms == pair[1].start_ms));
            assert!(intervals.iter().all(|interval| interval.end_ms > interval.start_ms));
        }
    }

    #[test]
    fn what_no_program_can_read_is_replaced() {
        assert_eq!(quoted("A\u{fffe}\u{0}\"n"), "\"A\u{fffd}\u{fffd}\"\"n\"");
    }

    #[test]
    fn a_quote_is_doubled_and_nobody_makes_no_tier() {
        assert!(write(&sheet()).contains("name = \"=B\"\"o,b <&> é\""));
        assert!(
            write(&Sheet { lines: Vec::new(), ..sheet() }).ends_with("xmax = 3740.500\ntiers? <absent>\n")
        );
    }
}
