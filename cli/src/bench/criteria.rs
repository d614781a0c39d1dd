//! Criteria: what a user is promised, measured.

use crate::bench::marks::Marks;
use crate::bench::summary::Measured;
use crate::bench::table::{Table, percent};
use diarization::scoring::{self, Continuity};

/// Table of what users are promised, with the aim, over all recordings to which each criterion applies.
pub fn table(measured: &[Measured]) -> Table {
    let mut table = Table::new(&["criterion", "of", "aim"], &["final", "in order"]);
    let rows: [(&str, &str, &str, Rate); 4] = [
        ("labels kept from chunk to chunk", "2 or 3 speakers", "≥ 99.5 %", |marks| {
            share(&few(marks), |it| (it.kept, it.carried))
        }),
        ("speech attributed to the right speaker (collar ±0.25 s)", "2 speakers", "≥ 95 %", attributed),
        ("returning speakers recognised", "all", "≥ 98 %", |marks| {
            share(marks, |it| (it.recognised, it.returned))
        }),
        ("new speakers told apart", "all", "≥ 97 %", |marks| share(marks, |it| (it.told_apart, it.joined))),
    ];
    let last: Vec<&Marks> = measured.iter().map(|one| &one.last).collect();
    let in_order: Vec<&Marks> = measured.iter().filter_map(|one| one.in_order.as_ref()).collect();
    for (name, of, aim, rate) in rows {
        let shown = |marks: &[&Marks]| rate(marks).map_or_else(|| "-".into(), percent);
        let cells = [name, of, aim].map(str::to_owned).into_iter();
        table.add(cells.chain([shown(&last), shown(&in_order)]).collect());
    }
    let extra = extra_time(measured).map_or_else(|| "-".into(), percent);
    let cells = ["share of the time spent outside the models", "all", "≤ 1 %", &extra, "-"];
    table.add(cells.map(str::to_owned).to_vec());
    table
}

/// A share of what it is a share of; `None` of nothing.
type Rate = fn(&[&Marks]) -> Option<f64>;

fn few<'a>(marks: &[&'a Marks]) -> Vec<&'a Marks> {
    marks.iter().copied().filter(|marks| (2..=3).contains(&marks.exact.speakers_reference)).collect()
}

fn share(marks: &[&Marks], of: impl Fn(&Continuity) -> (usize, usize)) -> Option<f64> {
    let mut all = Continuity::default();
    marks.iter().for_each(|marks| all.add(&marks.continuity));
    let (part, whole) = of(&all);
    (whole > 0).then(|| part as f64 / whole as f64)
}

fn attributed(marks: &[&Marks]) -> Option<f64> {
    let two: Vec<_> = marks.iter().filter(|marks| marks.exact.speakers_reference == 2).collect();
    (!two.is_empty()).then(|| 1.0 - scoring::pool(two.iter().map(|marks| &marks.forgiving)).der())
}

/// `None` unless the models ran on all recordings.
fn extra_time(measured: &[Measured]) -> Option<f64> {
    let all: f64 = measured.iter().map(|one| one.seconds).sum::<Option<f64>>()?;
    let past: f64 = measured.iter().map(|one| one.matching_seconds).sum::<Option<f64>>()?;
    (all > 0.0).then(|| past / all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::sources::Source;
    use diarization::rttm::Segment;

    fn said(speaker: &str, start_s: f64, duration_s: f64) -> Segment {
        Segment { file: "f".into(), start_s, duration_s, speaker: speaker.into() }
    }

    fn measured(reference: &[Segment], found: &[Segment], seconds: Option<f64>) -> Measured {
        Measured {
            recording: "f".into(),
            group: "g".into(),
            source: Source::new("g"),
            kind: String::new(),
            audio_seconds: 60.0,
            seconds,
            last: Marks::of(reference, found, 20.0).expect("scores"),
            reliability: None,
            in_order_reliability: None,
            judged: None,
            matching_seconds: Some(0.5),
            in_order: None,
            count_given: None,
            points: Vec::new(),
            peers: Vec::new(),
        }
    }

    fn line(table: &Table, criterion: &str) -> String {
        let text = table.markdown();
        text.lines().find(|line| line.contains(criterion)).expect("there is such a line").to_owned()
    }

    #[test]
    fn each_criterion_is_over_the_recordings_that_it_is_about() {
        let two = [said("a", 0.0, 10.0), said("b", 10.0, 10.0), said("a", 45.0, 10.0)];
        // Whoever was a is somebody else after a chunk without a word.
        let swapped = [said("0", 0.0, 10.0), said("1", 10.0, 10.0), said("1", 45.0, 10.0)];
        let four: Vec<Segment> =
            (0..4).map(|i| said(["a", "b", "c", "d"][i], 10.0 * i as f64, 10.0)).collect();
        let one_for_all: Vec<Segment> =
            four.iter().map(|it| Segment { speaker: "0".into(), ..it.clone() }).collect();
        let all = table(&[measured(&two, &swapped, Some(50.0)), measured(&four, &one_for_all, Some(50.0))]);
        assert!(line(&all, "labels kept").contains("| 0.00 | - |"), "{}", all.markdown());
        assert!(
            line(&all, "right speaker").contains("| 66.67 |"),
            "two thirds of the recording of two: {}",
            all.markdown()
        );
        assert!(line(&all, "returning").contains("| 0.00 | - |"), "{}", all.markdown());
        assert!(line(&all, "new speakers").contains("| 25.00 | - |"), "one of four: {}", all.markdown());
        assert!(line(&all, "outside the models").contains("| 1.00 | - |"), "{}", all.markdown());
    }

    #[test]
    fn what_was_not_measured_has_a_dash() {
        let alone = [said("a", 0.0, 10.0)];
        let read = table(&[measured(&alone, &alone, None)]);
        for criterion in ["labels kept", "right speaker", "outside the models", "returning", "new speakers"] {
            assert!(line(&read, criterion).ends_with("| - | - |"), "{}", read.markdown());
        }
    }
}
