//! Nesting: the time-outs of the matcher, and which lies within which.

use crate::claim::{SIGN_EVERY, SILENT_WITHIN};
use crate::config::Config;
use crate::service::MATCH_WITHIN;
use service_kit::nesting::{Limit, Nesting};
use service_kit::transaction::WHOLE_WITHIN;

/// Pairs of time-outs that must nest, under `config`.
pub(crate) fn of(config: &Config) -> Nesting {
    let fixed = Limit::fixed;
    vec![
        // Each page of a replay is one, and so is the commit.
        (fixed("a transaction", WHOLE_WITHIN), fixed("matching or completing a recording", MATCH_WITHIN)),
        (
            fixed("two signs of life of whoever completes a recording", SIGN_EVERY * 2),
            fixed("the silence after which another one may complete it", SILENT_WITHIN),
        ),
        (
            Limit::set(
                "the time between two looks",
                config.reconcile_every(),
                "THROUGHLINE_RECONCILE_SECONDS",
            ),
            Limit::set(
                "the time after which jobs are taken for lost",
                config.republish_after(),
                "THROUGHLINE_REPUBLISH_SECONDS",
            ),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;
    use service_kit::nesting;

    fn config(arguments: &[&str]) -> Config {
        let needed = ["throughline-matcher", "--database-url", "postgres://somewhere/x"];
        Config::try_parse_from(needed.iter().chain(arguments)).expect("parses")
    }

    #[test]
    fn the_time_outs_nest_as_they_are_and_looks_that_are_too_rare_are_named() {
        assert_eq!(nesting::check(of(&config(&[]))), Ok(()));
        let rare = config(&["--reconcile-seconds=900"]);
        let why = nesting::check(of(&rare)).expect_err("does not nest").to_string();
        assert!(
            why.contains("THROUGHLINE_RECONCILE_SECONDS=900")
                && why.contains("THROUGHLINE_REPUBLISH_SECONDS=600"),
            "{why}"
        );
    }
}
