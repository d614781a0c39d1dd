//! `throughline migrate`.

use anyhow::Context;
use clap::Parser;
use service_kit::migrating;
use service_kit::schema::MIGRATIONS;
use sqlx::{Connection, PgConnection};
use std::time::Duration;

/// Arguments of the command.
#[derive(Parser)]
pub struct Args {
    /// Address of Postgres, as postgres://USER:PASSWORD@HOST/DATABASE.
    #[arg(long, env = "THROUGHLINE_DATABASE_URL", hide_env_values = true)]
    database_url: String,
    /// Undo migrations down to this version instead (0 undoes all; data is lost).
    #[arg(long, value_name = "VERSION")]
    down_to: Option<i64>,
    /// Seconds that a migration waits for a table that is in use. Whatever else wants the table waits meanwhile; a migration that gets
    /// none changes nothing, and can be run again.
    #[arg(long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=3600))]
    lock_seconds: u64,
}

/// Runs the command.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut database =
            PgConnection::connect(&args.database_url).await.context("cannot reach the database")?;
        migrating::migrate(&mut database, args.down_to, Duration::from_secs(args.lock_seconds)).await?;
        println!(
            "the database schema is at version {}",
            args.down_to.unwrap_or(MIGRATIONS.iter().map(|m| m.version).max().unwrap_or(0))
        );
        Ok(())
    })
}
