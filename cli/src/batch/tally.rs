//! Tally: a line per file while a batch runs, and at its end a summary with what failed.

use crate::report::{clock, count};
use anyhow::bail;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Outcome of a file.
#[derive(Debug)]
pub enum Fate {
    /// It is done: what there is to say of it, and seconds of audio, where they are known.
    Done(String, Option<f64>),
    /// Its results were there already.
    Skipped,
    /// It failed, for this reason.
    Failed(anyhow::Error),
}

#[derive(Default)]
struct Counts {
    done: usize,
    skipped: usize,
    audio_s: f64,
    failures: Vec<String>,
}

/// The state of a batch.
pub struct Tally {
    all: usize,
    quiet: bool,
    bars: MultiProgress,
    counts: Mutex<Counts>,
    started: Instant,
}

impl Tally {
    /// Of so many files; `quiet` where only failures and warnings are told.
    pub fn of(all: usize, quiet: bool) -> Self {
        let bars = MultiProgress::new();
        Self { all, quiet, bars, counts: Mutex::default(), started: Instant::now() }
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A bar for a file in work, on a terminal; nothing elsewhere.
    pub fn bar(&self, name: &str) -> ProgressBar {
        let style = ProgressStyle::with_template("{elapsed_precise} [{bar:30}] {percent:>3} % {msg}");
        let style = style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> ");
        let bar = if self.quiet { ProgressBar::hidden() } else { self.bars.add(ProgressBar::new(0)) };
        bar.set_style(style);
        bar.set_message(name.to_owned());
        bar
    }

    /// Tells of something in a file that is no failure.
    pub fn warn(&self, name: &str, warning: &str) {
        self.bars.suspend(|| eprintln!("warning: {name}: {warning}"));
    }

    /// A file has ended: prints its line.
    pub fn end(&self, name: &str, fate: Fate) {
        let mut counts = self.counts();
        let line = match fate {
            Fate::Done(said, seconds) => {
                counts.done += 1;
                counts.audio_s += seconds.unwrap_or_default();
                said
            }
            Fate::Skipped => {
                counts.skipped += 1;
                "skipped: its results are there".to_owned()
            }
            Fate::Failed(error) => {
                // The name stands before it already.
                let said = format!("{error:#}");
                let said = said.strip_prefix(&format!("{name}: ")).unwrap_or(&said).to_owned();
                counts.failures.push(format!("{name}: {said}"));
                format!("failed: {said}")
            }
        };
        let ended = counts.done + counts.skipped + counts.failures.len();
        if !self.quiet {
            self.bars.suspend(|| println!("[{ended}/{}] {name}: {line}", self.all));
        }
    }

    /// Prints the summary; an error that lists what failed, where anything did.
    pub fn finish(self) -> anyhow::Result<()> {
        let counts = self.counts();
        if !self.quiet {
            println!("{}", summary(&counts, self.started.elapsed()));
        }
        if counts.failures.is_empty() {
            return Ok(());
        }
        bail!(
            "{} of {} failed:\n  {}",
            counts.failures.len(),
            count(self.all as u64, "file"),
            counts.failures.join("\n  ")
        )
    }
}

fn summary(counts: &Counts, took: Duration) -> String {
    let took = took.as_secs_f64();
    let mut said = format!("{} done", count(counts.done as u64, "file"));
    for (count, what) in [(counts.skipped, "skipped"), (counts.failures.len(), "failed")] {
        if count > 0 {
            said += &format!(", {count} {what}");
        }
    }
    said += &format!(", in {}", clock(took));
    if counts.audio_s > 0.0 {
        said += &format!("; {} of audio, {:.0} × real time", clock(counts.audio_s), counts.audio_s / took);
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::anyhow;

    #[test]
    fn what_failed_is_listed_at_the_end_and_the_rest_counts() {
        let tally = Tally::of(3, true);
        tally.end("a.wav", Fate::Done("2 speakers".into(), Some(60.0)));
        tally.end("b.wav", Fate::Failed(anyhow!("b.wav: no audio in it")));
        tally.end("c.wav", Fate::Skipped);
        assert_eq!(
            summary(&tally.counts(), Duration::from_secs(2)),
            "1 file done, 1 skipped, 1 failed, in 0:02.0; 1:00.0 of audio, 30 × real time"
        );
        let failed = tally.finish().expect_err("one failed").to_string();
        assert_eq!(failed, "1 of 3 files failed:\n  b.wav: no audio in it");
    }
}
