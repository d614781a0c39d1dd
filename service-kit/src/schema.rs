//! Schema: the migrations, compiled in.

use sqlx::migrate::Migrator;

/// Every migration under `migrations/`, reversible.
pub static MIGRATIONS: Migrator = sqlx::migrate!("../migrations");
