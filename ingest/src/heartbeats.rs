//! Heartbeats: takes what services tell of themselves, and keeps it for operators to see.

use crate::context::Context;
use futures::StreamExt;
use lapin::options::BasicConsumeOptions;
use lapin::types::FieldTable;
use service_kit::broker::Backoff;
use service_kit::heartbeat::{Heartbeat, Work};
use service_kit::messages;
use service_kit::topology::{self, HEARTBEATS};
use sqlx::types::Json;
use sqlx::{PgPool, PgTransaction};
use std::sync::Arc;
use std::time::Duration;

/// Time for which a service is shown after its last sign of life: long enough to see that it is gone.
pub(crate) const FORGET_AFTER: Duration = Duration::from_secs(180);
/// Time between two looks for services that have to be forgotten.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// Takes heartbeats until shutdown.
pub(crate) async fn run(context: Arc<Context>) -> anyhow::Result<()> {
    let mut backoff = Backoff::default();
    while !context.shutdown.is_asked() {
        tokio::select! {
            ended = take(&context, &mut backoff) => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "heartbeats are not heard; connecting again");
                }
            }
            () = context.shutdown.asked() => return Ok(()),
        }
        backoff.wait(&context.shutdown).await;
    }
    Ok(())
}

async fn take(context: &Context, backoff: &mut Backoff) -> anyhow::Result<()> {
    let channel = context.broker.channel().await?;
    topology::declare_heartbeat_queue(&channel).await?;
    let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
    let mut heartbeats =
        channel.basic_consume(HEARTBEATS.into(), "".into(), options, FieldTable::default()).await?;
    *backoff = Backoff::default();
    let mut ticks = tokio::time::interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let heard = tokio::select! {
            heard = heartbeats.next() => heard,
            _ = ticks.tick() => {
                // While the broker takes nothing, nobody is heard, whoever is there.
                if context.broker.blocked().is_none() {
                    forget(&context.pool).await?;
                }
                continue;
            }
        };
        let Some(delivery) = heard else { return Ok(()) };
        let delivery = delivery?;
        let kind = delivery.properties.kind().as_ref().map(ToString::to_string).unwrap_or_default();
        match messages::decode::<Heartbeat>(&kind, &delivery.data) {
            Ok(heartbeat) => {
                if keep(&context.pool, &heartbeat).await? == Kept::New {
                    // It waits to hear what it may take.
                    context.announce.notify_one();
                }
            }
            // Of another release; it is not shown.
            Err(error) => tracing::debug!(%error, "a heartbeat cannot be read"),
        }
    }
}

/// Outcome of a heartbeat: the service is new, was known, or has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kept {
    New,
    Known,
    Left,
}

async fn keep(pool: &PgPool, heartbeat: &Heartbeat) -> Result<Kept, sqlx::Error> {
    if heartbeat.leaving {
        sqlx::query!("DELETE FROM workers WHERE id = $1", heartbeat.id).execute(pool).await?;
        return Ok(Kept::Left);
    }
    let mut transaction = pool.begin().await?;
    let work = heartbeat.work.as_ref();
    let new = sqlx::query_scalar!(
        r#"INSERT INTO workers AS w (id, service, host, version, started_at, model_version, configuration, device, threads,
                                     audio_seconds, audio_seconds_per_second, speed, stages, process)
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
           ON CONFLICT (id) DO UPDATE SET last_seen = now(), audio_seconds = excluded.audio_seconds,
               audio_seconds_per_second = excluded.audio_seconds_per_second, speed = excluded.speed, stages = excluded.stages
           RETURNING xmax = 0 AS "new!""#,
        heartbeat.id,
        heartbeat.service,
        heartbeat.host,
        heartbeat.version,
        heartbeat.started_at,
        work.map(|work| work.model_version.as_str()),
        work.map(|work| work.configuration.as_str()),
        work.map(|work| work.device.as_str()),
        work.map(|work| work.threads as i32),
        work.map_or(0.0, |work| work.audio_seconds),
        work.map_or(0.0, |work| work.audio_seconds_per_second),
        work.and_then(|work| work.speed),
        Json(work.map(|work| work.stages.clone()).unwrap_or_default()) as _,
        heartbeat.process.map(i64::from),
    )
    .fetch_one(&mut *transaction)
    .await?;
    if let Some(work) = work {
        keep_chunks(&mut transaction, heartbeat, work).await?;
    }
    transaction.commit().await?;
    Ok(if new { Kept::New } else { Kept::Known })
}

/// Notes the chunks that the worker has in hand. Nothing is kept of a recording that was deleted meanwhile.
async fn keep_chunks(
    transaction: &mut PgTransaction<'static>,
    heartbeat: &Heartbeat,
    work: &Work,
) -> Result<(), sqlx::Error> {
    sqlx::query!("DELETE FROM worker_chunks WHERE worker_id = $1", heartbeat.id)
        .execute(&mut **transaction)
        .await?;
    for busy in &work.busy {
        sqlx::query!(
            "INSERT INTO worker_chunks (worker_id, recording_id, chunk, since)
             SELECT $1, r.id, $3, $4 FROM recordings r WHERE r.id = $2 FOR KEY SHARE
             ON CONFLICT DO NOTHING",
            heartbeat.id,
            busy.recording,
            busy.chunk as i32,
            busy.since,
        )
        .execute(&mut **transaction)
        .await?;
    }
    Ok(())
}

async fn forget(pool: &PgPool) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "DELETE FROM workers WHERE last_seen < now() - make_interval(secs => $1)",
        FORGET_AFTER.as_secs_f64()
    )
    .execute(pool)
    .await?;
    Ok(())
}
