//! Consumer: one loop that takes messages from a queue and has each handled ([`crate::handling`]).

use crate::broker::{Backoff, Broker};
use crate::delivery::Delivery;
pub use crate::handling::Subscription;
use crate::handling::{Handling, Lost};
use crate::publisher::{Line, Publisher};
use crate::shutdown::Shutdown;
use crate::telemetry;
use crate::verdict::Verdict;
use futures::StreamExt;
use lapin::Channel;
use lapin::options::{BasicCancelOptions, BasicConsumeOptions, BasicQosOptions};
use lapin::types::FieldTable;
use std::time::Duration;
use tracing::Instrument;

/// Longest wait for the broker's answer to the end of a subscription.
const GOODBYE_WITHIN: Duration = Duration::from_secs(3);
/// Messages held at once: every lost connection counts against all that were sent ahead, tried or not, and a crash must give
/// back only what was in hand.
const PREFETCH: u16 = 1;

/// Side that ended a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// We ended it: for shutdown, or because nothing may be taken for the time being.
    Ours,
    /// The broker did.
    Theirs,
}

/// Consumes until shutdown, except while the queue is paused, or while what comes of its messages could not be sent on. The handler is
/// called for one message at a time. Lost connections are made again; a message in hand meanwhile is delivered again by the broker.
pub async fn run<H>(broker: &Broker, subscription: &Subscription, shutdown: &Shutdown, handler: H)
where
    H: AsyncFn(Delivery) -> Verdict,
{
    let mut backoff = Backoff::default();
    let publisher = Publisher::new(broker.clone());
    while !shutdown.is_asked() {
        tokio::select! {
            () = wanted(subscription, &publisher) => {}
            () = shutdown.asked() => return,
        }
        let loop_of_one = Loop(Handling { subscription, shutdown, publisher: &publisher, by: broker.who() });
        match Box::pin(loop_of_one.consume(broker, &handler, &mut backoff)).await {
            Ok(End::Ours) => {
                tracing::info!(queue = subscription.queue, "no longer consuming");
                continue;
            }
            Ok(End::Theirs) => {}
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

/// Returns once something may be taken.
async fn wanted(subscription: &Subscription, publisher: &Publisher) {
    subscription.pauses.until_open(&subscription.queue).await;
    if subscription.sends_on {
        publisher.until_open().await;
    }
}

/// One subscription, until its connection is lost.
struct Loop<'a>(Handling<'a, Line>);

impl Loop<'_> {
    async fn consume<H>(&self, broker: &Broker, handler: &H, backoff: &mut Backoff) -> Result<End, Lost>
    where
        H: AsyncFn(Delivery) -> Verdict,
    {
        let queue = self.0.subscription.queue.as_str();
        let channel = broker.channel().await?;
        broker.declare(&channel, queue).await?;
        channel.basic_qos(PREFETCH, BasicQosOptions::default()).await?;
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
        let mut ending = false;
        loop {
            let next = tokio::select! {
                next = messages.next() => next,
                () = self.unwanted(), if !ending => {
                    ending = true;
                    cancel(&channel, &tag).await;
                    // What had been sent ahead is still handled: returned unseen, it would count as an attempt.
                    continue;
                }
            };
            let Some(amqp) = next else {
                if !ending {
                    return Ok(End::Theirs);
                }
                let _ =
                    tokio::time::timeout(GOODBYE_WITHIN, channel.close(200, "no longer consuming".into()))
                        .await;
                return Ok(End::Ours);
            };
            let amqp = amqp?;
            let delivery = Delivery::of(&amqp.properties, &amqp.data);
            let span = self.span(&delivery);
            telemetry::continue_trace(&span, &delivery.trace);
            let mut handling = Box::pin(self.0.handle(&amqp, delivery, handler).instrument(span));
            tokio::select! {
                biased;
                handled = &mut handling => handled?,
                // Before this message is acknowledged, so that no other one follows it.
                () = self.unwanted(), if !ending => {
                    ending = true;
                    cancel(&channel, &tag).await;
                    handling.await?;
                }
            }
        }
    }

    /// Returns once nothing more may be taken.
    async fn unwanted(&self) {
        tokio::select! {
            () = self.0.shutdown.asked() => {}
            () = self.0.subscription.pauses.until_paused(&self.0.subscription.queue) => {}
            () = self.0.publisher.until_blocked(), if self.0.subscription.sends_on => {}
        }
    }

    fn span(&self, delivery: &Delivery) -> tracing::Span {
        let queue = self.0.subscription.queue.as_str();
        tracing::info_span!(
            "process",
            otel.name = format!("process {queue}"),
            otel.kind = "consumer",
            messaging.system = "rabbitmq",
            messaging.destination.name = queue,
            messaging.operation.name = "process",
            messaging.operation.type = "process",
            messaging.message.body.size = delivery.body.len(),
            message.r#type = delivery.kind,
            attempt = delivery.past.attempts() + 1,
        )
    }
}

/// Ends a subscription: the broker sends nothing more. One that does not answer finds out when the connection ends.
async fn cancel(channel: &Channel, tag: &str) {
    let cancelled = channel.basic_cancel(tag.into(), BasicCancelOptions::default());
    let _ = tokio::time::timeout(GOODBYE_WITHIN, cancelled).await;
}
