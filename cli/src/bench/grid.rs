//! Grid: the settings among which `--cross-validate` chooses. What is varied is said here and nowhere else.

use crate::bench::figures::Figures;
use crate::bench::marks;
use crate::bench::recordings::Recording;
use diarization::agglomeration::Bound;
use diarization::analysis::BlockAnalysis;
use diarization::diarize::Settings;
use diarization::scoring::{self, Options};

/// One setting.
pub struct Point {
    /// Name shown in tables.
    pub name: String,
    /// The settings themselves.
    pub settings: Settings,
}

/// Bound from which two clusters may be joined: the cosine at a second of speech, and its rise for each e-fold.
const AT_ONE_SECOND: [f64; 6] = [0.12, 0.16, 0.2, 0.24, 0.28, 0.32];
const PER_LOG_SECOND: [f64; 5] = [0.1, 0.12, 0.14, 0.16, 0.18];

/// All settings, the default, `settings` themselves, first.
pub fn points(settings: &Settings) -> Vec<Point> {
    let name = |bound: &Bound| format!("{:.2} + {:.2} ln s", bound.at_one_second, bound.per_log_second);
    let given = settings.hints.bound;
    let mut points = vec![Point { name: name(&given), settings: settings.clone() }];
    for at_one_second in AT_ONE_SECOND {
        for per_log_second in PER_LOG_SECOND {
            let bound = Bound { at_one_second, per_log_second, ..given };
            if bound != given {
                let mut settings = settings.clone();
                settings.hints.bound = bound;
                points.push(Point { name: name(&bound), settings });
            }
        }
    }
    points
}

/// Figures of each of `points` on a recording, computed by as many threads as are asked for.
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
        let points = points(&Settings::default());
        assert_eq!(points[0].settings, Settings::default());
        assert_eq!(points.iter().filter(|point| point.settings == points[0].settings).count(), 1);
        assert_eq!((points[1].name.as_str(), points.len()), ("0.12 + 0.10 ln s", 30));
    }
}
