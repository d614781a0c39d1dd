//! Topology: every queue, declared in this one place, by whoever comes first.
//!
//! All queues are quorum queues. A message that has had [`ATTEMPTS`] deliveries without a word goes to the dead-letter queue,
//! at least once (RabbitMQ needs `reject-publish` and, on nodes upgraded from before 3.10, the feature flag `stream_queue` for
//! that). Messages that are to be tried again wait on a queue per wait, from which they expire back to where they were.
//! Arguments of a queue that exists cannot be changed: a change here needs new queue names.
//!
//! Heartbeats and announcements are no work: their exchanges drop what nobody is there to take, and the queues behind them hold little,
//! none of it for long, and go with their last consumer.

use crate::budget::ACKNOWLEDGE_WITHIN;
use crate::policy::WAITS;
use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable, LongString};
use lapin::{Channel, ExchangeKind};
use std::time::Duration;

/// Decode jobs, consumed by ingest.
pub const DECODE: &str = "throughline.decode";
/// Analyses and decoding notices, consumed by the matcher.
pub const MATCH: &str = "throughline.match";
/// Dead letters: messages that failed for good, whatever queue they were on.
pub const DEAD: &str = "throughline.dead";
/// Exchange, and queue behind it, of what services tell of themselves ([`crate::heartbeat`]).
pub const HEARTBEATS: &str = "throughline.heartbeats";
/// Exchange of what ingest announces to all ([`crate::control`]).
pub const CONTROL: &str = "throughline.control";
/// Heartbeats held at most, the newest, and for how long: older ones tell nothing any more.
const MOST_HEARTBEATS: i64 = 1000;
const HEARTBEAT_LIVES: Duration = Duration::from_secs(15);
/// Announcements held at most for one listener: each says all that is in force.
const MOST_ANNOUNCEMENTS: i64 = 10;
/// Attempts at a message, however each ends; then it is a dead letter.
pub const ATTEMPTS: i64 = 5;
/// Dead letters are kept until they are in the database: brokers from 4.0 on would drop them after 20 deliveries.
const KEEP_TRYING: i64 = 1_000_000_000;

/// Queue of the chunk jobs of one model version and configuration: a recording is pinned to those it started with, so each
/// has workers and a queue of its own, and a rolling upgrade hands no job to a worker that cannot do it.
pub fn chunk_queue(model_version: &str, configuration: &str) -> String {
    format!("throughline.chunks.{model_version}.{configuration}")
}

/// Exchange, and queue behind it, of messages that wait for `WAITS[wait]`. The routing key says where they go back to.
pub fn wait_queue(wait: usize) -> String {
    format!("throughline.wait.{}s", WAITS[wait.min(WAITS.len() - 1)].as_secs())
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

fn milliseconds(duration: Duration) -> AMQPValue {
    AMQPValue::LongLongInt(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX))
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
        ("x-consumer-timeout", milliseconds(ACKNOWLEDGE_WITHIN)),
    ]);
    channel.queue_declare(queue.into(), QueueDeclareOptions::durable(), work).await?;
    Ok(())
}

/// Declares the exchange and the queue of a wait. What expires goes through the default exchange to the queue that its own
/// routing key names.
pub async fn declare_wait(channel: &Channel, wait: usize) -> lapin::Result<()> {
    let name = wait_queue(wait);
    let waiting = arguments(&[
        ("x-queue-type", text("quorum")),
        ("x-message-ttl", milliseconds(WAITS[wait.min(WAITS.len() - 1)])),
        ("x-dead-letter-exchange", text("")),
        ("x-dead-letter-strategy", text("at-least-once")),
        ("x-overflow", text("reject-publish")),
    ]);
    fanout(channel, &name).await?;
    channel.queue_declare(name.as_str().into(), QueueDeclareOptions::durable(), waiting).await?;
    bind(channel, &name, &name).await
}

async fn fanout(channel: &Channel, name: &str) -> lapin::Result<()> {
    let durable = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
    channel.exchange_declare(name.into(), ExchangeKind::Fanout, durable, FieldTable::default()).await
}

async fn bind(channel: &Channel, queue: &str, exchange: &str) -> lapin::Result<()> {
    let (options, none) = (QueueBindOptions::default(), FieldTable::default());
    channel.queue_bind(queue.into(), exchange.into(), "".into(), options, none).await
}

/// Declares the exchange of heartbeats.
pub async fn declare_heartbeats(channel: &Channel) -> lapin::Result<()> {
    fanout(channel, HEARTBEATS).await
}

/// Declares the queue from which ingest processes take heartbeats, each of them once.
pub async fn declare_heartbeat_queue(channel: &Channel) -> lapin::Result<()> {
    fanout(channel, HEARTBEATS).await?;
    // Durable, for brokers no longer take other queues that several connections share; the messages are not.
    let options = QueueDeclareOptions { auto_delete: true, ..QueueDeclareOptions::durable() };
    let few = arguments(&[
        ("x-max-length", AMQPValue::LongLongInt(MOST_HEARTBEATS)),
        ("x-message-ttl", milliseconds(HEARTBEAT_LIVES)),
    ]);
    channel.queue_declare(HEARTBEATS.into(), options, few).await?;
    bind(channel, HEARTBEATS, HEARTBEATS).await
}

/// Declares the exchange of announcements.
pub async fn declare_control(channel: &Channel) -> lapin::Result<()> {
    fanout(channel, CONTROL).await
}

/// Declares a queue of announcements for this connection alone; its name.
pub async fn declare_listener(channel: &Channel) -> lapin::Result<String> {
    declare_control(channel).await?;
    let own = QueueDeclareOptions { exclusive: true, auto_delete: true, ..QueueDeclareOptions::default() };
    let few = arguments(&[("x-max-length", AMQPValue::LongLongInt(MOST_ANNOUNCEMENTS))]);
    let name = channel.queue_declare("".into(), own, few).await?.name().to_string();
    bind(channel, &name, CONTROL).await?;
    Ok(name)
}
