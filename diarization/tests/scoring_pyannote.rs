//! Scores of real and hand-made pairs are those of pyannote.metrics 4.2.0, as written by
//! `data/scoring/figures.py`.

use std::fs;
use std::path::Path;

use diarization::rttm::{Segment, parse};
use diarization::scoring::{Options, score};

/// The figures are written with nine decimals; pyannote.metrics adds floating-point seconds.
const TOLERANCE: f64 = 1e-6;

fn text(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/scoring").join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn segments(name: &str) -> Vec<Segment> {
    parse(&text(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Two mappings share the same time here (a speaker of 0.35 s lies whole within one of 1.12 s, and shares
/// 0.35 s with another): pyannote.metrics takes either, we the one with the lower JER.
fn is_tied(hypothesis: &str, options: &Options) -> bool {
    hypothesis == "prototype/ami_EN2006b_0-30s.rttm" && options.collar_s == 0.25 && !options.skip_overlap
}

#[test]
fn every_component_equals_that_of_pyannote_metrics() {
    let figures = text("figures.tsv");
    let mut rows = 0;
    for row in figures.lines().skip(1) {
        let columns: Vec<&str> = row.split('\t').collect();
        let &[reference, hypothesis, collar, skip_overlap, ref expected @ ..] = columns.as_slice() else {
            panic!("figures.tsv: too few columns in {row}");
        };
        let expected: Vec<f64> =
            expected.iter().map(|figure| figure.parse().expect("figures.tsv holds numbers")).collect();
        let options = Options {
            collar_s: collar.parse().expect("figures.tsv holds a collar"),
            skip_overlap: skip_overlap == "true",
        };
        let score = score(&segments(reference), &segments(hypothesis), &options);
        let found = [
            score.reference_s,
            score.miss_s,
            score.false_alarm_s,
            score.confusion_s,
            score.correct_s,
            score.der(),
        ];
        let Some((expected_jer, expected)) = expected.split_last() else { panic!("{row}: no figures") };
        assert_eq!(expected.len(), found.len(), "{row}");
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < TOLERANCE, "{row}\nfound {found} for {expected}\n{score:?}");
        }
        if score.speakers_scored == 0 {
            // With nothing left to score pyannote.metrics has a JER of 1; DER is 0 on both sides.
            assert_eq!((score.jer, *expected_jer), (0.0, 1.0), "{row}");
        } else if is_tied(hypothesis, &options) {
            assert!(score.jer < *expected_jer, "{row}\n{score:?}");
        } else {
            assert!((score.jer - expected_jer).abs() < TOLERANCE, "{row}\n{score:?}");
        }
        rows += 1;
    }
    assert_eq!(rows, 48, "twelve pairs, two collars, overlap scored or not");
}
