//! Report: what was broken, and what came of it, for people.

use super::faults::Injected;
use super::resume::{Resumed, percentile};
use super::verify::Verdict;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

/// A run that has ended.
#[derive(Clone, Debug)]
pub struct Report {
    /// Seed of the plan.
    pub seed: u64,
    /// Duration of the run.
    pub took: Duration,
    /// Time during which faults came.
    pub broke_for: Duration,
    /// RabbitMQ's and Postgres' versions.
    pub versions: (String, String),
    /// Faults that came, in order.
    pub injected: Vec<Injected>,
    /// Times until chunks of killed workers were taken up again.
    pub resumed: Resumed,
    /// Samples that were uploaded over and over: name and number of chunks.
    pub samples: Vec<(&'static str, usize)>,
    /// Requests that clients made.
    pub requests: usize,
    /// Number of times that a recording in mid-work was compared with what one process shows.
    pub looks: usize,
    /// Dead letters of which every attempt was struck: replayed.
    pub replayed: usize,
    /// Findings at the end.
    pub verdict: Verdict,
    /// Everything that should not be; a good run has none.
    pub failures: Vec<String>,
}

impl Report {
    /// Panics with the seed and all failures, if there are any.
    pub fn must_be_good(&self) {
        assert!(
            self.failures.is_empty(),
            "chaos with seed {} found:\n  {}\nplay it again with THROUGHLINE_CHAOS_SEED={}",
            self.seed,
            self.failures.join("\n  "),
            self.seed
        );
    }

    /// Panics where the run broke so little that a good end says nothing.
    pub fn must_have_broken_much(&self) {
        let in_their_moment = self.injected.iter().filter(|fault| fault.in_its_moment).count();
        assert!(
            in_their_moment * 2 > self.injected.len(),
            "only {in_their_moment} of {} faults found their moment: the services did too little",
            self.injected.len()
        );
        assert!(self.verdict.recordings >= self.samples.len(), "only {} recordings", self.verdict.recordings);
        assert!(self.looks > 0, "no recording was looked at in mid-work");
    }

    /// Markdown, under a heading of its own.
    pub fn markdown(&self) -> String {
        let mut text = String::new();
        let mut line = |words: String| {
            let _ = writeln!(text, "{words}");
        };
        let verdict = &self.verdict;
        let minutes = self.took.as_secs_f64() / 60.0;
        line(format!("# Chaos report: seed {}\n", self.seed));
        line(format!(
            "Made by `deploy/chaos --seed {} --minutes N`; docs/chaos.md says how, and what counts as a failure.\n",
            self.seed
        ));
        line("| | |".into());
        line("|---|---|".into());
        line(format!("| duration | {minutes:.1} min |"));
        line(format!("| of these with faults | {:.1} min |", self.broke_for.as_secs_f64() / 60.0));
        line(format!("| faults | {} |", self.injected.len()));
        line(format!("| recordings accepted, and still there at the end | {} |", verdict.recordings));
        line(format!(
            "| of these accepted without their uploader learning of it | {} |",
            verdict.unannounced
        ));
        line(format!("| lost | {} |", verdict.lost.len()));
        line(format!("| doubled | {} |", verdict.doubled.len()));
        line(format!("| different from the oracle | {} |", verdict.different.len()));
        line(format!("| left of deleted recordings | {} |", verdict.undead.len()));
        line(format!("| other failures | {} |", self.failures.len() - verdict.failures().len()));
        line(format!("| looks at recordings in mid-work, all as one process shows them | {} |", self.looks));
        line(format!("| dead letters of messages struck at every attempt, replayed | {} |", self.replayed));
        line(format!("| requests made by clients | {} |", self.requests));
        line(format!("| files stored for uploads that were never accepted | {} |", verdict.orphans.len()));
        line(format!(
            "| RabbitMQ, Postgres, Throughline | {}, {}, {} |\n",
            self.versions.0,
            self.versions.1,
            env!("CARGO_PKG_VERSION")
        ));
        line("Time from the kill -9 of a worker until the chunk it had in hand was taken by another one, or by the one started in its place:\n".into());
        line("| | kills | p50 | p99 | longest |".into());
        line("|---|---|---|---|---|".into());
        line(resume_line("nothing else was broken meanwhile", &self.resumed.alone));
        line(resume_line(
            "something else was (broker, database, frozen processes)",
            &self.resumed.in_company,
        ));
        if self.resumed.not_wanted > 0 {
            line(format!(
                "\n{} more chunks were not wanted any more: reprocessed or deleted meanwhile.",
                self.resumed.not_wanted
            ));
        }
        line("\nFaults by kind:\n".into());
        line("| fault | times | of these in its moment |".into());
        line("|---|---|---|".into());
        for (kind, (times, in_moment)) in self.kinds() {
            line(format!("| {kind} | {times} | {in_moment} |"));
        }
        let samples: Vec<String> =
            self.samples.iter().map(|(name, chunks)| format!("{name} ({chunks} chunks)")).collect();
        line(format!("\nUploaded over and over, some at once: {}.", samples.join(", ")));
        if !self.failures.is_empty() {
            line("\n## Failures\n".into());
            for failure in &self.failures {
                line(format!("- {}", failure.lines().next().unwrap_or_default()));
            }
        }
        text
    }

    fn kinds(&self) -> BTreeMap<String, (usize, usize)> {
        let mut kinds = BTreeMap::new();
        for injected in &self.injected {
            let (times, in_moment) = kinds.entry(injected.fault.kind()).or_insert((0, 0));
            *times += 1;
            *in_moment += usize::from(injected.in_its_moment);
        }
        kinds
    }
}

fn resume_line(what: &str, sorted: &[f64]) -> String {
    let seconds = |value: Option<f64>| value.map_or("none".to_owned(), |value| format!("{value:.2} s"));
    let (p50, p99, most) = (percentile(sorted, 50), percentile(sorted, 99), sorted.last().copied());
    format!("| {what} | {} | {} | {} | {} |", sorted.len(), seconds(p50), seconds(p99), seconds(most))
}

#[cfg(test)]
mod tests {
    use super::super::plan::Fault;
    use super::*;

    fn report() -> Report {
        let wipe = Injected { fault: Fault::WipeBroker, in_its_moment: true };
        Report {
            seed: 5,
            took: Duration::from_secs(90),
            broke_for: Duration::from_secs(60),
            versions: ("3.10".into(), "18.0".into()),
            injected: vec![wipe.clone(), Injected { in_its_moment: false, ..wipe }],
            resumed: Resumed { alone: vec![0.5, 2.0], ..Resumed::default() },
            samples: vec![("interview", 4)],
            requests: 9,
            looks: 3,
            replayed: 0,
            verdict: Verdict { recordings: 8, ..Verdict::default() },
            failures: Vec::new(),
        }
    }

    #[test]
    fn a_report_counts_faults_by_kind_and_says_what_was_lost() {
        let text = report().markdown();
        assert!(text.contains("| lost | 0 |") && text.contains("| duration | 1.5 min |"), "{text}");
        assert!(text.contains("| broker: kill -9, all its data deleted | 2 | 1 |"), "{text}");
        assert!(
            text.contains("| nothing else was broken meanwhile | 2 | 0.50 s | 2.00 s | 2.00 s |"),
            "{text}"
        );
        report().must_be_good();
    }

    #[test]
    #[should_panic(expected = "THROUGHLINE_CHAOS_SEED=5")]
    fn a_failure_is_told_with_the_seed_that_shows_it_again() {
        Report { failures: vec!["lost: it".into()], ..report() }.must_be_good();
    }

    #[test]
    #[should_panic(expected = "found their moment")]
    fn a_run_that_broke_little_is_no_good_run() {
        report().must_have_broken_much();
    }
}
