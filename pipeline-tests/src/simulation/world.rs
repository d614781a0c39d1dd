//! World: one schedule being simulated: the work that is begun, what is known of it, and what must hold after every step.

use super::check::{self, Checker, Row};
use super::op::Until;
use super::schedule::Schedule;
use super::services::{REPUBLISH_AFTER, Services, subject};
use super::work::{Ended, Kind, Met, Reached, Subject, Work};
use ingest::context::Context;
use service_kit::handling::Lost;
use service_kit::messages::{ChunkJob, DecodeJob, Message as _};
use service_kit::publisher::ATTEMPTS_HEADER;
use service_kit::topology::{ATTEMPTS, DEAD};
use sqlx::PgPool;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

/// Real time that a step may take; one that takes longer hangs.
const STEP_WITHIN: Duration = Duration::from_secs(30);

/// Number of times that each kind of event happened.
pub type Counts = BTreeMap<&'static str, u64>;

/// Actions of users and operators on a recording.
#[derive(Clone, Debug, Default)]
pub struct User {
    /// Uploading has begun.
    pub uploading: bool,
    /// It was answered: from here on nothing may be lost.
    pub accepted: bool,
    /// Deleting has begun.
    pub deleting: bool,
    /// It was answered: from here on nothing may be left.
    pub deleted: bool,
}

/// One schedule being simulated.
pub struct World {
    /// State that processes share.
    pub services: Rc<Services>,
    /// Actions of users on each recording.
    pub users: Vec<User>,
    /// The recordings, as they were after the last step.
    pub rows: Vec<Row>,
    /// Events, oldest first.
    pub events: Vec<String>,
    /// Number of times that each kind of event happened.
    pub counts: Counts,
    /// Points met.
    pub met: Met,
    pub(super) standing: Vec<Work>,
    checker: Checker,
    /// Copies of a message that began with no attempts before them.
    pub(super) copies: BTreeMap<Subject, u32>,
    /// Copies that came of an attempt whose message came back as well.
    forks: BTreeMap<Subject, u32>,
    /// Number of events that may each make one more copy of any message.
    pub(super) more_copies: u32,
}

impl World {
    /// A world before anything has happened in it. The database must be empty.
    pub fn new(pool: PgPool, context: Context, schedule: &Schedule) -> Self {
        let services = Services::new(pool, context, schedule.recordings.clone());
        Self {
            services: Rc::new(services),
            users: vec![User::default(); schedule.recordings.len()],
            rows: Vec::new(),
            events: Vec::new(),
            counts: Counts::new(),
            met: Met::default(),
            standing: Vec::new(),
            checker: Checker::default(),
            copies: BTreeMap::new(),
            forks: BTreeMap::new(),
            more_copies: 0,
        }
    }

    pub(super) fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }

    /// The row of recording `index`, as it was after the last step.
    pub fn row(&self, index: usize) -> Option<&Row> {
        let id = self.services.recordings[index].id(index);
        self.rows.iter().find(|row| row.id == id)
    }

    /// Does `work`, as far as `until`.
    pub(super) async fn perform(&mut self, mut work: Work, until: Until) -> Result<(), String> {
        work.go(until);
        self.drive(work).await
    }

    pub(super) async fn drive(&mut self, mut work: Work) -> Result<(), String> {
        loop {
            let someone_holds = self.standing.iter().any(Work::holds_locks);
            let reached = self.reached(&mut work, someone_holds).await?;
            match reached {
                Reached::Lock => {
                    self.count("waits for a lock");
                    self.release_locks().await?;
                    continue;
                }
                reached => self.take(work, reached)?,
            }
            break;
        }
        self.settle_connections().await?;
        self.check().await
    }

    async fn reached(&mut self, work: &mut Work, someone_holds: bool) -> Result<Reached, String> {
        let pool = self.services.pool.clone();
        let waits_for_lock = || async { someone_holds && waits_for_lock(&pool).await };
        let reached = tokio::time::timeout(STEP_WITHIN, Box::pin(work.drive(waits_for_lock))).await;
        let reached = reached.map_err(|_| format!("'{}' hangs", work.name))?;
        self.met.note(work, &reached);
        self.note_copies();
        Ok(reached)
    }

    /// Takes note of where work has got to.
    fn take(&mut self, work: Work, reached: Reached) -> Result<(), String> {
        match reached {
            Reached::Standing(point) => {
                self.events.push(format!("  '{}' stands {point}", work.name));
                self.count("stands");
                self.standing.push(work);
            }
            Reached::Death(point) => {
                let at = point.map_or_else(|| "of its chunk".to_owned(), |point| point.to_string());
                self.events.push(format!("  '{}' died {at}", work.name));
                self.count("deaths");
                self.died(work);
            }
            Reached::End(ended) => return self.ended(&work, ended),
            Reached::Lock => {}
        }
        Ok(())
    }

    pub(super) fn died(&mut self, work: Work) {
        match work.kind {
            Kind::Handles { tag, subject } => {
                if self.services.broker.gone(tag)
                    && let Some(about) = subject
                {
                    self.services.failed(about);
                    if work.confirmed {
                        *self.forks.entry(about).or_default() += 1;
                    }
                }
            }
            Kind::Sends => self.more_copies += 1,
            Kind::Looks => self.count("looks that died"),
            _ => {}
        }
    }

    fn ended(&mut self, work: &Work, ended: Ended) -> Result<(), String> {
        match (ended, &work.kind) {
            (Ended::Handled(Ok(())), _) => self.events.push(format!("  '{}' is done", work.name)),
            (Ended::Handled(Err(lost)), Kind::Handles { tag, subject }) => {
                self.events.push(format!("  '{}' lost its connection: {lost}", work.name));
                self.count("deliveries that lost their connection");
                if let Some(about) = subject {
                    if self.services.broker.gone(*tag) {
                        self.services.failed(*about);
                    }
                    // Whether what it sent arrived nobody knows.
                    if work.confirmed || matches!(lost, Lost::Publish(_)) {
                        *self.forks.entry(*about).or_default() += 1;
                    }
                } else {
                    self.services.broker.gone(*tag);
                }
            }
            (Ended::Answered(Err(error)), _) => return Err(format!("'{}' failed: {error}", work.name)),
            (Ended::Answered(Ok(())), Kind::Uploads(index)) => self.users[*index].accepted = true,
            (Ended::Answered(Ok(())), Kind::Deletes(index)) => self.users[*index].deleted = true,
            _ => {}
        }
        Ok(())
    }

    /// Lets all who hold locks commit and then stand again.
    pub(super) async fn release_locks(&mut self) -> Result<(), String> {
        while let Some(at) = self.standing.iter().position(Work::holds_locks) {
            let mut work = self.standing.remove(at);
            work.go(Until::Stands(0));
            let reached = self.reached(&mut work, false).await?;
            self.take(work, reached)?;
        }
        Ok(())
    }

    /// A connection whose work was dropped is rolled back by its pool a little later.
    pub(super) async fn settle_connections(&self) -> Result<(), String> {
        let pool = &self.services.pool;
        let busy = self.standing.iter().filter(|work| work.holds_locks()).count();
        let idle = async {
            while pool.size() as usize > pool.num_idle() + busy {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(STEP_WITHIN, idle).await.map_err(|_| "a connection stays in use".to_owned())
    }

    /// Counts what was put on queues since the last step.
    fn note_copies(&mut self) {
        for (queue, message) in self.services.broker.taken() {
            let headers = message.properties.headers().clone().unwrap_or_default();
            if queue != DEAD
                && !headers.inner().contains_key(ATTEMPTS_HEADER)
                && let Some(about) = subject(&message)
            {
                *self.copies.entry(about).or_default() += 1;
            }
        }
    }

    /// Makes sure that all that must hold holds.
    pub(super) async fn check(&mut self) -> Result<(), String> {
        let rows = check::snapshot(&self.services.pool).await?;
        self.checker.check(&self.services, &rows).await?;
        self.rows = rows;
        for (index, user) in self.users.iter().enumerate() {
            match self.row(index) {
                None if user.accepted && !user.deleting => {
                    return Err(format!("recording {index} was accepted and is lost"));
                }
                Some(_) if user.deleted => return Err(format!("recording {index} was deleted and is back")),
                _ => {}
            }
        }
        self.check_bounds()
    }

    /// Attempts and republished jobs are bounded.
    fn check_bounds(&self) -> Result<(), String> {
        let seen = self.services.seen.borrow();
        let count = |counts: &BTreeMap<Subject, u32>, about| counts.get(about).copied().unwrap_or(0);
        for (about, &attempts) in &seen.attempts {
            let most =
                ATTEMPTS as u32 * (count(&self.copies, about) + count(&self.forks, about) + self.more_copies);
            if attempts > most {
                return Err(format!("{about:?} was tried {attempts} times where {most} are the most"));
            }
        }
        let intervals = self.services.passed.get().as_secs() / REPUBLISH_AFTER.as_secs();
        // Once when it was ordered; once since a new database knows no broker; and for all that may have lost it.
        let most = 2
            + self.more_copies
            + intervals as u32
            + self.counts.get("messages delivered twice").map_or(0, |&n| n as u32);
        for (about, &copies) in
            self.copies.iter().filter(|(about, _)| matches!(about.2, ChunkJob::TYPE | DecodeJob::TYPE))
        {
            // Decoding is ordered again wherever it was given up because enough was cut.
            let parts = if about.2 == DecodeJob::TYPE { self.most_chunks() } else { 0 };
            let most = most + parts;
            if copies > most {
                return Err(format!("{about:?} was sent {copies} times where {most} are the most"));
            }
        }
        Ok(())
    }

    /// Chunks of the longest recording.
    fn most_chunks(&self) -> u32 {
        self.services.recordings.iter().map(|spec| spec.chunks() as u32).max().unwrap_or_default()
    }
}

/// True if some connection waits for a lock.
async fn waits_for_lock(pool: &PgPool) -> bool {
    sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock')",
    )
    .fetch_one(pool)
    .await
    .unwrap_or(false)
}
