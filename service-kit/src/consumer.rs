//! Consumer: one loop that takes messages, asks the handler for a verdict and carries it out.

use crate::broker::{Backoff, Broker};
use crate::messages::{self, Message};
use crate::shutdown::Shutdown;
use crate::verdict::Verdict;
use crate::{telemetry, topology};
use futures::StreamExt;
use lapin::message::Delivery as AmqpDelivery;
use lapin::options::{
    BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicQosOptions, BasicRejectOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use tracing::Instrument;

/// How long the broker has to answer the end of a subscription.
const GOODBYE_WITHIN: Duration = Duration::from_secs(3);

/// A message as a handler sees it.
#[derive(Debug)]
pub struct Delivery {
    /// AMQP type property, empty if absent.
    pub kind: String,
    /// Body.
    pub body: Vec<u8>,
    /// Deliveries before this one.
    pub earlier_attempts: i64,
    /// Trace context of the sender.
    pub trace: BTreeMap<String, String>,
    /// Why and where it died, for a dead letter: queue and reason.
    pub death: Option<Death>,
}

/// What the broker says of a dead letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Death {
    /// Queue it was on.
    pub queue: String,
    /// `rejected`, `delivery_limit`, `expired` or `maxlen`.
    pub reason: String,
}

impl Delivery {
    /// The message in the body; the verdict to give where it is none.
    pub fn message<M: Message>(&self) -> Result<M, Verdict> {
        messages::decode(&self.kind, &self.body).map_err(|error| Verdict::Reject(error.to_string()))
    }
}

/// What to consume.
#[derive(Clone, Debug)]
pub struct Subscription {
    /// The queue.
    pub queue: String,
    /// Messages held at once; 1 for long jobs, so that a crash gives back only what was in hand.
    pub prefetch: u16,
}

/// Consumes until shutdown. The handler is called for one message at a time. Lost connections are made again; a message in
/// hand meanwhile is delivered again by the broker.
pub async fn run<H>(broker: &Broker, subscription: &Subscription, shutdown: &Shutdown, handler: H)
where
    H: AsyncFn(Delivery) -> Verdict,
{
    let mut backoff = Backoff::default();
    while !shutdown.is_asked() {
        match Box::pin(consume(broker, subscription, shutdown, &handler, &mut backoff)).await {
            Ok(()) => {}
            Err(error) => {
                tracing::warn!(queue = subscription.queue, %error, "lost the queue; connecting again")
            }
        }
        if !shutdown.is_asked() {
            metrics::counter!("throughline_broker_reconnects_total", "queue" => subscription.queue.clone())
                .increment(1);
            backoff.wait(shutdown).await;
        }
    }
}

async fn consume<H>(
    broker: &Broker,
    subscription: &Subscription,
    shutdown: &Shutdown,
    handler: &H,
    backoff: &mut Backoff,
) -> lapin::Result<()>
where
    H: AsyncFn(Delivery) -> Verdict,
{
    let channel = broker.channel().await?;
    topology::declare(&channel, &subscription.queue).await?;
    channel.basic_qos(subscription.prefetch, BasicQosOptions::default()).await?;
    let queue = subscription.queue.as_str();
    let tag = format!("{queue}.{}", uuid::Uuid::now_v7());
    let mut messages = channel
        .basic_consume(
            queue.into(),
            tag.as_str().into(),
            BasicConsumeOptions::default(),
            FieldTable::default(),
        )
        .await?;
    tracing::info!(queue, "consuming");
    *backoff = Backoff::default();
    loop {
        let next = tokio::select! {
            next = messages.next() => next,
            () = shutdown.asked() => {
                let goodbye = async {
                    channel.basic_cancel(tag.as_str().into(), BasicCancelOptions::default()).await?;
                    channel.close(200, "shutting down".into()).await
                };
                // What was sent ahead and not yet handled goes back when the channel closes, or with the connection.
                return tokio::time::timeout(GOODBYE_WITHIN, goodbye).await.unwrap_or(Ok(()));
            }
        };
        let Some(delivery) = next else { return Ok(()) };
        handle(delivery?, queue, handler, shutdown).await?;
    }
}

async fn handle<H>(amqp: AmqpDelivery, queue: &str, handler: &H, shutdown: &Shutdown) -> lapin::Result<()>
where
    H: AsyncFn(Delivery) -> Verdict,
{
    let delivery = delivery(&amqp);
    let span = tracing::info_span!(
        "process",
        otel.name = format!("process {queue}"),
        otel.kind = "consumer",
        messaging.system = "rabbitmq",
        messaging.destination.name = queue,
        messaging.operation.type = "process",
        message.r#type = delivery.kind,
        attempt = delivery.earlier_attempts + 1,
    );
    telemetry::continue_trace(&span, &delivery.trace);
    let attempts = delivery.earlier_attempts;
    let started = Instant::now();
    // Boxed, so that a service's handler does not grow the type of everything above it.
    let verdict = Box::pin(handler(delivery)).instrument(span.clone()).await;
    let outcome = match &verdict {
        Verdict::Done => "done",
        Verdict::Retry(_) => "retry",
        Verdict::Reject(_) => "reject",
    };
    metrics::histogram!("throughline_message_seconds", "queue" => queue.to_owned(), "outcome" => outcome)
        .record(started.elapsed().as_secs_f64());
    match verdict {
        Verdict::Done => amqp.ack(BasicAckOptions::default()).await.map(|_| ()),
        Verdict::Retry(why) => {
            let wait = retry_wait(attempts);
            span.in_scope(
                || tracing::warn!(queue, attempt = attempts + 1, %why, ?wait, "will be tried again"),
            );
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = shutdown.asked() => {}
            }
            amqp.reject(BasicRejectOptions { requeue: true }).await.map(|_| ())
        }
        Verdict::Reject(why) => {
            span.in_scope(|| tracing::error!(queue, %why, "dead-lettered"));
            amqp.reject(BasicRejectOptions { requeue: false }).await.map(|_| ())
        }
    }
}

/// How long to hold a message before it is given back: 1, 4, 16 and 64 s, so that a store or a network that is away for a
/// minute uses up no message's attempts. The last attempt is given back at once: nothing follows it.
fn retry_wait(earlier_attempts: i64) -> Duration {
    if earlier_attempts + 1 >= topology::ATTEMPTS {
        return Duration::ZERO;
    }
    Duration::from_secs(1 << (2 * earlier_attempts.clamp(0, 3)))
}

fn delivery(amqp: &AmqpDelivery) -> Delivery {
    let headers = amqp.properties.headers().clone().unwrap_or_default();
    let count = headers.inner().get("x-delivery-count").and_then(integer).unwrap_or(0);
    let text = |key: &str| headers.inner().get(key).and_then(string);
    let death = text("x-first-death-queue").zip(text("x-first-death-reason"));
    Delivery {
        kind: amqp.properties.kind().as_ref().map(ToString::to_string).unwrap_or_default(),
        body: amqp.data.to_vec(),
        earlier_attempts: count,
        trace: telemetry::trace_of(&headers),
        death: death.map(|(queue, reason)| Death { queue, reason }),
    }
}

fn integer(value: &AMQPValue) -> Option<i64> {
    match value {
        AMQPValue::ShortShortInt(v) => Some(i64::from(*v)),
        AMQPValue::ShortShortUInt(v) => Some(i64::from(*v)),
        AMQPValue::ShortInt(v) => Some(i64::from(*v)),
        AMQPValue::ShortUInt(v) => Some(i64::from(*v)),
        AMQPValue::LongInt(v) => Some(i64::from(*v)),
        AMQPValue::LongUInt(v) => Some(i64::from(*v)),
        AMQPValue::LongLongInt(v) => Some(*v),
        _ => None,
    }
}

/// The text of a header value.
pub(crate) fn string(value: &AMQPValue) -> Option<String> {
    match value {
        AMQPValue::LongString(text) => Some(String::from_utf8_lossy(text.as_bytes()).into_owned()),
        AMQPValue::ShortString(text) => Some(text.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_with_the_attempts_and_outlast_a_minute() {
        let waits: Vec<u64> = (0..5).map(|n| retry_wait(n).as_secs()).collect();
        assert_eq!(waits, [1, 4, 16, 64, 0]);
    }

    #[test]
    fn counts_are_read_whatever_width_the_broker_sends() {
        assert_eq!(integer(&AMQPValue::LongInt(4)), Some(4));
        assert_eq!(integer(&AMQPValue::ShortShortUInt(4)), Some(4));
        assert_eq!(integer(&AMQPValue::Boolean(true)), None);
    }
}
