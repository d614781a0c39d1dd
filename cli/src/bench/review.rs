//! Review: how much confusion goes where a person listens to the least sure part of the speech and puts it right.

use crate::bench::summary::Measured;
use crate::bench::table::{Table, percent};
use diarization::scoring::{Judged, found_in};
use serde::Serialize;

/// Shares of the speech that are listened to.
const SHARES: [f64; 4] = [0.01, 0.02, 0.05, 0.1];

/// Effect of listening to a share of the speech.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Reviewed {
    /// Share of the speech that is listened to.
    pub share: f64,
    /// Seconds of that.
    pub seconds: f64,
    /// Share of the confusion that is in the least sure part of each recording.
    pub in_each: f64,
    /// Share of the confusion that is in the least sure part of all recordings together.
    pub over_all: f64,
}

/// Of all recordings; nothing where results were read, or nothing was confused.
pub fn reviewed(measured: &[Measured]) -> Vec<Reviewed> {
    let turns: Option<Vec<&[Judged]>> = measured.iter().map(|one| one.judged.as_deref()).collect();
    let Some(turns) = turns else { return Vec::new() };
    let all: Vec<Judged> = turns.concat();
    let wrong: f64 = all.iter().map(|turn| turn.wrong_s).sum();
    if wrong == 0.0 {
        return Vec::new();
    }
    let speech: f64 = all.iter().map(|turn| turn.speech_s).sum();
    let line = |share: f64| Reviewed {
        share,
        seconds: share * speech,
        in_each: turns.iter().map(|turns| found_in(turns, share)).sum::<f64>() / wrong,
        over_all: found_in(&all, share) / wrong,
    };
    SHARES.map(line).to_vec()
}

/// A line per share.
pub fn table(lines: &[Reviewed]) -> Table {
    let mut table = Table::new(
        &["least sure speech reviewed"],
        &["seconds", "confusion removed, in each recording", "over all recordings"],
    );
    for line in lines {
        table.add(vec![
            percent(line.share),
            format!("{:.0}", line.seconds),
            percent(line.in_each),
            percent(line.over_all),
        ]);
    }
    table
}
