//! Migrating over a real Postgres.

use service_kit::migrating::{MigratingError, migrate};
use service_kit::schema::{self, Fit, MIGRATIONS};
use service_kit::testing::Corner;
use sqlx::{Connection, PgConnection};
use std::time::{Duration, Instant};

const SHORT: Duration = Duration::from_millis(300);

fn newest() -> i64 {
    MIGRATIONS.iter().map(|migration| migration.version).max().expect("there are some")
}

#[tokio::test]
async fn a_table_in_use_stops_a_migration_soon_says_by_whom_and_it_can_be_run_again() {
    let corner = Corner::open().await.expect("the servers of deploy/test run");
    let pool = corner.pool().expect("a pool");
    let mut database = PgConnection::connect(&corner.database_url).await.expect("connects");
    // Down by one that takes a column of this table.
    let before = newest() - 1;
    let mut reader = pool.begin().await.expect("begins");
    sqlx::query("SELECT count(*) FROM speaker_embeddings, recordings, chunks, inbox, outbox, dead_letters")
        .execute(&mut *reader)
        .await
        .expect("reads");
    let started = Instant::now();
    let refused = migrate(&mut database, Some(0), SHORT).await.expect_err("is in use");
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    assert!(matches!(refused, MigratingError::Locked { .. }), "{refused}");
    let words = refused.to_string();
    assert!(
        words.contains("test, has had a transaction open") && words.contains("migrate` again"),
        "{words}"
    );
    reader.rollback().await.expect("ends");
    migrate(&mut database, Some(before), SHORT).await.expect("goes down");
    assert_eq!(schema::look(&pool).await.expect("looks"), Fit::Older { schema: before, needed: newest() });
    migrate(&mut database, None, SHORT).await.expect("goes up again");
    assert_eq!(schema::look(&pool).await.expect("looks"), Fit::Exact);
    pool.close().await;
    corner.close().await.expect("cleans up");
}

#[tokio::test]
async fn two_that_migrate_at_once_do_not_wait_for_each_other_for_ever() {
    let corner = Corner::open().await.expect("the servers of deploy/test run");
    let pool = corner.pool().expect("a pool");
    let mut database = PgConnection::connect(&corner.database_url).await.expect("connects");
    let mut other = PgConnection::connect(&corner.database_url).await.expect("connects");
    sqlx::query("SET application_name = 'the other'").execute(&mut other).await.expect("sets");
    // The lock under which sqlx migrates, as one holds it that hangs.
    let mut held = other.begin().await.expect("begins");
    let lock = sqlx::migrate::Migrate::lock(&mut *held).await;
    lock.expect("locks");
    let refused = migrate(&mut database, None, SHORT).await.expect_err("another one is at it");
    assert!(refused.to_string().contains("the other, has had a transaction open"), "{refused}");
    held.rollback().await.expect("ends");
    other.close().await.expect("ends");
    migrate(&mut database, None, Duration::from_secs(10)).await.expect("has nothing to do");
    pool.close().await;
    corner.close().await.expect("cleans up");
}

#[tokio::test]
async fn a_schema_that_is_newer_or_empty_is_told_apart() {
    let corner = Corner::open().await.expect("the servers of deploy/test run");
    let pool = corner.pool().expect("a pool");
    let mut database = PgConnection::connect(&corner.database_url).await.expect("connects");
    let next = newest() + 1;
    let insert = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES ($1, 'next', true, '', 0)";
    sqlx::query(insert).bind(next).execute(&pool).await.expect("is inserted");
    let newer = Fit::Newer { schema: next, known: newest() };
    assert_eq!(schema::look(&pool).await.expect("looks"), newer);
    assert_eq!(schema::check(&pool).await, Ok(()));
    let refused = migrate(&mut database, None, SHORT).await.expect_err("does not know it");
    assert!(refused.to_string().contains(&format!("its migration {next}")), "{refused}");
    sqlx::query("DELETE FROM _sqlx_migrations WHERE version = $1")
        .bind(next)
        .execute(&pool)
        .await
        .expect("goes");
    migrate(&mut database, Some(0), SHORT).await.expect("goes down");
    assert_eq!(schema::look(&pool).await.expect("looks"), Fit::Empty);
    let why = schema::check(&pool).await.expect_err("is empty");
    assert!(why.contains("no tables yet: run `throughline migrate`"), "{why}");
    pool.close().await;
    corner.close().await.expect("cleans up");
}
