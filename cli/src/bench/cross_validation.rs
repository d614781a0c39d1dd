//! Cross-validation: a choice among settings, made for each source on all the others. What the chosen ones then cost on the sources that had no
//! say is what a choice made so is worth on a source that nobody has seen.

use crate::bench::interval::Estimate;
use crate::bench::sources::Source;
use serde::Serialize;
use std::collections::BTreeMap;

/// Choice made for one source.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Fold {
    /// The source that had no say.
    pub left_out: String,
    /// The setting chosen on all that share nobody with it.
    pub chosen: usize,
    /// Mean loss of that on the source left out.
    pub loss: f64,
    /// Mean loss of the default there.
    pub default_loss: f64,
}

/// The whole of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Choice {
    /// By source; recordings of several sources have a line for each set of them.
    pub folds: Vec<Fold>,
    /// Of each recording, the setting chosen without its source.
    pub by_recording: Vec<usize>,
    /// Number of times that each setting was chosen.
    pub times: Vec<usize>,
    /// The setting that all together would choose.
    pub of_all: usize,
    /// Loss on sources left out.
    pub loss: Estimate,
    /// Loss of the default.
    pub default_loss: Estimate,
    /// The first less the second: below zero is a gain.
    pub difference: Estimate,
}

/// Chooses by `losses[setting][recording]`, where setting 0 is the default and wins ties. `None` of nothing.
pub fn choose(losses: &[Vec<f64>], sources: &[Source]) -> Option<Choice> {
    let default = losses.first()?;
    let best = |may: &dyn Fn(&Source) -> bool| {
        let means: Vec<Option<f64>> = losses.iter().map(|losses| mean(losses, sources, may)).collect();
        let mut best = 0;
        for (setting, mean) in means.iter().enumerate() {
            // By more than rounding: what is as good as the default is no reason to leave it.
            if let (Some(mean), Some(least)) = (mean, means[best])
                && *mean < least - 1e-9
            {
                best = setting;
            }
        }
        best
    };
    let distinct: std::collections::BTreeSet<&Source> = sources.iter().collect();
    let folds: Vec<(&Source, usize)> = distinct
        .into_iter()
        .map(|left_out| (left_out, best(&|source| !source.shares_with(left_out))))
        .collect();
    let chosen_for: BTreeMap<&Source, usize> = folds.iter().copied().collect();
    let by_recording: Vec<usize> = sources.iter().map(|source| chosen_for[source]).collect();
    let mut times = vec![0; losses.len()];
    folds.iter().for_each(|(_, chosen)| times[*chosen] += 1);
    // Of each recording, the loss of what was chosen for it and that of the default.
    let mut by_label: BTreeMap<&str, Vec<(f64, f64)>> = BTreeMap::new();
    for (recording, source) in sources.iter().enumerate() {
        let pair = (losses.get(by_recording[recording])?[recording], default[recording]);
        by_label.entry(source.label()).or_default().push(pair);
    }
    let pairs: Vec<Vec<(f64, f64)>> = by_label.into_values().collect();
    let average = |value: fn(&(f64, f64)) -> f64| {
        Estimate::of(&pairs, |pairs| pairs.iter().map(value).sum::<f64>() / pairs.len() as f64)
    };
    let on = |left_out: &Source, setting: usize| {
        mean(&losses[setting], sources, &|source| source == left_out).unwrap_or_default()
    };
    Some(Choice {
        of_all: best(&|_| true),
        loss: average(|pair| pair.0)?,
        default_loss: average(|pair| pair.1)?,
        difference: average(|pair| pair.0 - pair.1)?,
        folds: folds
            .iter()
            .map(|&(left_out, chosen)| Fold {
                left_out: left_out.to_string(),
                chosen,
                loss: on(left_out, chosen),
                default_loss: on(left_out, 0),
            })
            .collect(),
        by_recording,
        times,
    })
}

/// Mean over sources of the mean over the recordings of each, of those that `may` be looked at.
fn mean(losses: &[f64], sources: &[Source], may: &dyn Fn(&Source) -> bool) -> Option<f64> {
    let mut by_label: BTreeMap<&str, (f64, usize)> = BTreeMap::new();
    for (loss, source) in losses.iter().zip(sources).filter(|(_, source)| may(source)) {
        let (sum, count) = by_label.entry(source.label()).or_default();
        (*sum, *count) = (*sum + loss, *count + 1);
    }
    let sum: f64 = by_label.values().map(|(sum, count)| sum / *count as f64).sum();
    (!by_label.is_empty()).then(|| sum / by_label.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(names: &[&str]) -> Vec<Source> {
        names.iter().map(|name| Source::new(name)).collect()
    }

    #[test]
    fn a_source_has_no_say_in_what_is_chosen_for_it() {
        // Setting 1 does wonders on a and harm on the others.
        let losses = [vec![3.0, 1.0, 1.0], vec![0.0, 1.5, 1.5]];
        let choice = choose(&losses, &sources(&["a", "b", "c"])).expect("three recordings");
        let chosen: Vec<usize> = choice.folds.iter().map(|fold| fold.chosen).collect();
        assert_eq!(chosen, [0, 1, 1], "for a what b and c say; for b and c what a says most of");
        assert_eq!((choice.of_all, choice.times.as_slice()), (1, [1, 2].as_slice()));
        assert!((choice.default_loss.mean - 5.0 / 3.0).abs() < 1e-12);
        assert!((choice.loss.mean - 2.0).abs() < 1e-12, "what wins on all together loses on what is new");
        assert!(choice.difference.is_inside());
    }

    #[test]
    fn sources_weigh_the_same_and_the_default_wins_ties() {
        let losses = [vec![1.0; 5], vec![0.0, 0.0, 0.0, 4.0, 1.0], vec![1.0; 5]];
        let choice = choose(&losses, &sources(&["a", "a", "a", "b", "c"])).expect("five recordings");
        assert_eq!(choice.by_recording, [0, 0, 0, 1, 0], "b costs more than a gains");
        assert_eq!(choice.times, [2, 1, 0]);
    }

    #[test]
    fn a_recording_of_several_sources_has_no_say_on_any_of_them() {
        let losses = [vec![1.0, 1.0, 1.0], vec![1.1, 1.0, 0.0]];
        let choice = choose(&losses, &sources(&["a", "b", "b+c"])).expect("three recordings");
        let chosen = |name: &str| choice.folds.iter().find(|fold| fold.left_out == name).map(|it| it.chosen);
        assert_eq!([chosen("a"), chosen("b"), chosen("b+c")], [Some(1), Some(0), Some(0)]);
    }

    #[test]
    fn what_is_better_everywhere_is_chosen_everywhere_and_is_no_chance() {
        let names = ["a", "a", "b", "b", "c", "c", "d", "d"];
        let losses = [vec![1.0; 8], vec![0.5, 0.6, 0.4, 0.5, 0.7, 0.3, 0.5, 0.6]];
        let choice = choose(&losses, &sources(&names)).expect("eight recordings");
        assert_eq!(choice.times, [0, 4]);
        assert!(!choice.difference.is_inside() && choice.difference.mean < 0.0);
    }

    #[test]
    fn with_one_source_nothing_can_be_chosen() {
        let choice =
            choose(&[vec![1.0, 1.0], vec![0.0, 0.0]], &sources(&["a", "a"])).expect("two recordings");
        assert_eq!((choice.by_recording.as_slice(), choice.of_all), ([0, 0].as_slice(), 1));
        assert_eq!(choose(&[], &sources(&["a"])), None, "nothing to choose among");
        assert_eq!(choose(&[vec![]], &[]), None);
    }
}
