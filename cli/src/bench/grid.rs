//! Grid: the settings among which `--cross-validate` chooses. What is varied is said here and nowhere else.

use crate::bench::figures::Figures;
use crate::bench::marks;
use crate::bench::recordings::Recording;
use diarization::analysis::BlockAnalysis;
use diarization::diarize::Settings;
use diarization::scoring::{self, Options};
use diarization::similarity::Threshold;

/// One setting.
pub struct Point {
    /// What is shown of it.
    pub name: String,
    /// What it is.
    pub settings: Settings,
}

/// Thresholds to choose among, in percent.
const THRESHOLDS: std::ops::RangeInclusive<u8> = 20..=80;
const THRESHOLD_STEP: usize = 5;

/// All settings, the default, `settings` themselves, first.
pub fn points(settings: &Settings) -> anyhow::Result<Vec<Point>> {
    let given = settings.hints.threshold;
    let name = |threshold: Threshold| format!("threshold {:.2}", threshold.probability());
    let mut points = vec![Point { name: name(given), settings: settings.clone() }];
    for percent in THRESHOLDS.step_by(THRESHOLD_STEP) {
        let threshold = Threshold::try_from(f64::from(percent) / 100.0)?;
        if threshold != given {
            let mut settings = settings.clone();
            settings.hints.threshold = threshold;
            points.push(Point { name: name(threshold), settings });
        }
    }
    Ok(points)
}

/// What each of `points` makes of a recording, by as many threads as are asked for.
pub fn figures(
    blocks: &[BlockAnalysis],
    points: &[Point],
    recording: &Recording,
    threads: usize,
) -> anyhow::Result<Vec<Figures>> {
    let of = |point: &Point| -> anyhow::Result<Figures> {
        let found = marks::last(blocks, &point.settings, &recording.stem)?;
        Ok(Figures::of(&scoring::score(&recording.reference, &found, &Options::default())))
    };
    let share = points.len().div_ceil(threads.max(1)).max(1);
    std::thread::scope(|scope| {
        let parts: Vec<_> = points
            .chunks(share)
            .map(|part| scope.spawn(move || part.iter().map(of).collect::<anyhow::Result<Vec<Figures>>>()))
            .collect();
        let mut all = Vec::with_capacity(points.len());
        for part in parts {
            all.extend(part.join().map_err(|_| anyhow::anyhow!("the clustering crashed"))??);
        }
        Ok(all)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_first_and_there_once() {
        let points = points(&Settings::default()).expect("thresholds");
        assert_eq!(points[0].settings, Settings::default());
        assert_eq!(points.iter().filter(|point| point.settings == points[0].settings).count(), 1);
        assert_eq!((points[1].name.as_str(), points.len()), ("threshold 0.20", 13));
    }
}
