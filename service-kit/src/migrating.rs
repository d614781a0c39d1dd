//! Migrating: brings a database's schema to what this program knows, or back, without ever holding up services for long.

use crate::schema::MIGRATIONS;
use sqlx::migrate::MigrateError;
use sqlx::{Connection, PgConnection};
use std::time::Duration;

/// Sessions that are named where a table could not be had.
const NAMED: i64 = 3;

/// The schema could not be brought to where it should be.
#[derive(Debug, thiserror::Error)]
pub enum MigratingError {
    /// A table that is to be changed is in use.
    #[error(
        "a table that is to be changed is in use and did not come free within {seconds} s ({by}); what was migrated before it \
         stays, nothing else was changed: run `throughline migrate` again when it is free, or with a longer --lock-seconds",
        seconds = .within.as_secs()
    )]
    Locked {
        /// Time for which the table was waited for.
        within: Duration,
        /// Sessions that have had a transaction open for longest, in words for the operator.
        by: String,
    },
    /// Another release's program has migrated further.
    #[error(
        "the database's schema is newer than this program, which does not know its migration {0}: use the `throughline` of the \
         release that made it"
    )]
    Newer(i64),
    /// A migration failed; it is undone, those before it stay.
    #[error("{0}")]
    Migration(#[from] MigrateError),
    /// The database failed.
    #[error("the database cannot be used: {0}")]
    Database(#[from] sqlx::Error),
}

/// Brings the schema up to what this program knows, or down to version `down_to`. Each migration is one transaction, and waits for a table
/// for up to `lock_within`: whatever else wants that table waits behind it.
pub async fn migrate(
    database: &mut PgConnection,
    down_to: Option<i64>,
    lock_within: Duration,
) -> Result<(), MigratingError> {
    let settings = format!("SET lock_timeout = {}; SET statement_timeout = 0", lock_within.as_millis());
    sqlx::raw_sql(sqlx::AssertSqlSafe(settings)).execute(&mut *database).await?;
    let migrated = match down_to {
        Some(version) => MIGRATIONS.undo(&mut *database, version).await,
        None => MIGRATIONS.run(&mut *database).await,
    };
    let error = match migrated {
        Ok(()) => return Ok(()),
        Err(MigrateError::VersionMissing(version)) => return Err(MigratingError::Newer(version)),
        Err(error) if is_locked(&error) => error,
        Err(error) => return Err(error.into()),
    };
    tracing::debug!(%error, "a migration had to wait for too long");
    let by = in_use(database).await.unwrap_or_else(|_| "nobody can say by whom".to_owned());
    Err(MigratingError::Locked { within: lock_within, by })
}

fn is_locked(error: &MigrateError) -> bool {
    match error {
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => {
            crate::transaction::is_locked(error)
        }
        _ => false,
    }
}

/// The sessions that have had a transaction open for longest.
async fn in_use(database: &mut PgConnection) -> Result<String, sqlx::Error> {
    // A migration that failed has left its transaction behind.
    database.ping().await?;
    let open = "SELECT pid, coalesce(nullif(application_name, ''), 'nameless'), extract(epoch FROM now() - xact_start)::float8
                FROM pg_stat_activity
                WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start IS NOT NULL
                ORDER BY xact_start LIMIT $1";
    let open: Vec<(i32, String, f64)> = sqlx::query_as(open).bind(NAMED).fetch_all(database).await?;
    if open.is_empty() {
        return Ok("it is free again now".to_owned());
    }
    let named = open.iter().map(|(pid, name, seconds)| {
        format!("process {pid} of Postgres, {name}, has had a transaction open for {seconds:.0} s")
    });
    Ok(named.collect::<Vec<_>>().join("; "))
}
