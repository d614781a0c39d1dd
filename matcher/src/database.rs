//! Database: the pool, and the shutdown that ends waiting for it.

use service_kit::shutdown::Shutdown;
use service_kit::{schema, transaction};
use sqlx::{PgConnection, PgPool, PgTransaction};
use std::time::Duration;

/// Longest time for the database to answer a readiness check.
const READY_WITHIN: Duration = Duration::from_secs(3);

/// Postgres, for everything the matcher does. Clones share the pools.
#[derive(Clone, Debug)]
pub struct Database {
    pool: PgPool,
    watch: PgPool,
    shutdown: Shutdown,
}

impl Database {
    /// The database behind `pool`; asking for `shutdown` ends waiting for it.
    pub fn new(pool: PgPool, shutdown: Shutdown) -> Self {
        Self { watch: pool.clone(), pool, shutdown }
    }

    /// The same, with `watch` for readiness alone: what everybody waits for is not in its way.
    pub fn watched_by(self, watch: PgPool) -> Self {
        Self { watch, ..self }
    }

    /// A connection outside the pool, which ends with whoever has it.
    pub async fn connection(&self) -> Result<PgConnection, sqlx::Error> {
        Ok(self.pool.acquire().await?.detach())
    }

    /// Runs `work` as the transaction `name`.
    pub async fn run<T>(
        &self,
        name: &'static str,
        work: impl AsyncFn(&mut PgTransaction<'static>) -> Result<T, sqlx::Error>,
    ) -> Result<T, sqlx::Error> {
        transaction::run(&self.pool, name, &self.shutdown, work).await
    }

    /// Shutdown of the service, which ends waiting for the database.
    pub fn shutdown(&self) -> &Shutdown {
        &self.shutdown
    }

    /// Says why the database cannot be used; `Ok` when it can. Not tried again: readiness wants the answer now.
    pub async fn ready(&self) -> Result<(), String> {
        match tokio::time::timeout(READY_WITHIN, schema::check(&self.watch)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(format!("the database does not answer within {} s", READY_WITHIN.as_secs())),
        }
    }
}
