//! Subtitles: SubRip, and WebVTT (W3C) with the speaker as voice.

use super::{Line, Sheet};

/// `1:02:03.004` as `01:02:03,004`, with `point` before the milliseconds.
fn clock(milliseconds: u64, point: char) -> String {
    let (seconds, rest) = (milliseconds / 1000, milliseconds % 1000);
    format!("{:02}:{:02}:{:02}{point}{rest:03}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

fn span(line: &Line, point: char) -> String {
    format!("{} --> {}", clock(line.start_ms, point), clock(line.end_ms, point))
}

/// SubRip cannot escape what players read as marks: brackets of another kind take their place.
fn without_marks(name: &str) -> String {
    name.replace('<', "‹").replace('>', "›").replace('{', "(").replace('}', ")")
}

pub(super) fn srt(sheet: &Sheet) -> String {
    let cue = |(number, line): (usize, &Line)| {
        format!("{}\n{}\n{}\n\n", number + 1, span(line, ','), without_marks(&line.speaker))
    };
    sheet.lines.iter().enumerate().map(cue).collect()
}

pub(super) fn webvtt(sheet: &Sheet) -> String {
    let escaped = |name: &str| name.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let cue = |line: &Line| {
        let name = escaped(&line.speaker);
        format!("{}\n<v {name}>{name}</v>\n\n", span(line, '.'))
    };
    std::iter::once("WEBVTT\n\n".to_owned()).chain(sheet.lines.iter().map(cue)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::sheet;
    use super::*;

    #[test]
    fn a_cue_has_its_number_its_times_and_its_speaker() {
        let text = srt(&sheet());
        assert!(text.contains("=B\"o,b ‹&› é\n"), "{text}");
        assert!(
            text.starts_with("1\n00:00:00,500 --> 00:00:02,250\nAnn\n\n2\n00:00:02,000 --> 01:02:05,004\n"),
            "{text}"
        );
    }

    #[test]
    fn a_voice_is_escaped() {
        let text = webvtt(&sheet());
        assert!(text.starts_with("WEBVTT\n\n00:00:00.500 --> 00:00:02.250\n<v Ann>Ann</v>\n\n"), "{text}");
        assert!(text.contains("<v =B\"o,b &lt;&amp;&gt; é>"), "{text}");
    }
}
