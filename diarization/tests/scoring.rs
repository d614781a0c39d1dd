//! Scores worked out by hand: every kind of error alone, the collar, overlap, empty sides, pooling.

use diarization::rttm::Segment;
use diarization::scoring::{Options, Score, pool, score};

const NONE: Options = Options { collar_s: 0.0, skip_overlap: false };

/// Segments from `(start, end, speaker)`, in seconds.
fn speech(rows: &[(f64, f64, &str)]) -> Vec<Segment> {
    rows.iter()
        .map(|&(start_s, end_s, speaker)| Segment {
            file: "call".into(),
            start_s,
            duration_s: end_s - start_s,
            speaker: speaker.into(),
        })
        .collect()
}

fn scored(reference: &[(f64, f64, &str)], hypothesis: &[(f64, f64, &str)], options: Options) -> Score {
    score(&speech(reference), &speech(hypothesis), &options)
}

/// Reference, miss, false alarm, confusion and correct, in seconds.
fn times(score: &Score) -> [f64; 5] {
    [score.reference_s, score.miss_s, score.false_alarm_s, score.confusion_s, score.correct_s]
}

fn close(found: f64, expected: f64) -> bool {
    (found - expected).abs() < 1e-9
}

#[test]
fn the_reference_scores_perfectly_against_itself() {
    let rows = [(0.0, 10.0, "a"), (8.0, 20.0, "b")];
    let score = scored(&rows, &rows, NONE);
    assert_eq!(times(&score), [22.0, 0.0, 0.0, 0.0, 22.0]);
    assert_eq!((score.der(), score.jer), (0.0, 0.0));
}

#[test]
fn swapped_labels_are_no_error() {
    let score = scored(&[(0.0, 10.0, "a"), (10.0, 20.0, "b")], &[(0.0, 10.0, "b"), (10.0, 20.0, "a")], NONE);
    assert_eq!((score.der(), score.jer), (0.0, 0.0));
    let mapped = [("b".to_owned(), "a".to_owned()), ("a".to_owned(), "b".to_owned())];
    assert_eq!(score.mapping, mapped);
}

#[test]
fn speech_that_the_hypothesis_lacks_is_missed() {
    let score = scored(&[(0.0, 10.0, "a")], &[(0.0, 7.5, "x")], NONE);
    assert_eq!(times(&score), [10.0, 2.5, 0.0, 0.0, 7.5]);
    assert_eq!((score.der(), score.miss(), score.jer), (0.25, 0.25, 0.25));
}

#[test]
fn speech_that_only_the_hypothesis_has_is_a_false_alarm() {
    let score = scored(&[(0.0, 10.0, "a")], &[(0.0, 12.0, "x"), (15.0, 16.0, "y")], NONE);
    assert_eq!(times(&score), [10.0, 0.0, 3.0, 0.0, 10.0]);
    assert!(close(score.false_alarm(), 0.3) && close(score.der(), 0.3));
    // |shared| / |joined| = 10 / 12; the unmapped voice weighs nothing in JER.
    assert!(close(score.jer, 2.0 / 12.0));
    assert_eq!((score.speakers_reference, score.speakers_hypothesis), (1, 2));
    assert!(!score.is_count_exact());
}

#[test]
fn speech_by_the_wrong_speaker_is_confused() {
    let score = scored(&[(0.0, 6.0, "a"), (6.0, 10.0, "b")], &[(0.0, 10.0, "x")], NONE);
    assert_eq!(times(&score), [10.0, 0.0, 0.0, 4.0, 6.0]);
    assert!(close(score.confusion(), 0.4) && close(score.der(), 0.4));
    // a: 1 − 6/10; b, unmapped: 1.
    assert!(close(score.jer, 0.7));
    assert_eq!(score.mapping, [("x".to_owned(), "a".to_owned())]);
}

#[test]
fn the_mapping_is_the_best_one_overall_not_the_greedy_one() {
    // x shares 5 s with a and 4 s with b; y shares 4 s with a. Greedy takes x–a (5); best is x–b and y–a (8).
    let score = scored(&[(0.0, 9.0, "a"), (9.0, 13.0, "b")], &[(0.0, 4.0, "y"), (4.0, 13.0, "x")], NONE);
    assert_eq!(times(&score), [13.0, 0.0, 0.0, 5.0, 8.0]);
}

#[test]
fn a_second_voice_that_is_not_heard_is_missed() {
    let score = scored(&[(0.0, 10.0, "a"), (6.0, 10.0, "b")], &[(0.0, 10.0, "x")], NONE);
    assert_eq!(times(&score), [14.0, 4.0, 0.0, 0.0, 10.0]);
    assert!(close(score.der(), 4.0 / 14.0));
}

#[test]
fn time_with_two_reference_speakers_can_be_left_out() {
    let options = Options { collar_s: 0.0, skip_overlap: true };
    let score =
        scored(&[(0.0, 10.0, "a"), (6.0, 12.0, "b")], &[(0.0, 10.0, "x"), (10.0, 12.0, "x")], options);
    // Left: 6 s of a, 2 s of b.
    assert_eq!(times(&score), [8.0, 0.0, 0.0, 2.0, 6.0]);
}

#[test]
fn the_collar_forgives_that_much_on_each_side_of_a_border() {
    let collar = Options { collar_s: 0.25, skip_overlap: false };
    let forgiven = scored(&[(1.0, 11.0, "a")], &[(0.75, 11.25, "x")], collar);
    assert_eq!(times(&forgiven), [9.5, 0.0, 0.0, 0.0, 9.5]);
    let late = scored(&[(1.0, 11.0, "a")], &[(1.35, 11.0, "x")], collar);
    assert_eq!(times(&late), [9.5, 0.1, 0.0, 0.0, 9.4]);
    let long = scored(&[(1.0, 11.0, "a")], &[(1.0, 12.0, "x")], collar);
    assert_eq!(times(&long), [9.5, 0.0, 0.75, 0.0, 9.5]);
}

#[test]
fn hypothesis_borders_have_no_collar() {
    let collar = Options { collar_s: 0.25, skip_overlap: false };
    let score = scored(&[(0.0, 10.0, "a")], &[(0.0, 4.0, "x"), (4.1, 10.0, "x")], collar);
    assert_eq!(times(&score), [9.5, 0.1, 0.0, 0.0, 9.4]);
}

#[test]
fn a_joint_between_segments_of_one_speaker_is_no_border() {
    let collar = Options { collar_s: 0.25, skip_overlap: false };
    let whole = scored(&[(0.0, 10.0, "a")], &[(0.0, 9.0, "x")], collar);
    assert_eq!(scored(&[(0.0, 5.0, "a"), (5.0, 10.0, "a")], &[(0.0, 9.0, "x")], collar), whole);
    assert_eq!(scored(&[(0.0, 7.0, "a"), (5.0, 10.0, "a")], &[(0.0, 9.0, "x")], collar), whole);
}

#[test]
fn a_speaker_does_not_overlap_itself() {
    let score = scored(&[(0.0, 10.0, "a")], &[(0.0, 6.0, "x"), (4.0, 10.0, "x"), (5.0, 6.0, "x")], NONE);
    assert_eq!(times(&score), [10.0, 0.0, 0.0, 0.0, 10.0]);
}

#[test]
fn a_negative_collar_or_none_at_all_forgives_nothing() {
    for collar_s in [-1.0, f64::NAN] {
        let options = Options { collar_s, skip_overlap: false };
        assert_eq!(times(&scored(&[(0.0, 4.0, "a")], &[(1.0, 4.0, "x")], options))[1], 1.0);
    }
}

#[test]
fn nothing_against_nothing_is_no_error() {
    let score = scored(&[], &[], NONE);
    assert_eq!((score.der(), score.jer, score.false_alarm()), (0.0, 0.0, 0.0));
    assert!(score.is_count_exact());
}

#[test]
fn an_empty_hypothesis_misses_everything() {
    let score = scored(&[(0.0, 4.0, "a")], &[], NONE);
    assert_eq!(times(&score), [4.0, 4.0, 0.0, 0.0, 0.0]);
    assert_eq!((score.der(), score.jer), (1.0, 1.0));
}

#[test]
fn speech_where_the_reference_is_empty_counts_as_one() {
    let score = scored(&[], &[(0.0, 40.0, "x")], NONE);
    assert_eq!(times(&score), [0.0, 0.0, 40.0, 0.0, 0.0]);
    assert_eq!((score.der(), score.false_alarm(), score.miss(), score.jer), (1.0, 1.0, 0.0, 1.0));
}

#[test]
fn segments_that_say_nothing_are_left_out() {
    let (nan, inf) = (f64::NAN, f64::INFINITY);
    let mut hypothesis = speech(&[(0.0, 4.0, "x"), (2.0, 2.0, "y"), (3.0, 1.0, "y")]);
    for (start_s, duration_s) in [(nan, 1.0), (0.0, nan), (inf, 1.0), (0.0, inf), (-inf, inf)] {
        hypothesis.push(Segment { file: "call".into(), start_s, duration_s, speaker: "z".into() });
    }
    let score = score(&speech(&[(0.0, 4.0, "a")]), &hypothesis, &NONE);
    assert_eq!((score.der(), score.speakers_hypothesis), (0.0, 1));
}

#[test]
fn times_beyond_all_measure_do_not_break_the_sums() {
    let score = scored(&[(0.0, f64::MAX, "a"), (-f64::MAX, 0.0, "b")], &[(1.0, 2.0, "x")], NONE);
    assert!(score.der().is_finite() && score.jer.is_finite());
}

#[test]
fn among_mappings_of_equal_shared_time_the_one_with_the_best_jer_counts() {
    // x shares 2 s with a (which has 2 s) and 2 s with b (which has 10 s).
    let rows = [(0.0, 2.0, "a"), (2.0, 12.0, "b")];
    let renamed = [(0.0, 2.0, "z"), (2.0, 12.0, "b")];
    let heard = [(0.0, 4.0, "x")];
    let expected = (0.5 + 1.0) / 2.0;
    assert!(close(scored(&rows, &heard, NONE).jer, expected));
    assert!(close(scored(&renamed, &heard, NONE).jer, expected));
}

#[test]
fn pooling_adds_errors_up_over_speech_added_up() {
    let long = scored(&[(0.0, 90.0, "a")], &[(0.0, 81.0, "x")], NONE);
    let short = scored(&[(0.0, 5.0, "a"), (5.0, 10.0, "b")], &[(0.0, 5.0, "x")], NONE);
    let silent = scored(&[], &[(0.0, 6.0, "x")], NONE);
    let pooled = pool([&long, &short, &silent]);
    assert!(close(pooled.der(), (9.0 + 5.0 + 6.0) / 100.0));
    assert!(close(pooled.miss(), 0.14) && close(pooled.false_alarm(), 0.06) && pooled.confusion() == 0.0);
    // Three reference speakers: 0.1, 0 and 1.
    assert!(close(pooled.jer, 1.1 / 3.0));
    assert_eq!((pooled.recordings, pooled.count_exact, pooled.speakers_scored), (3, 1, 3));
    assert_eq!((pool([]).der(), pool([]).jer), (0.0, 0.0));
    assert_eq!((pool([&silent]).der(), pool([&silent]).jer), (1.0, 1.0));
}
