//! Over sources: the bench's tables by source, by kind and by number of speakers, of all methods, and of what was chosen.

use crate::bench::cross_validation::Choice;
use crate::bench::figures::{Figures, Pool};
use crate::bench::grid::Point;
use crate::bench::interval::{Estimate, Interval};
use crate::bench::methods::{COUNT_ERROR, Difference, Mean};
use crate::bench::show::share;
use crate::bench::summary::{self, Measured};
use crate::bench::table::{Table, percent};
use std::collections::BTreeMap;

/// Key by which recordings are grouped.
type Key<'a> = &'a dyn Fn(&Measured) -> String;

/// The final result by source, kind and number of speakers: whichever there are two of.
pub fn results(measured: &[Measured]) -> Vec<Table> {
    let kind = |one: &Measured| if one.kind.is_empty() { "-".into() } else { one.kind.clone() };
    // Padded, so that 10 comes after 6.
    let speakers = |one: &Measured| format!("{:>2}", one.last.exact.speakers_reference);
    let mut tables = vec![by("source", &|one| one.source.label().to_owned(), measured)];
    for (name, key) in [("kind", &kind as Key), ("speakers", &speakers)] {
        if measured.iter().map(key).collect::<std::collections::BTreeSet<_>>().len() > 1 {
            tables.push(by(name, key, measured));
        }
    }
    tables
}

fn by(name: &'static str, key: Key, measured: &[Measured]) -> Table {
    let mut members: BTreeMap<String, Vec<&Measured>> = BTreeMap::new();
    for one in measured {
        members.entry(key(one)).or_default().push(one);
    }
    let mut table = Table::new(
        &[name],
        &[
            "recordings",
            "DER",
            "miss",
            "false alarm",
            "confusion",
            "exact count",
            "off by ≤ 1",
            "count error",
            "count given: DER",
            "confusion",
            "calibration error",
        ],
    );
    for (name, members) in members {
        let figures: Vec<Figures> = members.iter().map(|one| Figures::of(&one.last.exact)).collect();
        let Some(pool) = Pool::of(&figures) else { continue };
        let given: Option<Vec<Figures>> = members.iter().map(|one| one.count_given).collect();
        let given = given.and_then(|figures| Pool::of(&figures));
        let reliability = summary::reliability(members.iter().map(|one| one.reliability));
        let dash = || "-".to_owned();
        let of = |part: f64| (part * pool.recordings as f64).round() as usize;
        table.add(vec![
            name,
            pool.recordings.to_string(),
            percent(pool.der),
            percent(pool.miss),
            percent(pool.false_alarm),
            percent(pool.confusion),
            share(of(pool.exact), pool.recordings),
            share(of(pool.within_one), pool.recordings),
            format!("{:.2}", pool.count_error),
            given.map_or_else(dash, |pool| percent(pool.der)),
            given.map_or_else(dash, |pool| percent(pool.confusion)),
            reliability.map_or_else(dash, |it| percent(it.expected_calibration_error())),
        ]);
    }
    table
}

/// A rate and its intervals: shares in percent, speakers as they are.
fn cells(rate: &str, estimate: &Estimate, signed: bool) -> [String; 3] {
    let scale = if rate == COUNT_ERROR || rate == LOSS { 1.0 } else { 100.0 };
    let number = |value: f64| {
        if signed { format!("{:+.2}", value * scale) } else { format!("{:.2}", value * scale) }
    };
    let interval = |it: &Interval| format!("{} … {}", number(it.low), number(it.high));
    [number(estimate.mean), interval(&estimate.over_recordings), interval(&estimate.over_sources)]
}

const OVER_RECORDINGS: &str = "95 % over recordings";
const OVER_SOURCES: &str = "95 % over sources too";
const LOSS: &str = "loss";

/// Every method's rates as means over sources.
pub fn methods(means: &[Mean]) -> Table {
    let mut table =
        Table::new(&["method", "rate"], &["recordings", "mean over sources", OVER_RECORDINGS, OVER_SOURCES]);
    for Mean { method, recordings, rate, estimate } in means {
        let mut row = vec![method.clone(), (*rate).to_owned(), recordings.to_string()];
        row.extend(cells(rate, estimate, false));
        table.add(row);
    }
    table
}

/// Differences of each method from the final result, on the same recordings.
pub fn differences(differences: &[Difference]) -> Table {
    let mut table = Table::new(
        &["method", "rate", "against ours"],
        &["recordings", "more than ours", OVER_RECORDINGS, OVER_SOURCES],
    );
    for Difference { method, recordings, rate, estimate, verdict } in differences {
        let mut row = vec![method.clone(), (*rate).to_owned(), (*verdict).to_owned(), recordings.to_string()];
        row.extend(cells(rate, estimate, true));
        table.add(row);
    }
    table
}

/// Setting chosen for each source without it.
pub fn folds(choice: &Choice, points: &[Point]) -> Table {
    let mut table =
        Table::new(&["source left out", "chosen on the others"], &["loss", "loss of the default"]);
    // Recordings of several sources have a line for each set of them: those are shown together.
    for fold in choice.folds.iter().filter(|fold| !fold.left_out.contains('+')) {
        table.add(vec![
            fold.left_out.clone(),
            points[fold.chosen].name.clone(),
            format!("{:.3}", fold.loss),
            format!("{:.3}", fold.default_loss),
        ]);
    }
    table
}

/// Two tables: loss of the choice on sources left out, and number of times that each setting was chosen.
pub fn choice(choice: &Choice, points: &[Point]) -> [Table; 2] {
    let mut worth = Table::new(
        &["on sources left out", "against the default"],
        &["mean over sources", OVER_RECORDINGS, OVER_SOURCES],
    );
    let verdict = match (choice.difference.is_inside(), choice.difference.mean < 0.0) {
        (true, _) => "inside the interval",
        (false, true) => "a gain",
        (false, false) => "a loss",
    };
    let rows = [
        ("loss of what is chosen", "", choice.loss, false),
        ("loss of the default", "", choice.default_loss, false),
        ("difference", verdict, choice.difference, true),
    ];
    for (name, verdict, estimate, signed) in rows {
        let mut row = vec![name.to_owned(), verdict.to_owned()];
        row.extend(cells(LOSS, &estimate, signed));
        worth.add(row);
    }
    let mut times = Table::new(&["setting", ""], &["chosen for so many sources and sets of them"]);
    for (setting, point) in points.iter().enumerate() {
        let note = match (setting == 0, setting == choice.of_all) {
            (true, true) => "the default, and the choice of all",
            (true, false) => "the default",
            (false, true) => "the choice of all",
            (false, false) if choice.times[setting] == 0 => continue,
            (false, false) => "",
        };
        times.add(vec![point.name.clone(), note.to_owned(), choice.times[setting].to_string()]);
    }
    [worth, times]
}
