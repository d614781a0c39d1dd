//! Schedules: made from seeds.

use diarization::analysis::CONFIGURATION;
use pipeline_tests::simulation::op;
use pipeline_tests::simulation::recording::MODELS;
use pipeline_tests::simulation::runs::{self, Ground, Report};
use service_kit::points::{Place, Point};
use service_kit::topology;
use std::io::Write;

/// Schedules run unless told otherwise.
const SCHEDULES: u64 = 10_000;
/// From so many on, chance leaves out no crash point.
const EVERY_POINT: u64 = 10_000;
/// Schedules run twice.
const SAME: u64 = 40;

/// Every transaction by its name. One that is added must be added here, and met.
const TRANSACTIONS: [&str; 29] = [
    "accept upload",
    "advance",
    "begin decoding",
    "begin epoch",
    "choose store",
    "chunks cleared",
    "claim due erasure",
    "claim erasure",
    "clear chunks",
    "commit",
    "dead_letter",
    "delete recording",
    "end decoding",
    "erased",
    "fail decoding",
    "fail_recording",
    "find lost",
    "find_quiet",
    "inbox",
    "note store",
    "order chunk",
    "park decoding",
    "read epoch",
    "reconcile",
    "release",
    "replay",
    "reprocess",
    "republish",
    "send outbox",
];

/// Every crash point that there is.
fn crash_points() -> Vec<Point> {
    let point = |place, of: &str| Point { place, of: of.to_owned() };
    let queues = MODELS.iter().map(|(version, _)| topology::chunk_queue(version, CONFIGURATION));
    let queues = queues.chain([topology::DECODE, topology::MATCH, topology::DEAD].map(str::to_owned));
    let of_queue = |queue: String| {
        [Place::BeforeSend, Place::AfterConfirm, Place::BeforeAck, Place::AfterAck]
            .map(|place| point(place, &queue))
    };
    let of_transaction = |name| [Place::BeforeCommit, Place::AfterCommit].map(|place| point(place, name));
    TRANSACTIONS.into_iter().flat_map(of_transaction).chain(queues.flat_map(of_queue)).collect()
}

/// A point at which nothing ever died is not tested, and one that nobody knows is not looked for.
fn all_points_must_be_met(report: &Report) {
    let known = crash_points();
    let died_at = |point: &Point| report.met.0.get(point).is_some_and(|[_, died, _]| *died > 0);
    let missed: Vec<String> = known.iter().filter(|point| !died_at(point)).map(ToString::to_string).collect();
    assert!(missed.is_empty(), "nothing ever died {missed:#?}");
    let unknown = report.met.0.keys().filter(|point| point.place != Place::Waiting && !known.contains(point));
    let unknown: Vec<String> = unknown.map(ToString::to_string).collect();
    assert!(
        unknown.is_empty(),
        "these crash points are new: add them to the list in this file: {unknown:#?}"
    );
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} must be a whole number, not '{text}'")))
}

/// Past the test runner, which keeps to itself what a test prints that passes.
fn say(words: &str) {
    let _ = writeln!(std::io::stderr(), "{words}");
}

fn show(report: &Report) {
    let Report { schedules, took, .. } = report;
    let each = took.as_secs_f64() * 1000.0 / *schedules as f64;
    say(&format!(
        "simulation: {schedules} schedules in {:.1} s ({each:.1} ms each), in which:",
        took.as_secs_f64()
    ));
    for (what, count) in &report.counts {
        say(&format!("  {count:>8} {what}"));
    }
    say("  crash points: passed, died at, stood at");
    for (point, [passed, died, stood]) in &report.met.0 {
        say(&format!("  {passed:>8} {died:>6} {stood:>6} {point}"));
    }
}

#[test]
fn a_schedule_goes_the_same_way_every_time() {
    let (mut ground, mut other) = (Ground::new(), Ground::new());
    for seed in 0..SAME {
        let schedule = op::of_seed(seed);
        assert_eq!(ground.events(&schedule), other.events(&schedule), "seed {seed}");
    }
    ground.close();
    other.close();
}

/// Report on a schedule that fails: all that is needed to run it again.
fn tell(ground: &mut Ground, seed: u64) -> String {
    let (least, failure) = ground.shrunk(&op::of_seed(seed));
    let events: String = failure.events.iter().map(|event| format!("\n  {event}")).collect();
    format!(
        "the schedule of seed {seed} fails: {}\nits shortest form:{events}\n{least:?}\nto run it again: THROUGHLINE_SIMULATION_SEED={seed} deploy/test -p pipeline-tests --test simulation",
        failure.what
    )
}

fn run_cleanings(report: &mut Report) {
    let mut ground = Ground::new();
    for schedule in op::of_cleaning() {
        if let Err(failure) = ground.run(&schedule, &mut report.counts, &mut report.met) {
            panic!("{}: {:#?}\n{schedule:?}", failure.what, failure.events);
        }
        report.schedules += 1;
    }
    ground.close();
}

#[test]
fn whatever_goes_wrong_nothing_is_lost_doubled_or_swapped() {
    if let Some(seed) = number("THROUGHLINE_SIMULATION_SEED") {
        let mut ground = Ground::new();
        if let Err(failure) = ground.run_one(&op::of_seed(seed)) {
            let events: String = failure.events.iter().map(|event| format!("\n  {event}")).collect();
            say(&format!("seed {seed}: {}{events}", failure.what));
            panic!("{}", tell(&mut ground, seed));
        }
        ground.close();
        return;
    }
    let schedules = number("THROUGHLINE_SIMULATION_SCHEDULES").unwrap_or(SCHEDULES);
    let mut report = runs::many(number("THROUGHLINE_SIMULATION_FIRST").unwrap_or(0), schedules);
    if let Some((seed, failure)) = &report.failed {
        // Shortening it takes a while.
        say(&format!("seed {seed}: {}", failure.what));
        let told = tell(&mut Ground::new(), *seed);
        panic!("{told}\nat first it was: {}", failure.what);
    }
    run_cleanings(&mut report);
    show(&report);
    if schedules >= EVERY_POINT {
        all_points_must_be_met(&report);
    }
}
