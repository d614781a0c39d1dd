//! `throughline migrate`.

use anyhow::Context;
use clap::Parser;
use service_kit::schema::MIGRATIONS;
use sqlx::{Connection, PgConnection};

/// Arguments of the command.
#[derive(Parser)]
pub struct Args {
    /// Address of Postgres, as postgres://USER:PASSWORD@HOST/DATABASE.
    #[arg(long, env = "THROUGHLINE_DATABASE_URL")]
    database_url: String,
    /// Undo migrations down to this version instead (0 undoes all; data is lost).
    #[arg(long, value_name = "VERSION")]
    down_to: Option<i64>,
}

/// Runs the command.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut database =
            PgConnection::connect(&args.database_url).await.context("cannot reach the database")?;
        match args.down_to {
            Some(version) => MIGRATIONS.undo(&mut database, version).await?,
            None => MIGRATIONS.run(&mut database).await?,
        }
        println!(
            "the database schema is at version {}",
            args.down_to.unwrap_or(MIGRATIONS.iter().map(|m| m.version).max().unwrap_or(0))
        );
        Ok(())
    })
}
