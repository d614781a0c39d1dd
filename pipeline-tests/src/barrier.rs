//! Barrier: holds a service in the middle of a transaction, so that a test can kill or stop it exactly there.
//!
//! A trigger waits for an advisory lock that the test holds. So a test names the statement at which a service dies, instead
//! of hoping for the right millisecond.

use crate::eventually::eventually;
use sqlx::{AssertSqlSafe, Connection, PgConnection, PgPool};

/// A statement that does not pass until [`Barrier::lift`].
pub struct Barrier {
    holder: PgConnection,
    pool: PgPool,
    key: i32,
}

impl Barrier {
    /// Holds every `event` (INSERT or UPDATE) on `table` where `condition`, an expression over `NEW`, is true.
    pub async fn before(pool: &PgPool, event: &str, table: &str, condition: &str) -> Self {
        let mut holder = pool.acquire().await.expect("a connection").detach();
        let key: i32 =
            sqlx::query_scalar("SELECT count(*)::integer + 1 FROM pg_trigger WHERE tgname LIKE 'barrier_%'")
                .fetch_one(&mut holder)
                .await
                .expect("the triggers are counted");
        sqlx::query("SELECT pg_advisory_lock($1)")
            .bind(i64::from(key))
            .execute(&mut holder)
            .await
            .expect("locks");
        let trigger = format!(
            "CREATE FUNCTION barrier_{key}() RETURNS trigger LANGUAGE plpgsql AS
             $$ BEGIN PERFORM pg_advisory_xact_lock_shared({key}); RETURN NEW; END $$;
             CREATE TRIGGER barrier_{key} BEFORE {event} ON {table} FOR EACH ROW WHEN ({condition})
             EXECUTE FUNCTION barrier_{key}();"
        );
        sqlx::raw_sql(AssertSqlSafe(trigger)).execute(&mut holder).await.expect("a trigger");
        Self { holder, pool: pool.clone(), key }
    }

    /// Waits until a service stands before the barrier.
    pub async fn reached(&self) {
        eventually("a service comes to the barrier", async || {
            let waiting: i64 = sqlx::query_scalar(
                "SELECT count(*) FROM pg_locks
                 WHERE locktype = 'advisory' AND NOT granted AND objid::integer = $1
                   AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
            )
            .bind(self.key)
            .fetch_one(&self.pool)
            .await
            .expect("the locks are read");
            (waiting > 0).then_some(())
        })
        .await;
    }

    /// Lets everything pass from now on.
    pub async fn lift(self) {
        self.holder.close().await.expect("the lock goes with its connection");
    }
}
