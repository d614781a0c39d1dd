//! Kept: finished analyses, each until another takes its place.
//!
//! A broker that takes nothing, a connection that is lost before the job is acknowledged, a job that is handed out once more: none of
//! them costs a second inference where the first one was done here.

use crate::activity::Stages;
use service_kit::messages::{ChunkAnalysed, ChunkJob};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// A finished analysis.
#[derive(Debug)]
pub struct Finished {
    /// The job that it answers.
    pub job: ChunkJob,
    /// Message for the matcher.
    pub message: ChunkAnalysed,
    /// Seconds of each stage; none yet of publishing.
    pub stages: Stages,
    sent: AtomicBool,
}

impl Finished {
    /// The answer to `job`, not sent yet.
    pub fn new(job: ChunkJob, message: ChunkAnalysed, stages: Stages) -> Self {
        Self { job, message, stages, sent: AtomicBool::new(false) }
    }

    /// Notes that the broker has confirmed it; whether that is the first time.
    pub fn note_sent(&self) -> bool {
        !self.sent.swap(true, Ordering::Relaxed)
    }

    fn is_sent(&self) -> bool {
        self.sent.load(Ordering::Relaxed)
    }
}

/// The last analyses of a worker, at most so many.
#[derive(Debug)]
pub struct Kept {
    most: usize,
    analyses: Mutex<VecDeque<Arc<Finished>>>,
}

impl Kept {
    /// Room for `most`: as many as can be in hand at once.
    pub fn at_most(most: usize) -> Self {
        Self { most, analyses: Mutex::default() }
    }

    /// The answer to `job`, if it is here. Also to one that was sent already: whoever hands the job out again has not heard of it.
    pub fn answer(&self, job: &ChunkJob) -> Option<Arc<Finished>> {
        let analyses = self.analyses.lock().unwrap_or_else(PoisonError::into_inner);
        analyses.iter().find(|finished| finished.job == *job).cloned()
    }

    /// Keeps an analysis. Where there is no room left, the oldest goes that was sent; if none was, the oldest.
    pub fn keep(&self, finished: Finished) -> Arc<Finished> {
        let finished = Arc::new(finished);
        let mut analyses = self.analyses.lock().unwrap_or_else(PoisonError::into_inner);
        while analyses.len() >= self.most.max(1) {
            let oldest = analyses.iter().position(|kept| kept.is_sent()).unwrap_or(0);
            analyses.remove(oldest);
        }
        analyses.push_back(Arc::clone(&finished));
        finished
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(chunk: u32, run: i32) -> ChunkJob {
        ChunkJob {
            recording: uuid::Uuid::nil(),
            run,
            chunk,
            first_block: chunk,
            blocks: 1,
            object: format!("chunks/{run}/{chunk}"),
            samples: 1000,
            channels: 1,
            model_version: "m".into(),
            configuration: "c".into(),
        }
    }

    fn finished(chunk: u32) -> Finished {
        let job = job(chunk, 1);
        let message = ChunkAnalysed {
            recording: job.recording,
            run: job.run,
            chunk,
            model_version: job.model_version.clone(),
            configuration: job.configuration.clone(),
            analysis: vec![1, 2, 3],
        };
        let none = ["fetch", "segmentation", "features", "embedding", "publish"].map(|stage| (stage, 0.0));
        Finished::new(job, message, none)
    }

    #[test]
    fn an_analysis_answers_its_own_job_and_no_other_chunk_nor_run() {
        let kept = Kept::at_most(1);
        kept.keep(finished(3));
        assert!(kept.answer(&job(3, 1)).is_some());
        assert!(kept.answer(&job(4, 1)).is_none() && kept.answer(&job(3, 2)).is_none());
    }

    #[test]
    fn what_was_sent_is_kept_too_until_its_place_is_needed_and_goes_before_what_was_not() {
        let kept = Kept::at_most(2);
        kept.keep(finished(0));
        let sent = kept.keep(finished(1));
        assert!(sent.note_sent() && !sent.note_sent());
        assert!(kept.answer(&job(1, 1)).is_some(), "a broker that was wiped asks for it again");
        kept.keep(finished(2));
        let here: Vec<bool> = (0..3).map(|chunk| kept.answer(&job(chunk, 1)).is_some()).collect();
        assert_eq!(here, [true, false, true]);
        kept.keep(finished(3));
        assert!(kept.answer(&job(0, 1)).is_none(), "it does not grow");
    }
}
