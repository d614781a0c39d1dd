//! The two forms of one run.

use pipeline_tests::chaos::run::{Form, run};
use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

/// The seed where none is given: a run that fails today fails tomorrow.
const SEED: u64 = 3;

fn given<T: FromStr<Err: Display>>(variable: &str) -> Option<T> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|error| panic!("{variable} is '{text}': {error}")))
}

#[tokio::test(flavor = "multi_thread")]
async fn one_fault_of_every_kind_loses_doubles_and_changes_nothing() {
    let form = Form {
        stack: "chaos-short",
        seed: given("THROUGHLINE_CHAOS_SEED").unwrap_or(SEED),
        long: None,
        longest_pause: Duration::from_millis(500),
        longest_freeze: Duration::from_secs(6),
    };
    let report = run(form).await;
    println!("{}", report.markdown());
    report.must_be_good();
    report.must_have_broken_much();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "the long form: deploy/chaos"]
async fn twenty_minutes_of_faults_lose_double_and_change_nothing() {
    let minutes: f64 = given("THROUGHLINE_CHAOS_MINUTES").unwrap_or(20.0);
    let form = Form {
        stack: "chaos-long",
        seed: given("THROUGHLINE_CHAOS_SEED").unwrap_or(SEED),
        long: Some(Duration::from_secs_f64(minutes * 60.0)),
        longest_pause: Duration::from_secs(4),
        longest_freeze: Duration::from_secs(80),
    };
    let report = run(form).await;
    println!("{}", report.markdown());
    if let Ok(path) = std::env::var("THROUGHLINE_CHAOS_REPORT") {
        std::fs::write(&path, report.markdown()).unwrap_or_else(|error| panic!("{path}: {error}"));
    }
    report.must_be_good();
    report.must_have_broken_much();
}
