//! Resume: how long a chunk lies idle after the worker that had it in hand was killed.

use super::plan::Service;
use super::posts::Posts;
use crate::process;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use std::collections::BTreeSet;
use uuid::Uuid;

/// A chunk in the hands of a worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobInHand {
    /// Its recording.
    pub recording: Uuid,
    /// Its number.
    pub chunk: u64,
    /// Number of attempts at it, this one included.
    pub attempt: i64,
    /// Time of this observation.
    pub at: DateTime<Utc>,
}

/// A time in which more than one process was struck.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outage {
    /// Beginning.
    pub from: DateTime<Utc>,
    /// End.
    pub to: DateTime<Utc>,
}

fn chunk_of(line: &Value) -> Option<(Uuid, u64)> {
    Some((line["recording"].as_str()?.parse().ok()?, line["chunk"].as_u64()?))
}

/// Job that a worker with this log has in hand; `None` where it has none.
pub fn job_in_hand(log: &[Value]) -> Option<JobInHand> {
    let taken = log.iter().rposition(|line| line["message"] == "chunk taken")?;
    if log[taken..].iter().any(|line| line["message"] == "chunk analysed") {
        return None;
    }
    let (recording, chunk) = chunk_of(&log[taken])?;
    Some(JobInHand { recording, chunk, attempt: log[taken]["attempt"].as_i64()?, at: Utc::now() })
}

/// Times at which workers took chunks, each with recording and number of the chunk; sorted.
fn taken(posts: &Posts) -> Vec<(DateTime<Utc>, Uuid, u64)> {
    let logs = posts.of(Service::Worker).flat_map(|post| post.logs());
    let lines = logs.flat_map(|log| process::lines(&log));
    let mut taken: Vec<_> = lines
        .filter(|line| line["message"] == "chunk taken")
        .filter_map(|line| {
            let at: DateTime<Utc> = line["timestamp"].as_str()?.parse().ok()?;
            let (recording, chunk) = chunk_of(&line)?;
            Some((at, recording, chunk))
        })
        .collect();
    taken.sort();
    taken
}

/// Times from the kill of a worker until its chunk was in the hands of another, sorted, in seconds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Resumed {
    /// Times in which nothing else was broken.
    pub alone: Vec<f64>,
    /// Times in which something else was broken.
    pub in_company: Vec<f64>,
    /// Chunks that nobody took again, because their recording was reprocessed or deleted.
    pub not_wanted: usize,
}

/// Finds out when each of the `killed` was taken up again.
pub fn resumed(killed: &[JobInHand], outages: &[Outage], posts: &Posts) -> Resumed {
    assess(killed, outages, &taken(posts))
}

fn assess(killed: &[JobInHand], outages: &[Outage], taken: &[(DateTime<Utc>, Uuid, u64)]) -> Resumed {
    let mut resumed = Resumed::default();
    let mut used = BTreeSet::new();
    for job in killed {
        let again = taken.iter().enumerate().find(|(n, (at, r, c))| {
            *at > job.at && *r == job.recording && *c == job.chunk && !used.contains(n)
        });
        let Some((number, (at, ..))) = again else {
            resumed.not_wanted += 1;
            continue;
        };
        used.insert(number);
        let seconds = (*at - job.at).max(TimeDelta::zero()).as_seconds_f64();
        let company = outages.iter().any(|outage| outage.from <= *at && outage.to >= job.at);
        if company { resumed.in_company.push(seconds) } else { resumed.alone.push(seconds) }
    }
    resumed.alone.sort_by(f64::total_cmp);
    resumed.in_company.sort_by(f64::total_cmp);
    resumed
}

/// The value that a share of `sorted` is not above, by the nearest rank; `None` of nothing.
pub fn percentile(sorted: &[f64], percent: usize) -> Option<f64> {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)
    }

    #[test]
    fn a_chunk_is_in_hand_from_its_taking_to_its_analysis() {
        let recording = Uuid::from_u128(7).to_string();
        let line =
            |message: &str| json!({"message": message, "recording": recording, "chunk": 3, "attempt": 2});
        let mut log = vec![line("chunk taken"), line("chunk analysed"), line("chunk taken")];
        let job = job_in_hand(&log).expect("one is in hand");
        assert_eq!((job.recording.to_string(), job.chunk, job.attempt), (recording.clone(), 3, 2));
        log.push(line("chunk analysed"));
        assert_eq!(job_in_hand(&log), None);
    }

    #[test]
    fn a_chunk_is_resumed_when_it_is_next_taken_and_what_else_was_broken_is_told_apart() {
        let (one, two) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let job = |recording, seconds| JobInHand { recording, chunk: 0, attempt: 1, at: at(seconds) };
        let taken = [(at(0), one, 0), (at(12), one, 0), (at(40), two, 0)];
        let killed = [job(one, 10), job(two, 30), job(two, 50)];
        let outages = [Outage { from: at(35), to: at(36) }];
        let found = assess(&killed, &outages, &taken);
        assert_eq!(found, Resumed { alone: vec![2.0], in_company: vec![10.0], not_wanted: 1 });
    }

    #[test]
    fn percentiles_are_values_that_occurred() {
        let values: Vec<f64> = (1..=100).map(f64::from).collect();
        assert_eq!((percentile(&values, 50), percentile(&values, 99)), (Some(50.0), Some(99.0)));
        assert_eq!((percentile(&[3.0], 99), percentile(&[], 50)), (Some(3.0), None));
    }
}
