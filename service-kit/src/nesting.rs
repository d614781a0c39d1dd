//! Nesting: what may take so long lies within what may take longer. Checked when a service starts, so that no time-out cuts off what another
//! one allows. (Those of a job are in [`crate::budget`].)

use std::fmt;
use std::time::Duration;

/// Longest time that something may take, and the setting that gives it, if any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    what: &'static str,
    within: Duration,
    setting: Option<&'static str>,
}

impl Limit {
    /// One that is fixed.
    pub const fn fixed(what: &'static str, within: Duration) -> Self {
        Self { what, within, setting: None }
    }

    /// One that the setting of this name gives.
    pub const fn set(what: &'static str, within: Duration, setting: &'static str) -> Self {
        Self { what, within, setting: Some(setting) }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, within, setting } = self;
        let seconds = within.as_secs_f64();
        match setting {
            Some(setting) => write!(f, "{what} ({setting}={seconds})"),
            None => write!(f, "{what} ({seconds} s, which is fixed)"),
        }
    }
}

/// Pairs of limits that must nest: the first of each pair must be the shorter one.
pub type Nesting = Vec<(Limit, Limit)>;

/// Two time-outs do not nest.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("the time-outs do not nest: {inner} must be shorter than {outer}{}", advice(.inner, .outer))]
pub struct NestingError {
    inner: Limit,
    outer: Limit,
}

fn advice(inner: &Limit, outer: &Limit) -> String {
    match (inner.setting, outer.setting) {
        (Some(inner), Some(outer)) => format!(". Lower {inner} or raise {outer}"),
        (Some(inner), None) => format!(". Lower {inner}"),
        (None, Some(outer)) => format!(". Raise {outer}"),
        (None, None) => String::new(),
    }
}

/// An error for the first pair that does not nest.
pub fn check(nesting: Nesting) -> Result<(), NestingError> {
    match nesting.into_iter().find(|(inner, outer)| inner.within >= outer.within) {
        Some((inner, outer)) => Err(NestingError { inner, outer }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_pair_that_does_not_nest_is_named_with_both_settings() {
        let second = |seconds| Duration::from_secs(seconds);
        let inner = Limit::set("a look", second(20), "LOOK_SECONDS");
        let outer = Limit::set("what is lost", second(10), "LOST_SECONDS");
        let fixed = Limit::fixed("an answer", second(20));
        assert_eq!(check(vec![(outer.clone(), inner.clone())]), Ok(()));
        let said = |inner, outer| check(vec![(inner, outer)]).expect_err("does not nest").to_string();
        let words = "the time-outs do not nest: a look (LOOK_SECONDS=20) must be shorter than what is lost (LOST_SECONDS=10). \
                     Lower LOOK_SECONDS or raise LOST_SECONDS";
        assert_eq!(said(inner.clone(), outer.clone()), words);
        assert!(said(inner, fixed.clone()).ends_with("an answer (20 s, which is fixed). Lower LOOK_SECONDS"));
        assert!(said(fixed, outer).ends_with("Raise LOST_SECONDS"));
    }
}
