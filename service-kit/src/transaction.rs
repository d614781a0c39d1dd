//! Transaction: named units of work on the database, tried again where trying again helps.

use crate::broker::Backoff;
use crate::shutdown::Shutdown;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{PgPool, PgTransaction};
use std::str::FromStr;
use std::time::{Duration, Instant};

/// How long a transaction waits for a database that is away before it gives up.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long one attempt waits for a connection.
const ACQUIRE: Duration = Duration::from_secs(5);

/// Opens a pool; connections are made when they are needed.
pub fn pool(url: &str, connections: u32, service: &str) -> Result<PgPool, sqlx::Error> {
    let options = PgConnectOptions::from_str(url)?.application_name(service);
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
        let outcome = attempt(pool, &work).await;
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
    work: &impl AsyncFn(&mut PgTransaction<'static>) -> Result<T, sqlx::Error>,
) -> Result<T, sqlx::Error> {
    let mut transaction = pool.begin().await?;
    let value = work(&mut transaction).await?;
    transaction.commit().await?;
    Ok(value)
}

/// True for errors that another attempt may not meet.
fn is_transient(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::WorkerCrashed => true,
        sqlx::Error::Database(error) => error.code().is_some_and(|code| {
            // Serialization failure, deadlock, shutdown and recovery, connection exceptions, too many connections.
            matches!(code.as_ref(), "40001" | "40P01" | "53300")
                || code.starts_with("57P")
                || code.starts_with("08")
        }),
        _ => false,
    }
}
