//! Runs: many schedules, on two threads per core up to a bound, since each waits for its database half of its time. Every thread has one of its own.

use super::op;
use super::schedule::{self, Failure, Schedule};
use super::work::Met;
use super::world::{Counts, World};
use clap::Parser;
use ingest::Config;
use ingest::config::WorkConfig;
use ingest::context::Context;
use service_kit::object_store::Objects;
use service_kit::shutdown::Shutdown;
use service_kit::testing::Corner;
use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;

/// Schedules after which what deleted rows have left is cleared away.
const CLEAR_EVERY: u64 = 100;
/// Connections of one thread: as many as can stand in transactions, and some.
const CONNECTIONS: u32 = 24;
/// Threads at most: the connections of all must fit into one Postgres.
const MOST_THREADS: usize = 16;
/// Schedules tried to shorten one that fails.
const SHRINKING_TRIES: usize = 400;
/// Time in which another try is begun: each may hang.
const SHRINKING_WITHIN: Duration = Duration::from_secs(180);

/// Two chunks cut ahead of one job on the broker; nothing is kept half decoded, nor waits for others to be decoded, since that takes real time.
const NARROW: WorkConfig = WorkConfig {
    decoders: 64,
    held_decodings: 0,
    chunks_ahead: 1,
    chunks_queued: Some(1),
    max_undone_hours: 2000,
    max_undone_hours_per_caller: 2000,
};
/// Room for all.
const WIDE: WorkConfig = WorkConfig {
    decoders: 64,
    held_decodings: 0,
    chunks_ahead: 100,
    chunks_queued: Some(100),
    max_undone_hours: 2000,
    max_undone_hours_per_caller: 2000,
};

/// Outcome of many schedules.
#[derive(Debug, Default)]
pub struct Report {
    /// Schedules run.
    pub schedules: u64,
    /// Number of times that each kind of event happened in them.
    pub counts: Counts,
    /// Points met.
    pub met: Met,
    /// Real time it took.
    pub took: Duration,
    /// The first that failed: its seed, and why.
    pub failed: Option<(u64, Failure)>,
}

/// A database of a thread's own, in which one schedule after the other is run.
pub struct Ground {
    runtime: Runtime,
    corner: Option<Corner>,
    pool: PgPool,
    context: Context,
    _folder: TempDir,
    run: u64,
    /// Events of the last schedule.
    last: Vec<String>,
}

impl Ground {
    /// Makes a database.
    pub fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let folder = TempDir::new().expect("a folder");
        let store = format!("file://{}", folder.path().display());
        let (corner, pool, context) = runtime.block_on(async {
            let corner = Corner::open().await.expect("a corner of the servers");
            let config = [
                "ingest",
                "--object-store",
                &store,
                "--database-url",
                &corner.database_url,
                "--amqp-url",
                "none",
                "--held-decodings",
                "0",
            ];
            let config = Config::try_parse_from(config).expect("is a configuration");
            let context = Context::open(&config, String::new(), None, Shutdown::default()).expect("opens");
            // Nothing here outlives a power cut, and a commit need not wait for the disk.
            let options = PgConnectOptions::from_str(&corner.database_url).expect("is an address");
            let pool = PgPoolOptions::new()
                .max_connections(CONNECTIONS)
                .test_before_acquire(false)
                .connect_lazy_with(options.options([("synchronous_commit", "off")]));
            (corner, pool, context)
        });
        Self { runtime, corner: Some(corner), pool, context, _folder: folder, run: 0, last: Vec::new() }
    }

    /// Runs one schedule from the beginning; a panic is a failure too.
    pub fn run(&mut self, schedule: &Schedule, counts: &mut Counts, met: &mut Met) -> Result<(), Failure> {
        self.run += 1;
        let objects = Objects::in_memory();
        let work = if schedule.narrow { NARROW } else { WIDE };
        // One that stands while it decodes keeps its permit; no other is to wait for it, which takes real time.
        let decoding = Arc::new(Semaphore::new(work.decoders as usize));
        let context = Context { pool: self.pool.clone(), objects, work, decoding, ..self.context.clone() };
        let mut world = World::new(self.pool.clone(), context, schedule);
        let clear = self.run.is_multiple_of(CLEAR_EVERY);
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            self.runtime.block_on(async {
                empty(&self.pool, clear).await.map_err(|error| format!("the database: {error}"))?;
                run(&mut world, schedule).await
            })
        }));
        for (what, count) in &world.counts {
            *counts.entry(what).or_default() += count;
        }
        met.add(&world.met);
        self.last = std::mem::take(&mut world.events);
        // What is dropped gives its connections back on the runtime.
        self.runtime.block_on(async { drop(world) });
        let what = match outcome {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(what)) => what,
            Err(panic) => {
                let words = panic.downcast_ref::<String>().cloned();
                let words = words.or_else(|| panic.downcast_ref::<&str>().map(|&words| words.to_owned()));
                format!("it panicked: {}", words.unwrap_or_default())
            }
        };
        Err(Failure { what, events: self.last.clone() })
    }

    /// Runs a schedule alone.
    pub fn run_one(&mut self, schedule: &Schedule) -> Result<(), Failure> {
        self.run(schedule, &mut Counts::new(), &mut Met::default())
    }

    /// Events of a schedule, oldest first; last the failure, if there is one.
    pub fn events(&mut self, schedule: &Schedule) -> Vec<String> {
        let (mut counts, mut met) = (Counts::new(), Met::default());
        let failed = self.run(schedule, &mut counts, &mut met).err();
        let mut events = std::mem::take(&mut self.last);
        events.extend(failed.map(|failure| failure.what));
        events
    }

    /// The shortest schedule found that fails as `schedule` does, and its failure.
    pub fn shrunk(&mut self, schedule: &Schedule) -> (Schedule, Failure) {
        let never = || Failure { what: "it does not fail every time".into(), events: Vec::new() };
        let first = self.run_one(schedule).err().unwrap_or_else(never);
        let until = Instant::now() + SHRINKING_WITHIN;
        let least = schedule::shrunk(schedule.clone(), SHRINKING_TRIES, |candidate| {
            Instant::now() < until && self.run_one(candidate).is_err_and(|failure| failure.is_like(&first))
        });
        let failure = self.run_one(&least).err().unwrap_or_else(never);
        (least, failure)
    }

    /// Deletes the database.
    pub fn close(mut self) {
        if let Some(corner) = self.corner.take() {
            self.runtime.block_on(async {
                self.pool.close().await;
                corner.close().await.expect("the corner is deleted");
            });
        }
    }
}

impl Default for Ground {
    fn default() -> Self {
        Self::new()
    }
}

async fn run(world: &mut World, schedule: &Schedule) -> Result<(), String> {
    for &op in &schedule.ops {
        world.apply(op).await?;
    }
    world.settle().await?;
    if schedule.replay { world.repair_and_replay().await } else { Ok(()) }
}

/// Leaves nothing of the schedule before.
async fn empty(pool: &PgPool, clear: bool) -> Result<(), sqlx::Error> {
    sqlx::raw_sql("DELETE FROM recordings; DELETE FROM dead_letters; DELETE FROM broker_epoch; DELETE FROM erasures; DELETE FROM object_store; DELETE FROM release_callers; UPDATE release_clock SET clock = 0")
        .execute(pool)
        .await?;
    if clear {
        sqlx::raw_sql("VACUUM recordings, chunks, outbox, inbox, turns, matches, speaker_embeddings, gaps, dead_letters, broker_epoch, erasures, object_store")
            .execute(pool)
            .await?;
    }
    Ok(())
}

/// Runs the schedules of `count` seeds from `first` on, until one fails.
pub fn many(first: u64, count: u64) -> Report {
    let began = Instant::now();
    let (next, stop) = (AtomicU64::new(0), AtomicBool::new(false));
    let report = Mutex::new(Report::default());
    let threads = (2 * std::thread::available_parallelism().map_or(1, usize::from)).min(MOST_THREADS);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let mut ground = Ground::new();
                let mut mine = Report::default();
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= count || stop.load(Ordering::Relaxed) {
                        break;
                    }
                    let seed = first + number;
                    let outcome = ground.run(&op::of_seed(seed), &mut mine.counts, &mut mine.met);
                    mine.schedules += 1;
                    if let Err(failure) = outcome {
                        stop.store(true, Ordering::Relaxed);
                        mine.failed = Some((seed, failure));
                    }
                }
                if mine.failed.is_none() {
                    ground.close();
                }
                let mut all = report.lock().unwrap_or_else(PoisonError::into_inner);
                all.schedules += mine.schedules;
                for (what, count) in mine.counts {
                    *all.counts.entry(what).or_default() += count;
                }
                all.met.add(&mine.met);
                if let Some(failed) = mine.failed {
                    all.failed.get_or_insert(failed);
                }
            });
        }
    });
    let mut report = report.into_inner().unwrap_or_else(PoisonError::into_inner);
    report.took = began.elapsed();
    report
}
