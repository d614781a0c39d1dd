//! Transaction: named units of work on the database, tried again where trying again helps.

use crate::broker::Backoff;
use crate::points::{self, Fate, Place};
use crate::shutdown::Shutdown;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{PgPool, PgTransaction};
use std::str::FromStr;
use std::time::{Duration, Instant};

/// Longest time that a transaction waits for a database that is away before it gives up.
const PATIENCE: Duration = Duration::from_secs(120);
/// Longest wait of one attempt for a connection.
pub const ACQUIRE: Duration = Duration::from_secs(5);
/// Longest time for one attempt: a database that says nothing (a connection of which only one end is left) says nothing for ever.
pub const ATTEMPT_WITHIN: Duration = Duration::from_secs(120);
/// Time left for an attempt that begins as [`PATIENCE`] ends.
const LAST_ATTEMPT: Duration = Duration::from_secs(20);
/// Longest that [`run`] takes in all.
pub const WHOLE_WITHIN: Duration = Duration::from_secs(PATIENCE.as_secs() + LAST_ATTEMPT.as_secs());
/// Longest wait of a statement for what another transaction has locked. Then the caller gets an error ([`is_locked`]), so that one locked
/// row does not take all connections.
pub const LOCK_WITHIN: Duration = Duration::from_millis(2500);
/// Longest time for one statement: those that write a day of speech take seconds.
pub const STATEMENT_WITHIN: Duration = Duration::from_secs(90);
/// The same of those that only read for somebody who waits.
pub const READ_WITHIN: Duration = Duration::from_secs(30);
/// Longest time that a session may be idle in a transaction.
pub const IDLE_WITHIN: Duration = Duration::from_secs(60);

/// Opens a pool for work; connections are made when they are needed.
pub fn pool(url: &str, connections: u32, service: &str) -> Result<PgPool, sqlx::Error> {
    pool_of(url, connections, service, STATEMENT_WITHIN)
}

/// Opens a pool for what only reads, and for somebody who waits.
pub fn reading_pool(url: &str, connections: u32, service: &str) -> Result<PgPool, sqlx::Error> {
    pool_of(url, connections, service, READ_WITHIN)
}

fn pool_of(url: &str, connections: u32, service: &str, statement: Duration) -> Result<PgPool, sqlx::Error> {
    let options = PgConnectOptions::from_str(url)?.application_name(service).options(session(statement));
    Ok(PgPoolOptions::new().max_connections(connections).acquire_timeout(ACQUIRE).connect_lazy_with(options))
}

/// Postgres settings of our connections. They free rows locked by a service which is gone without a word (frozen, its machine or its
/// network lost); without these settings the rows stay locked for two hours. No transaction of ours is idle for [`IDLE_WITHIN`].
fn session(statement: Duration) -> [(&'static str, String); 6] {
    let milliseconds = |time: Duration| time.as_millis().to_string();
    [
        ("lock_timeout", milliseconds(LOCK_WITHIN)),
        ("statement_timeout", milliseconds(statement)),
        ("idle_in_transaction_session_timeout", milliseconds(IDLE_WITHIN)),
        ("tcp_keepalives_idle", "20".to_owned()),
        ("tcp_keepalives_interval", "10".to_owned()),
        ("tcp_keepalives_count", "3".to_owned()),
    ]
}

/// Runs `work` in a transaction and commits it. Serialization failures, deadlocks and lost connections are tried again, with
/// growing waits, for up to two minutes; `work` must therefore change nothing but the database. What another transaction keeps locked for
/// longer than [`LOCK_WITHIN`] is not: whoever asked can do something else meanwhile.
pub async fn run<T>(
    pool: &PgPool,
    name: &'static str,
    shutdown: &Shutdown,
    work: impl AsyncFn(&mut PgTransaction<'static>) -> Result<T, sqlx::Error>,
) -> Result<T, sqlx::Error> {
    run_while(pool, name, shutdown, is_transient, work).await
}

/// The same, but what is locked is waited for as what is away is: for work that would have to begin anew.
pub async fn run_through_locks<T>(
    pool: &PgPool,
    name: &'static str,
    shutdown: &Shutdown,
    work: impl AsyncFn(&mut PgTransaction<'static>) -> Result<T, sqlx::Error>,
) -> Result<T, sqlx::Error> {
    run_while(pool, name, shutdown, |error| is_transient(error) || is_locked(error), work).await
}

async fn run_while<T>(
    pool: &PgPool,
    name: &'static str,
    shutdown: &Shutdown,
    passes: fn(&sqlx::Error) -> bool,
    work: impl AsyncFn(&mut PgTransaction<'static>) -> Result<T, sqlx::Error>,
) -> Result<T, sqlx::Error> {
    let started = Instant::now();
    let mut backoff = Backoff::default();
    loop {
        let within = ATTEMPT_WITHIN.min(WHOLE_WITHIN.saturating_sub(started.elapsed()));
        let attempt = tokio::time::timeout(within, Box::pin(attempt(pool, name, &work)));
        let outcome = attempt.await.unwrap_or_else(|_| Err(no_answer(within)));
        let retry = match &outcome {
            Ok(_) => false,
            Err(error) => passes(error) && started.elapsed() < PATIENCE,
        };
        if retry {
            metrics::counter!("throughline_transaction_retries_total", "transaction" => name).increment(1);
            if let Err(error) = &outcome {
                tracing::warn!(transaction = name, %error, "the transaction will be tried again");
            }
            if backoff.wait(shutdown).await {
                continue;
            }
        }
        metrics::histogram!("throughline_transaction_seconds", "transaction" => name)
            .record(started.elapsed().as_secs_f64());
        return outcome;
    }
}

async fn attempt<T>(
    pool: &PgPool,
    name: &str,
    work: &impl AsyncFn(&mut PgTransaction<'static>) -> Result<T, sqlx::Error>,
) -> Result<T, sqlx::Error> {
    let mut transaction = pool.begin().await?;
    let value = work(&mut transaction).await?;
    points::reach(Place::BeforeCommit, name).await;
    transaction.commit().await?;
    match points::reach(Place::AfterCommit, name).await {
        Fate::GoOn => Ok(value),
        Fate::AnswerLost => Err(sqlx::Error::Io(std::io::ErrorKind::ConnectionReset.into())),
    }
}

/// Order of these limits: checked at compile time, as none of them can be set.
const _: () = {
    assert!(LOCK_WITHIN.as_millis() < READ_WITHIN.as_millis());
    assert!(READ_WITHIN.as_secs() <= STATEMENT_WITHIN.as_secs());
    assert!(STATEMENT_WITHIN.as_secs() < ATTEMPT_WITHIN.as_secs());
    assert!(IDLE_WITHIN.as_secs() < ATTEMPT_WITHIN.as_secs());
    assert!(ACQUIRE.as_secs() < LAST_ATTEMPT.as_secs());
    assert!(ATTEMPT_WITHIN.as_secs() <= WHOLE_WITHIN.as_secs());
};

fn no_answer(within: Duration) -> sqlx::Error {
    let why = format!("the database did not answer within {} s", within.as_secs());
    sqlx::Error::Io(std::io::Error::new(std::io::ErrorKind::TimedOut, why))
}

/// True for errors that another attempt may not meet.
fn is_transient(error: &sqlx::Error) -> bool {
    // A schema that does not fit stays so until somebody mends it.
    // Serialization failure, deadlock.
    (is_outage(error) && !is_unfit(error)) || is(error, &["40001", "40P01"])
}

/// True where the database is away or cannot work, which is nobody's fault and must use up nobody's attempts.
pub fn is_outage(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::WorkerCrashed
        | sqlx::Error::Protocol(_) => true,
        // Connection exceptions, resources (disk, memory, connections), shutdown and recovery, a standby after a failover; the
        // end of a session that was idle in a transaction because its process stood still; and a statement that took too long.
        sqlx::Error::Database(_) => {
            ["08", "53", "57P"].iter().any(|class| code(error).is_some_and(|code| code.starts_with(class)))
                || is(error, &["25006", "25P03", "57014"])
                || is_unfit(error)
        }
        _ => false,
    }
}

/// True where another transaction kept locked what was asked for.
pub fn is_locked(error: &sqlx::Error) -> bool {
    is(error, &["55P03"])
}

/// True where a table, a column, a function or a type is missing: the schema is not the one that this program knows ([`crate::schema`]).
pub fn is_unfit(error: &sqlx::Error) -> bool {
    is(error, &["42P01", "42703", "42883", "42704", "3F000"])
}

fn is(error: &sqlx::Error, codes: &[&str]) -> bool {
    code(error).is_some_and(|code| codes.contains(&code.as_str()))
}

fn code(error: &sqlx::Error) -> Option<String> {
    error.as_database_error().and_then(|error| error.code()).map(|code| code.into_owned())
}
