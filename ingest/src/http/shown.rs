//! Shown: what a client wrote, as far as it may stand in an answer or a line of the log.

use diarization::labels::is_printable;

/// Longest text that is shown, in characters.
const LONGEST: usize = 80;

/// The start of `text`, with a mark in place of what could break a line or turn its direction.
pub(crate) fn shown(text: &str) -> String {
    text.chars()
        .take(LONGEST)
        .map(|c| if is_printable(c) { c } else { char::REPLACEMENT_CHARACTER })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_is_shown_breaks_a_line_or_turns_it_around() {
        assert_eq!(shown("a\r\nb\u{202e}c\u{2028}d\0é"), "a\u{fffd}\u{fffd}b\u{fffd}c\u{fffd}d\u{fffd}é");
        assert_eq!(shown(&"x".repeat(100)).len(), LONGEST);
    }
}
