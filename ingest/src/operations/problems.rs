//! Problems: what is wrong, in words and with what to do about it, the worst first. Pure: the facts and the clock are the caller's.

use super::overview::{Overview, Queue, Worker};
use chrono::{DateTime, Utc};
use serde::Serialize;
use service_kit::topology::MATCH;
use std::collections::BTreeMap;
use std::time::Duration;
use utoipa::ToSchema;

/// Shortest wait of chunks, with nothing done meanwhile, after which something must be wrong.
const STANDS_AFTER: Duration = Duration::from_secs(600);

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct Trouble {
    /// `broker-away`, `no-worker`, `no-matcher`, `queue-paused`, `no-progress`, `dead-letters` or `worker-unresponsive`.
    #[schema(value_type = String)]
    pub kind: &'static str,
    /// Whether work stands still or has failed because of it.
    pub serious: bool,
    /// What is wrong, and what to do.
    pub detail: String,
    /// Since when, where that is known.
    pub since: Option<DateTime<Utc>>,
}

/// All that is wrong, what is serious first. `waiting` are the chunks that are ordered and not analysed, by their queue.
pub(crate) fn find(
    overview: &Overview,
    waiting: &BTreeMap<String, usize>,
    now: DateTime<Utc>,
) -> Vec<Trouble> {
    let mut found: Vec<Trouble> = Vec::new();
    found.extend(broker(&overview.queues));
    found.extend(waiting.iter().filter_map(|(queue, chunks)| no_worker(overview, queue, *chunks)));
    found.extend(no_matcher(overview));
    found.extend(overview.queues.iter().filter(|queue| queue.paused).map(|queue| paused(queue, waiting)));
    found.extend(no_progress(overview, waiting, now));
    found.extend(dead_letters(overview.dead_letters));
    found.extend(overview.workers.iter().filter(|worker| !worker.alive).map(unresponsive));
    found.sort_by_key(|trouble| !trouble.serious);
    found
}

fn broker(queues: &[Queue]) -> Option<Trouble> {
    queues.iter().any(|queue| queue.messages.is_none()).then(|| Trouble {
        kind: "broker-away",
        serious: true,
        detail: "RabbitMQ cannot be reached: nothing is decoded, analysed or put together; see its log and THROUGHLINE_AMQP_URL"
            .to_owned(),
        since: None,
    })
}

fn no_worker(overview: &Overview, queue: &str, chunks: usize) -> Option<Trouble> {
    let alive: Vec<&Worker> = overview.workers.iter().filter(|worker| worker.alive).collect();
    if chunks == 0 || is_paused(&overview.queues, queue) || alive.iter().any(|worker| worker.queue() == queue)
    {
        return None;
    }
    let waits = format!("{} and no worker", they_wait(chunks));
    let detail = if alive.is_empty() {
        format!("{waits} is alive: start throughline-worker")
    } else {
        format!("{waits} that is alive takes them from {queue}: start one with the models of that name")
    };
    Some(Trouble { kind: "no-worker", serious: true, detail, since: None })
}

fn no_matcher(overview: &Overview) -> Option<Trouble> {
    let alive = overview.services.iter().any(|process| process.service == "matcher" && process.alive);
    if alive || overview.recordings.is_empty() || is_paused(&overview.queues, MATCH) {
        return None;
    }
    let detail = format!(
        "{} and no matcher is alive: start throughline-matcher",
        match overview.recordings.len() {
            1 => "1 recording is in progress".to_owned(),
            many => format!("{many} recordings are in progress"),
        }
    );
    Some(Trouble { kind: "no-matcher", serious: true, detail, since: None })
}

fn paused(queue: &Queue, waiting: &BTreeMap<String, usize>) -> Trouble {
    let by = queue.paused_by.as_deref().filter(|by| !by.is_empty());
    let by = by.map(|by| format!(" by {by}")).unwrap_or_default();
    let jobs = (queue.messages.unwrap_or_default() as usize)
        .max(waiting.get(&queue.name).copied().unwrap_or_default());
    let waits = match jobs {
        0 => String::new(),
        1 => "; 1 job waits".to_owned(),
        many => format!("; {many} jobs wait"),
    };
    let detail = format!("{} was paused{by}{waits}: resume it when the work may go on", queue.name);
    Trouble { kind: "queue-paused", serious: jobs > 0, detail, since: queue.paused_since }
}

fn no_progress(
    overview: &Overview,
    waiting: &BTreeMap<String, usize>,
    now: DateTime<Utc>,
) -> Option<Trouble> {
    let oldest = overview.backlog.oldest_seconds;
    if overview.throughput.audio_seconds_per_second > 0.0 || oldest < STANDS_AFTER.as_secs_f64() {
        return None;
    }
    // Where it is paused or nobody is there, that is the reason.
    let is_served = |queue: &String| {
        let alive = overview.workers.iter().any(|worker| worker.alive && worker.queue() == *queue);
        alive && !is_paused(&overview.queues, queue)
    };
    let chunks: usize = waiting.iter().filter(|(queue, _)| is_served(queue)).map(|(_, chunks)| chunks).sum();
    let since = now - chrono::Duration::milliseconds((oldest * 1000.0) as i64);
    (chunks > 0).then(|| Trouble {
        kind: "no-progress",
        serious: true,
        detail: format!(
            "{} and nothing was analysed lately, although a worker is alive: see its log",
            they_wait(chunks)
        ),
        since: Some(since),
    })
}

fn dead_letters(letters: i64) -> Option<Trouble> {
    let failed = if letters == 1 { "1 job".to_owned() } else { format!("{letters} jobs") };
    (letters > 0).then(|| Trouble {
        kind: "dead-letters",
        serious: true,
        detail: format!("{failed} failed for good: replay or drop the dead letters"),
        since: None,
    })
}

fn unresponsive(worker: &Worker) -> Trouble {
    let process = worker.process.map(|process| format!(" (process {process})")).unwrap_or_default();
    Trouble {
        kind: "worker-unresponsive",
        serious: false,
        detail: format!("the worker on {}{process} has given no sign of life: see its log", worker.host),
        since: Some(worker.last_seen),
    }
}

fn they_wait(chunks: usize) -> String {
    if chunks == 1 { "1 chunk waits".to_owned() } else { format!("{chunks} chunks wait") }
}

fn is_paused(queues: &[Queue], name: &str) -> bool {
    queues.iter().any(|queue| queue.paused && queue.name == name)
}

#[cfg(test)]
mod tests {
    use super::super::overview::{Backlog, Chunks, InWork, Process, Throughput};
    use super::*;
    use service_kit::topology;
    use uuid::Uuid;

    const NOW: DateTime<Utc> = DateTime::UNIX_EPOCH;

    fn chunks() -> String {
        topology::chunk_queue("m1", "c1")
    }

    fn queue(name: &str) -> Queue {
        let (messages, consumers) = (Some(0), Some(1));
        let (paused_since, paused_by) = (None, None);
        Queue {
            name: name.to_owned(),
            messages,
            consumers,
            paused: false,
            paused_since,
            paused_by,
            pausable: true,
        }
    }

    fn worker(alive: bool) -> Worker {
        Worker {
            id: Uuid::nil(),
            host: "north".to_owned(),
            process: Some(71),
            model_version: "m1".to_owned(),
            configuration: "c1".to_owned(),
            device: "cpu".to_owned(),
            threads: 1,
            version: "1".to_owned(),
            started_at: NOW,
            last_seen: NOW,
            alive,
            busy: None,
            audio_seconds: 0.0,
            audio_seconds_per_second: 0.0,
            stages: BTreeMap::new(),
            in_hand: Vec::new(),
            speed: None,
        }
    }

    /// One recording in progress, with a worker and a matcher that are alive.
    fn well() -> Overview {
        let chunks_done = Chunks { done: 0, total: Some(4) };
        let matcher = Process {
            id: Uuid::nil(),
            service: "matcher".to_owned(),
            host: "north".to_owned(),
            process: None,
            version: "1".to_owned(),
            started_at: NOW,
            last_seen: NOW,
            alive: true,
        };
        Overview {
            problems: Vec::new(),
            backlog: Backlog { audio_seconds: 240.0, oldest_seconds: 30.0 },
            throughput: Throughput { audio_seconds_per_second: 5.0 },
            queues: vec![queue(MATCH), queue(&chunks())],
            workers: vec![worker(true)],
            services: vec![matcher],
            recordings: vec![InWork {
                id: Uuid::nil(),
                title: "t".to_owned(),
                state: "processing".to_owned(),
                chunks: chunks_done,
                waiting_for_order: 0,
                eta_seconds: None,
                eta_unknown: None,
            }],
            confidence: Vec::new(),
            failures: Vec::new(),
            dead_letters: 0,
        }
    }

    /// Problems found in `overview` while four chunks wait: kind, seriousness, and the words.
    fn told(overview: &Overview) -> Vec<(&'static str, bool, String)> {
        let found = find(overview, &BTreeMap::from([(chunks(), 4)]), NOW);
        found.into_iter().map(|it| (it.kind, it.serious, it.detail)).collect()
    }

    #[test]
    fn where_all_is_well_nothing_is_said() {
        assert_eq!(told(&well()), []);
        let idle = Overview { recordings: Vec::new(), workers: Vec::new(), services: Vec::new(), ..well() };
        assert_eq!(find(&idle, &BTreeMap::new(), NOW), [], "nobody is missed where there is nothing to do");
    }

    #[test]
    fn chunks_that_wait_for_a_worker_are_told_with_their_number() {
        let words = "4 chunks wait and no worker is alive: start throughline-worker".to_owned();
        assert_eq!(told(&Overview { workers: Vec::new(), ..well() }), [("no-worker", true, words.clone())]);
        let silent = told(&Overview { workers: vec![worker(false)], ..well() });
        assert_eq!(silent[0], ("no-worker", true, words));
        assert_eq!((silent[1].0, silent[1].1), ("worker-unresponsive", false));
        assert!(silent[1].2.contains("the worker on north (process 71)"), "{silent:?}");
        let other = Worker { model_version: "m2".to_owned(), ..worker(true) };
        let told = told(&Overview { workers: vec![other], ..well() });
        assert!(
            told[0].2.contains("no worker that is alive takes them") && told[0].2.contains(&chunks()),
            "{told:?}"
        );
    }

    #[test]
    fn a_pause_is_told_with_who_and_since_when_and_is_the_reason_for_what_waits() {
        let by = |by: &str| Queue {
            paused: true,
            paused_since: Some(NOW),
            paused_by: Some(by.to_owned()),
            ..queue(&chunks())
        };
        let paused = |by: Queue| Overview { queues: vec![by], workers: Vec::new(), ..well() };
        let found = find(&paused(by("ann")), &BTreeMap::from([(chunks(), 4)]), NOW);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!((found[0].kind, found[0].serious, found[0].since), ("queue-paused", true, Some(NOW)));
        assert!(found[0].detail.contains("was paused by ann; 4 jobs wait"), "{found:?}");
        let found = find(&paused(by("")), &BTreeMap::new(), NOW);
        assert!(!found[0].serious && found[0].detail.contains("was paused: resume it"), "{found:?}");
    }

    #[test]
    fn a_broker_and_a_matcher_that_are_away_are_told() {
        let unknown = Queue { messages: None, consumers: None, ..queue(MATCH) };
        let told_of = |overview: Overview| told(&overview).into_iter().map(|it| it.0).collect::<Vec<_>>();
        assert_eq!(told_of(Overview { queues: vec![unknown], ..well() }), ["broker-away"]);
        assert_eq!(told_of(Overview { services: Vec::new(), ..well() }), ["no-matcher"]);
    }

    #[test]
    fn work_that_stands_still_under_a_worker_is_told_after_a_while() {
        let stands = |oldest_seconds: f64| Overview {
            throughput: Throughput { audio_seconds_per_second: 0.0 },
            backlog: Backlog { audio_seconds: 240.0, oldest_seconds },
            ..well()
        };
        assert_eq!(told(&stands(599.0)), []);
        let found = find(&stands(601.0), &BTreeMap::from([(chunks(), 1)]), NOW);
        assert_eq!(
            (found[0].kind, found[0].since),
            ("no-progress", Some(NOW - chrono::Duration::seconds(601)))
        );
        assert!(found[0].detail.starts_with("1 chunk waits and nothing was analysed"), "{found:?}");
    }

    #[test]
    fn what_is_serious_comes_first() {
        let overview = Overview { workers: vec![worker(true), worker(false)], dead_letters: 1, ..well() };
        let told = told(&overview);
        assert_eq!(told.iter().map(|it| it.0).collect::<Vec<_>>(), ["dead-letters", "worker-unresponsive"]);
        assert_eq!(told[0].2, "1 job failed for good: replay or drop the dead letters");
    }
}
