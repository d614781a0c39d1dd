//! Supervisor: workers that are started again whenever they end, as whoever runs the services does.

use crate::eventually::{LOOK_EVERY, PATIENCE};
use crate::process::Process;
use crate::stack::Stack;
use std::process::ExitStatus;
use std::time::Instant;

/// So many workers, always.
pub struct Supervisor {
    workers: Vec<Process>,
    settings: Vec<(&'static str, String)>,
    within: Option<u64>,
    ends: Vec<(ExitStatus, String)>,
}

impl Supervisor {
    /// Starts `count` workers with these settings, each in so many bytes of address space, if given.
    pub fn start(
        stack: &mut Stack,
        count: usize,
        settings: &[(&'static str, &str)],
        within: Option<u64>,
    ) -> Self {
        let settings: Vec<_> = settings.iter().map(|(key, value)| (*key, (*value).to_owned())).collect();
        let workers = (0..count).map(|_| stack.lone_worker(&settings, within)).collect();
        Self { workers, settings, within, ends: Vec::new() }
    }

    /// Exit statuses of the workers that have ended, each with the last lines of its log.
    pub fn ends(&self) -> &[(ExitStatus, String)] {
        &self.ends
    }

    fn tend(&mut self, stack: &mut Stack) {
        for worker in &mut self.workers {
            if let Some(status) = worker.ended() {
                self.ends.push((status, worker.tail()));
                *worker = stack.lone_worker(&self.settings, self.within);
            }
        }
    }

    /// Tends the workers until `look` sees something. Time runs out only while no worker ends: each of them is progress.
    pub async fn until<T>(
        &mut self,
        stack: &mut Stack,
        what: &str,
        look: impl AsyncFn(&Stack) -> Option<T>,
    ) -> T {
        let (mut since, mut ended) = (Instant::now(), self.ends.len());
        loop {
            self.tend(stack);
            stack.must_be_alive();
            if let Some(seen) = look(stack).await {
                return seen;
            }
            if self.ends.len() > ended {
                (since, ended) = (Instant::now(), self.ends.len());
            }
            assert!(
                since.elapsed() < PATIENCE,
                "waited {PATIENCE:?} in vain: {what}; {} workers have ended; those that live:\n{}",
                self.ends.len(),
                self.workers.iter().map(Process::tail).collect::<Vec<_>>().join("\n")
            );
            tokio::time::sleep(LOOK_EVERY * 5).await;
        }
    }

    /// Asks all workers to stop, and waits until they have.
    pub async fn stop(mut self) {
        for worker in &mut self.workers {
            if worker.ended().is_none() {
                worker.ask_to_stop();
                while worker.ended().is_none() {
                    tokio::time::sleep(LOOK_EVERY).await;
                }
            }
        }
    }
}
