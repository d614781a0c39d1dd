//! Database: the pool, and the shutdown that ends waiting for it.

use crate::error::MatchError;
use service_kit::shutdown::Shutdown;
use service_kit::transaction;
use sqlx::{PgPool, PgTransaction};
use std::time::{Duration, Instant};

/// How long a message is held while the database is away, before it is given back: below the half hour after which the
/// broker takes it back by itself.
const HOLD: Duration = Duration::from_secs(20 * 60);

/// Postgres, for everything the matcher does. Clones share the pool.
#[derive(Clone, Debug)]
pub struct Database {
    pool: PgPool,
    shutdown: Shutdown,
}

impl Database {
    /// The database behind `pool`; asking for `shutdown` ends waiting for it.
    pub fn new(pool: PgPool, shutdown: Shutdown) -> Self {
        Self { pool, shutdown }
    }

    /// Runs `work` as the transaction `name`.
    pub async fn run<T>(
        &self,
        name: &'static str,
        work: impl AsyncFn(&mut PgTransaction<'static>) -> Result<T, sqlx::Error>,
    ) -> Result<T, sqlx::Error> {
        transaction::run(&self.pool, name, &self.shutdown, work).await
    }

    /// Does `work` again for as long as it fails because the database is away: an outage must not use up the attempts of
    /// messages that are innocent of it.
    pub async fn outlast<T>(&self, work: impl AsyncFn() -> Result<T, MatchError>) -> Result<T, MatchError> {
        let started = Instant::now();
        loop {
            match work().await {
                Err(error) if error.is_outage() && started.elapsed() < HOLD && !self.shutdown.is_asked() => {
                    tracing::warn!(%error, "the database is away; waiting for it");
                }
                outcome => return outcome,
            }
        }
    }

    /// Whether shutdown was asked for.
    pub fn shutdown(&self) -> &Shutdown {
        &self.shutdown
    }

    /// Says why the database cannot be used; `Ok` when it can. Not tried again: readiness wants the answer now.
    pub async fn ready(&self) -> Result<(), String> {
        sqlx::query_scalar!("SELECT count(*) FROM (SELECT 1 FROM recordings LIMIT 1) AS any_recording")
            .fetch_one(&self.pool)
            .await
            .map(|_| ())
            .map_err(|error| format!("the database does not answer: {error}"))
    }
}
