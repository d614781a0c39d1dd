//! Epoch: notices that the broker has lost everything, so that what it lost is sent again at once.
//!
//! Postgres knows the broker by the name of a queue on it. A broker without that queue is a new one, or one whose data is gone: every
//! job and every analysis on its way is lost, and every recording in work needs its jobs again.

use crate::database::Database;
use crate::error::MatchError;
use lapin::options::QueueDeclareOptions;
use lapin::types::{AMQPValue, FieldTable, LongString};
use service_kit::broker::Broker;
use sqlx::PgTransaction;
use uuid::Uuid;

/// Result of a look at the broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// It is the one we know.
    Known,
    /// It has lost everything, and so many recordings need their jobs again, now or if they are taken up again.
    Lost {
        /// Recordings that are not done.
        recordings: u64,
    },
    /// It could not be asked; an outage loses nothing.
    Away,
}

/// A broker that can be marked: the mark is a queue of that name.
pub trait Markable {
    /// True where the mark is there.
    fn is_marked(&self, name: &str) -> impl Future<Output = lapin::Result<bool>>;
    /// Sets it.
    fn mark(&self, name: &str) -> impl Future<Output = lapin::Result<()>>;
    /// Takes it back.
    fn unmark(&self, name: &str) -> impl Future<Output = lapin::Result<()>>;
}

fn marker(epoch: Uuid) -> String {
    format!("throughline.epoch.{epoch}")
}

/// Looks whether the broker still is the one that the jobs were given to. Where it is not, marks every recording that is not done for
/// [`crate::republish`], once, whoever notices first.
pub async fn look(database: &Database, broker: &impl Markable) -> Result<Seen, MatchError> {
    let known = read(database).await?;
    if let Some(epoch) = known {
        match broker.is_marked(&marker(epoch)).await {
            Ok(true) => return Ok(Seen::Known),
            Ok(false) => {}
            Err(_) => return Ok(Seen::Away),
        }
    }
    let next = Uuid::now_v7();
    // Marked before it is committed: should we die between the two, the mark is in nobody's way.
    if broker.mark(&marker(next)).await.is_err() {
        return Ok(Seen::Away);
    }
    match begin(database, known, next).await? {
        Some(recordings) => {
            if known.is_some() {
                tracing::error!(recordings, "the broker has lost its messages; jobs will be sent again");
                metrics::counter!("throughline_broker_wipes_total").increment(1);
            }
            Ok(Seen::Lost { recordings })
        }
        // Another matcher was first.
        None => {
            // One that stays is in nobody's way.
            if let Err(error) = broker.unmark(&marker(next)).await {
                tracing::debug!(%error, "a mark that is not needed stays on the broker");
            }
            Ok(Seen::Known)
        }
    }
}

async fn read(database: &Database) -> Result<Option<Uuid>, sqlx::Error> {
    let work = async |transaction: &mut PgTransaction<'static>| {
        sqlx::query_scalar!("SELECT epoch FROM broker_epoch").fetch_optional(&mut **transaction).await
    };
    database.run("read epoch", work).await
}

/// Begins the epoch `next` if that of `known` is still in force; how many recordings are not done then.
async fn begin(database: &Database, known: Option<Uuid>, next: Uuid) -> Result<Option<u64>, sqlx::Error> {
    let work = async |transaction: &mut PgTransaction<'static>| {
        let begun = match known {
            None => {
                sqlx::query!("INSERT INTO broker_epoch (epoch) VALUES ($1) ON CONFLICT DO NOTHING", next)
                    .execute(&mut **transaction)
                    .await?
            }
            Some(known) => {
                sqlx::query!(
                    "UPDATE broker_epoch SET epoch = $2, began_at = now() WHERE epoch = $1",
                    known,
                    next
                )
                .execute(&mut **transaction)
                .await?
            }
        };
        if begun.rows_affected() == 0 {
            return Ok(None);
        }
        let marked =
            // Also of what has failed: a replay may take it up again, and counts on what was on its way.
            sqlx::query!(
                "UPDATE recordings SET resend = true
                 WHERE state IN ('queued', 'processing', 'failed') OR id IN (SELECT recording_id FROM gaps WHERE awaited)"
            )
            .execute(&mut **transaction)
                .await?;
        Ok(Some(marked.rows_affected()))
    };
    database.run("begin epoch", work).await
}

impl Markable for Broker {
    async fn is_marked(&self, name: &str) -> lapin::Result<bool> {
        Ok(self.depth(name).await?.is_some())
    }

    async fn mark(&self, name: &str) -> lapin::Result<()> {
        let channel = self.channel().await?;
        let mut quorum = FieldTable::default();
        quorum.insert("x-queue-type".into(), AMQPValue::LongString(LongString::from("quorum")));
        channel.queue_declare(name.into(), QueueDeclareOptions::durable(), quorum).await?;
        channel.close(200, "marked".into()).await
    }

    async fn unmark(&self, name: &str) -> lapin::Result<()> {
        let channel = self.channel().await?;
        channel.queue_delete(name.into(), Default::default()).await?;
        channel.close(200, "unmarked".into()).await
    }
}
