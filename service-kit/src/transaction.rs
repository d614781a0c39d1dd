//! Transaction: named units of work on the database, tried again where trying again helps.

use crate::broker::Backoff;
use crate::points::{self, Fate, Place};
use crate::shutdown::Shutdown;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{PgPool, PgTransaction};
use std::str::FromStr;
use std::time::{Duration, Instant};

/// How long a transaction waits for a database that is away before it gives up.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long one attempt waits for a connection.
const ACQUIRE: Duration = Duration::from_secs(5);
/// How long one attempt may take: a database that says nothing (a connection of which only one end is left) says nothing for ever.
const ATTEMPT_WITHIN: Duration = Duration::from_secs(120);
/// What Postgres is told for our connections, so that rows locked by a service which is gone without a word (frozen, its machine
/// or its network lost) do not stay locked: without these, for two hours. No transaction of ours is idle for so long.
const SESSION: [(&str, &str); 4] = [
    ("idle_in_transaction_session_timeout", "60s"),
    ("tcp_keepalives_idle", "20"),
    ("tcp_keepalives_interval", "10"),
    ("tcp_keepalives_count", "3"),
];

/// Opens a pool; connections are made when they are needed.
pub fn pool(url: &str, connections: u32, service: &str) -> Result<PgPool, sqlx::Error> {
    let options = PgConnectOptions::from_str(url)?.application_name(service).options(SESSION);
    Ok(PgPoolOptions::new().max_connections(connections).acquire_timeout(ACQUIRE).connect_lazy_with(options))
}

/// Runs `work` in a transaction and commits it. Serialization failures, deadlocks and lost connections are tried again, with
/// growing waits, for up to two minutes; `work` must therefore change nothing but the database.
pub async fn run<T>(
    pool: &PgPool,
    name: &'static str,
    shutdown: &Shutdown,
    work: impl AsyncFn(&mut PgTransaction<'static>) -> Result<T, sqlx::Error>,
) -> Result<T, sqlx::Error> {
    let started = Instant::now();
    let mut backoff = Backoff::default();
    loop {
        let attempt = tokio::time::timeout(ATTEMPT_WITHIN, Box::pin(attempt(pool, name, &work)));
        let outcome = attempt.await.unwrap_or_else(|_| Err(no_answer()));
        let retry = match &outcome {
            Ok(_) => false,
            Err(error) => is_transient(error) && started.elapsed() < PATIENCE,
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

fn no_answer() -> sqlx::Error {
    let why = format!("the database did not answer within {} s", ATTEMPT_WITHIN.as_secs());
    sqlx::Error::Io(std::io::Error::new(std::io::ErrorKind::TimedOut, why))
}

/// True for errors that another attempt may not meet.
fn is_transient(error: &sqlx::Error) -> bool {
    // Serialization failure, deadlock.
    is_outage(error) || code(error).is_some_and(|code| matches!(code.as_str(), "40001" | "40P01"))
}

/// True where the database is away or cannot work, which is nobody's fault and must use up nobody's attempts.
pub fn is_outage(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::WorkerCrashed
        | sqlx::Error::Protocol(_) => true,
        // Connection exceptions, resources (disk, memory, connections), shutdown and recovery, a standby after a failover; and the
        // end of a session that was idle in a transaction because its process stood still.
        sqlx::Error::Database(_) => code(error).is_some_and(|code| {
            ["08", "53", "57P"].iter().any(|class| code.starts_with(class))
                || matches!(code.as_str(), "25006" | "25P03")
        }),
        _ => false,
    }
}

fn code(error: &sqlx::Error) -> Option<String> {
    error.as_database_error().and_then(|error| error.code()).map(|code| code.into_owned())
}
