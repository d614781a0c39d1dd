//! Report: all that a bench found, as tables and as JSON.

use crate::bench::cross_validation::{self, Choice};
use crate::bench::grid::Point;
use crate::bench::methods::{self, Difference, Mean, Method};
use crate::bench::review::Reviewed;
use crate::bench::speed::{self, Stages};
use crate::bench::summary::{Group, Measured, summary};
use crate::bench::table::Table;
use crate::bench::{criteria, over_sources, review, show};
use serde::Serialize;

/// Report of a bench, as it is written as JSON.
#[derive(Serialize)]
pub struct Report<'a> {
    /// Groups, then the headline.
    groups: Vec<Group>,
    /// Every recording.
    recordings: &'a [Measured],
    /// Of every method, its rates as means over sources.
    methods: Vec<Mean>,
    /// Differences of each method from the final result.
    differences: Vec<Difference>,
    /// Confusion that a review of the least sure speech removes; empty where results were read.
    review: Vec<Reviewed>,
    /// Setting chosen by cross-validation, and the loss of that choice; `None` unless that was asked for.
    choice: Option<Choice>,
    /// Names of the settings to choose among.
    settings: Vec<&'a str>,
    /// Processor time by stage; `None` unless that was asked for.
    pub speed: Option<Stages>,
    #[serde(skip)]
    points: &'a [Point],
}

impl<'a> Report<'a> {
    /// Of `measured`, with `points` to choose among.
    pub fn of(measured: &'a [Measured], points: &'a [Point]) -> Self {
        let choice = chosen(measured, points);
        let mut methods = methods::all(measured);
        if let Some(choice) = &choice {
            // Each recording by what was chosen without its source: what a new source may expect.
            let figures = measured.iter().zip(&choice.by_recording).map(|(one, &at)| Some(one.points[at]));
            methods.push(Method { name: "cross-validated".into(), figures: figures.collect() });
        }
        Self {
            groups: summary(measured),
            recordings: measured,
            methods: methods::means(measured, &methods),
            differences: methods::differences(measured, &methods),
            review: review::reviewed(measured),
            choice,
            settings: points.iter().map(|point| point.name.as_str()).collect(),
            speed: None,
            points,
        }
    }

    /// For people.
    pub fn tables(&self) -> Vec<Table> {
        let (groups, measured) = (&self.groups, self.recordings);
        let mut tables = vec![show::recordings(measured), show::groups(groups)];
        if measured.iter().any(|one| !one.peers.is_empty()) {
            tables.push(show::against(groups));
        }
        tables.extend(groups.last().map(show::continuity));
        tables.extend(show::confidence(groups));
        tables.extend(groups.last().and_then(show::reliability));
        if !self.review.is_empty() {
            tables.push(review::table(&self.review));
        }
        tables.push(criteria::table(measured));
        tables.extend(over_sources::results(measured));
        tables.push(over_sources::methods(&self.methods));
        if !self.differences.is_empty() {
            tables.push(over_sources::differences(&self.differences));
        }
        if let Some(choice) = &self.choice {
            tables.push(over_sources::folds(choice, self.points));
            tables.extend(over_sources::choice(choice, self.points));
        }
        tables.extend(self.speed.as_ref().map(speed::table));
        tables
    }
}

/// Chooses among `points` by the loss of each on every recording.
fn chosen(measured: &[Measured], points: &[Point]) -> Option<Choice> {
    let losses = |point: usize| measured.iter().map(|one| one.points[point].loss()).collect();
    let losses: Vec<Vec<f64>> = (0..points.len()).map(losses).collect();
    let sources: Vec<_> = measured.iter().map(|one| one.source.clone()).collect();
    cross_validation::choose(&losses, &sources)
}
