//! Show: the bench's tables by recording and by group.

use crate::bench::summary::{Group, Measured, Row};
use crate::bench::table::{Table, percent};
use diarization::scoring::BINS;

fn speed(audio_seconds: f64, seconds: Option<f64>) -> String {
    seconds.map_or_else(|| "-".into(), |seconds| format!("{:.0}", audio_seconds / seconds))
}

/// So many of so many.
pub fn share(part: usize, whole: usize) -> String {
    if whole == 0 { "-".into() } else { format!("{part} of {whole}") }
}

/// A line per recording.
pub fn recordings(measured: &[Measured]) -> Table {
    let mut table = Table::new(
        &["recording", "group"],
        &[
            "DER",
            "miss",
            "false alarm",
            "confusion",
            "DER ±0.25",
            "JER",
            "speakers",
            "in order: DER",
            "swaps",
            "× real time",
        ],
    );
    for one in measured {
        let (exact, in_order) = (&one.last.exact, one.in_order.as_ref());
        let dash = || "-".to_owned();
        let mut row = vec![one.recording.clone(), one.group.clone()];
        let rates = [
            exact.der(),
            exact.miss(),
            exact.false_alarm(),
            exact.confusion(),
            one.last.forgiving.der(),
            exact.jer,
        ];
        row.extend(rates.map(percent));
        row.push(format!("{} / {}", exact.speakers_hypothesis, exact.speakers_reference));
        row.push(in_order.map_or_else(dash, |marks| percent(marks.exact.der())));
        row.push(in_order.map_or_else(dash, |marks| marks.continuity.swaps().to_string()));
        row.push(speed(one.audio_seconds, one.seconds));
        table.add(row);
    }
    table
}

/// The results of each group and the headline, a line each.
pub fn groups(groups: &[Group]) -> Table {
    let mut table = Table::new(
        &["group", "result"],
        &[
            "DER",
            "miss",
            "false alarm",
            "confusion",
            "DER ±0.25",
            "JER",
            "exact count",
            "swaps",
            "× real time",
        ],
    );
    for group in groups {
        let mut add = |result: &str, row: &Row, speed: String| {
            let rates = [row.der, row.miss, row.false_alarm, row.confusion, row.der_forgiving, row.jer];
            let mut cells = vec![group.group.clone(), result.to_owned()];
            cells.extend(rates.map(percent));
            cells.push(share(row.count_exact, row.recordings));
            cells.push(row.continuity.swaps().to_string());
            cells.push(speed);
            table.add(cells);
        };
        add("final", &group.last, speed(group.audio_seconds, group.seconds));
        if let Some(row) = &group.in_order {
            add("in order", row, "-".into());
        }
        if let Some(row) = &group.peer {
            add("peer", row, "-".into());
        }
    }
    table
}

/// Error of the final result against that of the peer, in percent of the peer's; below zero is better.
pub fn against(groups: &[Group]) -> Table {
    let mut table = Table::new(
        &["group"],
        &["DER", "against the peer", "confusion", "peer's confusion", "exact count", "peer's"],
    );
    for group in groups {
        let Some(peer) = &group.peer else { continue };
        let last = &group.last;
        table.add(vec![
            group.group.clone(),
            percent(last.der),
            format!("{:+.1} %", 100.0 * (last.der / peer.der - 1.0)),
            percent(last.confusion),
            percent(peer.confusion),
            share(last.count_exact, last.recordings),
            share(peer.count_exact, peer.recordings),
        ]);
    }
    table
}

/// Continuity of labels from chunk to chunk, over all recordings.
pub fn continuity(headline: &Group) -> Table {
    let mut table = Table::new(
        &["result"],
        &["labels kept from chunk to chunk", "returning recognised", "new told apart"],
    );
    let results = [("final", Some(headline.last)), ("in order", headline.in_order), ("peer", headline.peer)];
    for (name, row) in results {
        let Some(Row { continuity, .. }) = row else { continue };
        let both = |part: usize, whole: usize| {
            if whole == 0 {
                "-".into()
            } else {
                format!("{} ({part} of {whole})", percent(part as f64 / whole as f64))
            }
        };
        table.add(vec![
            name.to_owned(),
            both(continuity.kept, continuity.carried),
            both(continuity.recognised, continuity.returned),
            both(continuity.told_apart, continuity.joined),
        ]);
    }
    table
}

/// Confidence in the speakers, share of speech that is right, and calibration error; `None` where results were read.
pub fn confidence(groups: &[Group]) -> Option<Table> {
    let mut table = Table::new(&["group", "result"], &["confidence", "right", "expected calibration error"]);
    for group in groups {
        for (result, reliability) in [("final", group.reliability), ("in order", group.in_order_reliability)]
        {
            let reliability = reliability?;
            let all = reliability.all();
            let of_speech =
                |part: f64| if all.speech > 0.0 { percent(part / all.speech) } else { "-".into() };
            table.add(vec![
                group.group.clone(),
                result.to_owned(),
                of_speech(all.expected),
                of_speech(all.right),
                of_speech(reliability.expected_calibration_error() * all.speech),
            ]);
        }
    }
    Some(table)
}

/// The same over all recordings by confidence.
pub fn reliability(headline: &Group) -> Option<Table> {
    let results = [("final", headline.reliability?), ("in order", headline.in_order_reliability?)];
    let mut table =
        Table::new(&["result", "confidence from"], &["seconds of speech", "mean confidence", "right"]);
    for (result, reliability) in results {
        for (number, bin) in reliability.bins.iter().enumerate().filter(|(_, bin)| bin.speech > 0.0) {
            table.add(vec![
                result.to_owned(),
                format!("{:.1}", number as f64 / BINS as f64),
                format!("{:.0}", bin.speech),
                percent(bin.expected / bin.speech),
                percent(bin.right / bin.speech),
            ]);
        }
    }
    Some(table)
}
