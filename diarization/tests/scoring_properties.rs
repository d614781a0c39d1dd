//! Properties that hold of every score, whatever the segments.

use diarization::rttm::Segment;
use diarization::scoring::{Options, pool, score};
use proptest::prelude::*;

/// Up to 25 segments of up to five speakers within a minute, on a grid of 10 ms, so that borders meet.
fn speech() -> impl Strategy<Value = Vec<Segment>> {
    let segment = (0_u32..6000, 0_u32..800, 0_usize..5).prop_map(|(start, duration, speaker)| Segment {
        file: "call".into(),
        start_s: f64::from(start) / 100.0,
        duration_s: f64::from(duration) / 100.0,
        speaker: ["anna", "bert", "carl", "dora", "emil"][speaker].into(),
    });
    prop::collection::vec(segment, 0..25)
}

fn options() -> impl Strategy<Value = Options> {
    (0_u32..50, any::<bool>())
        .prop_map(|(collar, skip_overlap)| Options { collar_s: f64::from(collar) / 100.0, skip_overlap })
}

fn renamed(segments: &[Segment], names: &[&str]) -> Vec<Segment> {
    let old = ["anna", "bert", "carl", "dora", "emil"];
    segments
        .iter()
        .map(|segment| {
            let name = old.iter().zip(names).find(|(old, _)| **old == segment.speaker).map(|(_, new)| *new);
            Segment { speaker: name.expect("a generated name").into(), ..segment.clone() }
        })
        .collect()
}

proptest! {
    // A failure prints the shrunk input: pin it as a test of its own.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn new_names_and_a_new_order_never_change_the_score(
        reference in speech(),
        hypothesis in speech(),
        options in options(),
        names in Just(["1", "2", "anna", "emil", "bert"]).prop_shuffle(),
    ) {
        let mut other = renamed(&hypothesis, &names);
        other.reverse();
        let before = score(&reference, &hypothesis, &options);
        let mut after = score(&reference, &other, &options);
        after.mapping.clone_from(&before.mapping);
        prop_assert_eq!(before, after);
    }

    #[test]
    fn the_reference_is_perfect(reference in speech(), options in options()) {
        let score = score(&reference, &reference, &options);
        prop_assert_eq!((score.der(), score.jer), (0.0, 0.0));
        prop_assert!(score.is_count_exact());
    }

    #[test]
    fn the_parts_add_up_and_none_is_negative(
        reference in speech(),
        hypothesis in speech(),
        options in options(),
    ) {
        let score = score(&reference, &hypothesis, &options);
        for part in [score.miss_s, score.false_alarm_s, score.confusion_s, score.correct_s] {
            prop_assert!(part >= 0.0);
        }
        let sum = score.miss_s + score.confusion_s + score.correct_s;
        prop_assert!((sum - score.reference_s).abs() < 1e-6);
        prop_assert!(score.der() >= 0.0);
        prop_assert!((0.0..=1.0).contains(&score.jer));
        prop_assert_eq!(pool([&score]).der(), score.der());
    }

    #[test]
    fn swapping_the_sides_swaps_miss_and_false_alarm(reference in speech(), hypothesis in speech()) {
        let there = score(&reference, &hypothesis, &Options::default());
        let back = score(&hypothesis, &reference, &Options::default());
        prop_assert_eq!(
            (there.miss_s, there.false_alarm_s, there.confusion_s, there.correct_s),
            (back.false_alarm_s, back.miss_s, back.confusion_s, back.correct_s)
        );
    }

    #[test]
    fn moving_everything_along_changes_nothing(
        reference in speech(),
        hypothesis in speech(),
        options in options(),
        by_ms in 0_u32..40_000_000,
    ) {
        let moved = |segments: &[Segment]| -> Vec<Segment> {
            let by_s = f64::from(by_ms) / 1000.0;
            segments.iter().map(|s| Segment { start_s: s.start_s + by_s, ..s.clone() }).collect()
        };
        prop_assert_eq!(
            score(&reference, &hypothesis, &options),
            score(&moved(&reference), &moved(&hypothesis), &options)
        );
    }
}
