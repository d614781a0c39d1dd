//! RTTM is read leniently where it is harmless, refused with the line number where it is not, and comes
//! back from the writer as it went in.

use diarization::rttm::{RttmError, Segment, parse, write};
use proptest::prelude::*;

fn segment(file: &str, start_s: f64, duration_s: f64, speaker: &str) -> Segment {
    Segment { file: file.into(), start_s, duration_s, speaker: speaker.into() }
}

fn refusal(text: &str) -> RttmError {
    parse(text).expect_err("this text should be refused")
}

#[test]
fn a_speaker_record_is_read() {
    let text = "SPEAKER call 1 3.340 0.540 <NA> <NA> anna <NA> <NA>\n";
    assert_eq!(parse(text), Ok(vec![segment("call", 3.34, 0.54, "anna")]));
}

#[test]
fn an_empty_text_has_no_segments() {
    assert_eq!(parse(""), Ok(vec![]));
    assert_eq!(parse("\n \t\r\n"), Ok(vec![]));
}

#[test]
fn comments_blank_lines_and_other_records_are_passed_over() {
    let text = "\u{feff};; made by hand\n\
                SPKR-INFO call 1 <NA> <NA> <NA> unknown anna <NA> <NA>\n\n\
                NOSCORE call 1 0 nonsense <NA> <NA> <NA> <NA> <NA>\n\
                SPEAKER call 1 1 2 <NA> <NA> anna <NA> <NA>\n\
                ;;SPEAKER call 1 5 6 <NA> <NA> bert <NA> <NA>\n";
    assert_eq!(parse(text), Ok(vec![segment("call", 1.0, 2.0, "anna")]));
}

#[test]
fn tabs_carriage_returns_and_a_missing_last_newline_are_taken() {
    let text =
        "SPEAKER\tcall\t1\t1.5\t2\t<NA>\t<NA>\tanna\t<NA>\t<NA>\r\n  SPEAKER call 1  4 1 <NA> <NA>  bert";
    assert_eq!(parse(text), Ok(vec![segment("call", 1.5, 2.0, "anna"), segment("call", 4.0, 1.0, "bert")]));
}

#[test]
fn a_byte_order_mark_does_not_hide_the_first_record() {
    assert_eq!(parse("\u{feff}SPEAKER c 1 0 1 <NA> <NA> a <NA> <NA>").map(|found| found.len()), Ok(1));
}

#[test]
fn times_that_are_no_finite_number_are_refused_with_their_line() {
    for time in ["NaN", "inf", "-inf", "infinity", "1e999", "1,5", "0x10", "<NA>", "12:30"] {
        let text = format!(";; one\n\nSPEAKER call 1 {time} 1 <NA> <NA> anna <NA> <NA>\n");
        assert_eq!(
            refusal(&text),
            RttmError::NotANumber { line: 3, column: "start", value: time.into() },
            "{time}"
        );
    }
}

#[test]
fn negative_times_are_refused_with_their_line() {
    let text =
        "SPEAKER call 1 0 1 <NA> <NA> anna <NA> <NA>\nSPEAKER call 1 2 -0.1 <NA> <NA> anna <NA> <NA>\n";
    assert_eq!(refusal(text), RttmError::Negative { line: 2, column: "duration", value: "-0.1".into() });
}

#[test]
fn times_of_more_than_three_years_are_refused() {
    let text = "SPEAKER call 1 1e9 1 <NA> <NA> anna <NA> <NA>";
    assert_eq!(refusal(text), RttmError::TooLong { line: 1, column: "start", value: "1e9".into() });
}

#[test]
fn a_record_that_breaks_off_is_refused_and_told_how_to_be_whole() {
    let error = refusal("SPEAKER call 1 0 1 <NA> <NA>");
    assert_eq!(error, RttmError::TooFewColumns { line: 1, found: 7 });
    assert_eq!(
        error.to_string(),
        "line 1: this SPEAKER record has 7 columns where at least 8 are needed; \
         write SPEAKER FILE 1 START DURATION <NA> <NA> NAME <NA> <NA>"
    );
}

#[test]
fn an_error_message_does_not_repeat_a_whole_binary_file() {
    let text = format!("SPEAKER call 1 {} 1 <NA> <NA> anna", "x".repeat(100_000));
    assert!(refusal(&text).to_string().len() < 200);
}

#[test]
fn segments_are_written_to_the_millisecond_with_ten_columns() {
    let text = write(&[segment("call", 0.0004, 12.3456, "anna"), segment("call", 13.0, 1.0, "bert")]);
    assert_eq!(
        text,
        "SPEAKER call 1 0.000 12.346 <NA> <NA> anna <NA> <NA>\n\
         SPEAKER call 1 13.000 1.000 <NA> <NA> bert <NA> <NA>\n"
    );
    assert_eq!(write(&[]), "");
}

#[test]
fn blanks_in_names_become_underscores_so_that_columns_stay_in_place() {
    let text = write(&[segment("my call", 0.0, 1.0, "Anna\tvan\nDam"), segment("", 0.0, 1.0, "")]);
    assert_eq!(
        parse(&text),
        Ok(vec![segment("my_call", 0.0, 1.0, "Anna_van_Dam"), segment("_", 0.0, 1.0, "_")])
    );
}

proptest! {
    // A failure prints the shrunk input: pin it as a test of its own.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_read_back(
        rows in prop::collection::vec((0_u32..90_000_000, 0_u32..4_000_000, "[^\\s\\p{Cc}\u{feff}]{1,12}"), 0..40)
    ) {
        let segments: Vec<Segment> = rows
            .iter()
            .map(|(start, duration, name)| {
                segment("call", f64::from(*start) / 1000.0, f64::from(*duration) / 1000.0, name)
            })
            .collect();
        prop_assert_eq!(parse(&write(&segments)), Ok(segments));
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in "(SPEAKER|;;|[ \t\r\n]|[0-9.eE+-]{1,9}|NaN|<NA>|\\PC){0,60}") {
        let _ = parse(&text);
    }
}
