//! Claim: one matcher completes a recording at a time.
//!
//! It only saves work: the commit is safe without it. It is a lock of a session, and lasts as long as its connection, however long that is:
//! a process that dies closes it, and one that is silent has it closed by Postgres.

use crate::database::Database;
use sqlx::{Connection, PgConnection};
use std::time::Duration;
use uuid::Uuid;

/// Longest silence of the session before Postgres ends it.
pub const SILENT_WITHIN: Duration = Duration::from_secs(60);
/// Interval between two signs of life of the session.
pub const SIGN_EVERY: Duration = Duration::from_secs(10);
/// Longest time for claiming.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// Longest time for giving up a claim.
const CLOSED_WITHIN: Duration = Duration::from_secs(3);

/// The claim on completing one run of a recording. Of a run, not of the recording: one that is superseded and does not know yet
/// must not keep the next one waiting.
pub struct Claim(PgConnection);

impl Claim {
    /// Claims it; none where another has it.
    pub async fn of(database: &Database, recording: Uuid, run: i32) -> Result<Option<Self>, sqlx::Error> {
        let claiming = tokio::time::timeout(ANSWER_WITHIN, Self::try_of(database, recording, run));
        let late = || sqlx::Error::Io(std::io::ErrorKind::TimedOut.into());
        claiming.await.unwrap_or_else(|_| Err(late()))
    }

    async fn try_of(database: &Database, recording: Uuid, run: i32) -> Result<Option<Self>, sqlx::Error> {
        let mut connection = database.connection().await?;
        let claimed = sqlx::query_scalar!(
            r#"SELECT pg_try_advisory_lock(hashtextextended('finalise ' || $1::uuid::text || ' ' || $2::integer::text, 0)) AS "claimed!""#,
            recording,
            run
        )
        .fetch_one(&mut connection)
        .await?;
        if !claimed {
            return Ok(None);
        }
        let silent = format!("SET idle_session_timeout = {}", SILENT_WITHIN.as_millis());
        sqlx::raw_sql(sqlx::AssertSqlSafe(silent)).execute(&mut connection).await?;
        Ok(Some(Self(connection)))
    }

    /// Keeps the claim while `work` lasts, and gives it up then. Work whose claim is lost goes on: another one may do it as well.
    pub async fn during<T>(mut self, work: impl Future<Output = T>) -> T {
        let mut work = std::pin::pin!(work);
        // Beside the work, which a connection that says nothing must not hold up.
        let signs = async {
            loop {
                tokio::time::sleep(SIGN_EVERY).await;
                if let Err(error) = self.0.ping().await {
                    tracing::debug!(%error, "the claim on a recording is lost");
                    return;
                }
            }
        };
        let done = tokio::select! {
            biased;
            done = &mut work => done,
            () = signs => work.await,
        };
        // Where nobody answers, the connection ends all the same.
        let _ = tokio::time::timeout(CLOSED_WITHIN, self.0.close()).await;
        done
    }
}
