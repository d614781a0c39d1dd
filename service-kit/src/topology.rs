//! Topology: every queue, declared in this one place, by whoever comes first.
//!
//! All queues are quorum queues. A message that is rejected, or has had [`ATTEMPTS`] deliveries, goes to the dead-letter
//! queue, at least once (RabbitMQ needs `reject-publish` and, on nodes upgraded from before 3.10, the feature flag `stream_queue`
//! for that). Arguments of a queue that exists cannot be changed: a change here needs new queue names.

use lapin::Channel;
use lapin::options::QueueDeclareOptions;
use lapin::types::{AMQPValue, FieldTable, LongString};

/// Decode jobs, consumed by ingest.
pub const DECODE: &str = "throughline.decode";
/// Analyses and decoding notices, consumed by the matcher.
pub const MATCH: &str = "throughline.match";
/// What failed for good, whatever queue it was on.
pub const DEAD: &str = "throughline.dead";
/// Deliveries after which the broker gives up on a message; rejections and lost connections both count.
pub const ATTEMPTS: i64 = 5;
/// Dead letters are kept until they are in the database: brokers from 4.0 on would drop them after 20 deliveries.
const KEEP_TRYING: i64 = 1_000_000_000;
/// How long a consumer may hold a message without acknowledging it (RabbitMQ's own default, stated).
const ACKNOWLEDGE_WITHIN_MS: i64 = 30 * 60 * 1000;

/// Queue of the chunk jobs of one model version and configuration: a recording is pinned to those it started with, so each
/// has workers and a queue of its own, and a rolling upgrade hands no job to a worker that cannot do it.
pub fn chunk_queue(model_version: &str, configuration: &str) -> String {
    format!("throughline.chunks.{model_version}.{configuration}")
}

fn arguments(pairs: &[(&str, AMQPValue)]) -> FieldTable {
    let mut table = FieldTable::default();
    for (key, value) in pairs {
        table.insert((*key).into(), value.clone());
    }
    table
}

fn text(value: &str) -> AMQPValue {
    AMQPValue::LongString(LongString::from(value))
}

/// Declares a work queue and the dead-letter queue behind it.
pub async fn declare(channel: &Channel, queue: &str) -> lapin::Result<()> {
    let quorum = ("x-queue-type", text("quorum"));
    if queue == DEAD {
        let dead = arguments(&[quorum, ("x-delivery-limit", AMQPValue::LongLongInt(KEEP_TRYING))]);
        channel.queue_declare(DEAD.into(), QueueDeclareOptions::durable(), dead).await?;
        return Ok(());
    }
    Box::pin(declare(channel, DEAD)).await?;
    let work = arguments(&[
        quorum,
        ("x-delivery-limit", AMQPValue::LongLongInt(ATTEMPTS - 1)),
        ("x-dead-letter-exchange", text("")),
        ("x-dead-letter-routing-key", text(DEAD)),
        ("x-dead-letter-strategy", text("at-least-once")),
        ("x-overflow", text("reject-publish")),
        ("x-consumer-timeout", AMQPValue::LongLongInt(ACKNOWLEDGE_WITHIN_MS)),
    ]);
    channel.queue_declare(queue.into(), QueueDeclareOptions::durable(), work).await?;
    Ok(())
}
