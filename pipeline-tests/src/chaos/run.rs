//! Run: everything together, from the first start to the verdict.

use super::client::Clients;
use super::faults::Faults;
use super::operator::{self, Letters};
use super::plan::{Plan, Service};
use super::posts::{Post, Posts};
use super::quota::Quota;
use super::release;
use super::report::Report;
use super::resume;
use super::samples::{self, Sample};
use super::servers::Servers;
use super::verify;
use super::watch::{self, Seen};
use crate::queues::Queues;
use service_kit::schema::MIGRATIONS;
use service_kit::transaction;
use sqlx::PgPool;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Recordings in work at once.
const IN_WORK: i64 = 4;
/// Longest time in which nothing moves once nothing is broken any more. Waits between attempts and for an outage are shorter.
const NOTHING_MOVES: Duration = Duration::from_secs(300);
/// Longest time for the work in progress to end once nothing is broken any more.
const LONGEST: Duration = Duration::from_secs(30 * 60);

/// Parameters of a run: servers, seed, length and strength.
#[derive(Clone, Debug)]
pub struct Form {
    /// Name of the servers' stack.
    pub stack: &'static str,
    /// Seed of the plan.
    pub seed: u64,
    /// Time during which faults come; without, one round of them.
    pub long: Option<Duration>,
    /// Longest pause between two faults.
    pub longest_pause: Duration,
    /// Longest that a process is frozen.
    pub longest_freeze: Duration,
}

/// Breaks everything and returns what came of it.
pub async fn run(form: Form) -> Report {
    let began = Instant::now();
    println!("chaos: seed {}", form.seed);
    let folder = TempDir::new().expect("a folder");
    let releases = release::releases(folder.path());
    let (servers, samples) = tokio::join!(
        Servers::start(form.stack),
        samples::samples(folder.path(), &releases, form.long.is_some())
    );
    let samples = Arc::new(samples);
    let pool = transaction::pool(servers.database_url(), 8, "chaos").expect("a pool");
    MIGRATIONS.run(&pool).await.expect("the schema is made");
    let quota = Quota::at(&folder.path().join("objects")).await;
    let posts = Posts::start(&servers, &quota, &releases, folder.path()).await;
    let clients = Clients::of(&posts);
    let versions = (servers.broker_version().await, database_version(&pool).await);

    let (seen, letters) = (Arc::new(Seen::default()), Arc::new(Letters::default()));
    let uploading = Arc::new(AtomicBool::new(true));
    let watching = tokio::spawn(watch::watch(pool.clone(), Arc::clone(&samples), Arc::clone(&seen)));
    let operating = tokio::spawn(operator::operate(pool.clone(), Arc::clone(&clients), Arc::clone(&letters)));
    let uploads = tokio::spawn(upload(
        pool.clone(),
        Arc::clone(&clients),
        Arc::clone(&samples),
        Arc::clone(&uploading),
    ));

    let mut faults =
        Faults::new(form.seed, servers, quota, Arc::clone(&posts), Arc::clone(&clients), pool.clone());
    let breaking = Instant::now();
    let plan = Plan::new(form.seed, form.longest_pause, form.longest_freeze);
    match form.long {
        None => {
            for (number, step) in plan.one_round().into_iter().enumerate() {
                faults.inject(number, step).await;
            }
        }
        Some(long) => {
            for (number, step) in plan.enumerate() {
                if breaking.elapsed() > long {
                    break;
                }
                faults.inject(number, step).await;
            }
        }
    }
    faults.healed().await;
    let broke_for = breaking.elapsed();
    uploading.store(false, Ordering::Relaxed);
    uploads.await.expect("uploads are accepted in the end");
    println!("all is whole again after {:.0?}; waiting for what is in work", began.elapsed());
    all_ended(&pool, &posts).await;

    let verdict =
        verify::verify(&pool, &clients, &samples, &faults.quota).await.expect("the database answers");
    watching.abort();
    operating.abort();
    let left = stop(&faults.servers, &posts, &pool).await;
    let broken = posts.broken();
    let report = Report {
        seed: form.seed,
        took: began.elapsed(),
        broke_for,
        versions,
        injected: faults.injected.clone(),
        resumed: resume::resumed(&faults.killed, &faults.outages(), &posts),
        samples: samples.iter().map(|sample| (sample.name, sample.chunks())).collect(),
        requests: clients.tries(),
        looks: seen.looks(),
        replayed: letters.replayed(),
        failures: [verdict.failures(), seen.findings(), letters.unjustified(), broken, left].concat(),
        verdict,
    };
    if !report.failures.is_empty() {
        let kept = folder.keep();
        println!("the logs of all processes are in {}", kept.display());
    }
    report
}

/// Keeps some recordings in work, one sample after the other.
async fn upload(pool: PgPool, clients: Arc<Clients>, samples: Arc<Vec<Sample>>, uploading: Arc<AtomicBool>) {
    let mut next = 0;
    while uploading.load(Ordering::Relaxed) {
        // Of a database that is away nobody knows, and uploaders do not care.
        let busy = in_work(&pool).await.unwrap_or(0);
        if busy < IN_WORK {
            clients.upload(&samples[next % samples.len()]).await;
            next += 1;
        } else {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

async fn in_work(pool: &PgPool) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar("SELECT count(*) FROM recordings WHERE state IN ('queued', 'processing')")
        .fetch_one(pool)
        .await
}

/// Waits until nothing is in work, or nothing moves any more: then something is lost, and the verdict tells what. A recording that
/// failed may be replayed by the operator, so it is looked at for a while.
async fn all_ended(pool: &PgPool, posts: &Posts) {
    let (began, mut last, mut since) = (Instant::now(), String::new(), Instant::now());
    let mut logged = 0;
    while began.elapsed() < LONGEST {
        // Chunks of old runs are analysed too, and that moves nothing in the database.
        let logs = posts.of(Service::Worker).flat_map(Post::logs);
        let now_logged: u64 = logs.filter_map(|log| Some(log.metadata().ok()?.len())).sum();
        if now_logged != logged {
            (logged, since) = (now_logged, Instant::now());
        }
        let moved: Result<String, _> = sqlx::query_scalar(
            "SELECT concat_ws(' ', (SELECT count(*) FROM inbox), (SELECT count(*) FROM chunks), (SELECT sum(next_chunk) FROM recordings),
                (SELECT string_agg(state || run, ' ' ORDER BY id) FROM recordings))",
        )
        .fetch_one(pool)
        .await;
        if let Ok(moved) = moved
            && moved != last
        {
            (last, since) = (moved, Instant::now());
        }
        let whole = !["queued", "processing"].iter().any(|state| last.contains(state)) && !last.is_empty();
        let patience = if !whole {
            NOTHING_MOVES
        } else if last.contains("failed") {
            NOTHING_MOVES / 10
        } else {
            Duration::from_secs(3)
        };
        if since.elapsed() > patience {
            return;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Stops the services one kind after the other, so that each has what the one before it sent; what is left then.
async fn stop(servers: &Servers, posts: &Posts, pool: &PgPool) -> Vec<String> {
    let queues = Queues::of(servers.management_url(), servers.amqp_url()).await;
    let mut left = Vec::new();
    for service in [Service::Ingest, Service::Worker, Service::Matcher] {
        drained(&queues).await;
        posts.end(service).await;
    }
    // What was in hand and not acknowledged is back on its queue once the broker has noticed that its consumer is gone.
    tokio::time::sleep(Duration::from_secs(1)).await;
    for (queue, messages) in queues.left().await {
        left.push(format!("{messages} messages are left on {queue}"));
    }
    let unsent: i64 =
        sqlx::query_scalar("SELECT count(*) FROM outbox").fetch_one(pool).await.expect("counts");
    if unsent > 0 {
        left.push(format!("{unsent} messages are left in the outbox"));
    }
    left
}

/// Waits until nothing waits on a queue, or nothing goes away any more.
async fn drained(queues: &Queues) {
    let (mut last, mut since) = (Vec::new(), Instant::now());
    loop {
        let left = queues.left().await;
        if left.is_empty() || since.elapsed() > NOTHING_MOVES {
            return;
        }
        if left != last {
            (last, since) = (left, Instant::now());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn database_version(pool: &PgPool) -> String {
    sqlx::query_scalar("SHOW server_version").fetch_one(pool).await.unwrap_or_default()
}
