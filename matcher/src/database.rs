//! Database: the pool, and the shutdown that ends waiting for it.

use service_kit::shutdown::Shutdown;
use service_kit::transaction;
use sqlx::{PgPool, PgTransaction};

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
