//! Publisher: a message counts as sent once the broker has confirmed that it is on a queue.

use crate::attempts::History;
use crate::broker::Broker;
use crate::budget::CONFIRM_WITHIN;
use crate::messages::{self, CONTENT_TYPE, Message};
use crate::points::{self, Place};
use crate::{policy, telemetry, topology};
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::types::{AMQPValue, FieldTable, LongString};
use lapin::{BasicProperties, Channel, Confirmation};
use rand::Rng;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use tracing::{Instrument, Span};

/// Header that carries [`History`].
pub const ATTEMPTS_HEADER: &str = "x-throughline-attempts";
/// Header of a dead letter: the queue it was on.
pub(crate) const QUEUE_HEADER: &str = "x-throughline-queue";
/// Header of a dead letter: why it died.
pub(crate) const REASON_HEADER: &str = "x-throughline-reason";

/// Pauses after which a message that the broker refused is sent again. It refuses for a moment what is for a queue that another
/// sender is just declaring, and whatever is for a queue that was deleted behind our back.
const REFUSED_PAUSES: [Duration; 4] = [
    Duration::from_millis(50),
    Duration::from_millis(150),
    Duration::from_millis(500),
    Duration::from_millis(1500),
];

/// Whoever can put a message on a queue and knows when it is there.
pub trait Post {
    /// Puts a message on `queue`, or on the queue of `wait` (an index into [`policy::WAITS`]), from which it goes there; returns once
    /// it is known to be safe.
    fn post(
        &self,
        queue: &str,
        wait: Option<usize>,
        properties: BasicProperties,
        body: &[u8],
    ) -> impl Future<Output = Result<(), PublishError>>;

    /// Reason that nothing can be posted now, however long one tries; `None` where none is known.
    fn blocked(&self) -> Option<String> {
        None
    }

    /// Returns once something can be posted (again).
    fn until_open(&self) -> impl Future<Output = ()> {
        std::future::ready(())
    }

    /// Returns once nothing can be posted.
    fn until_blocked(&self) -> impl Future<Output = ()> {
        std::future::pending()
    }
}

/// Publishes with confirms.
#[derive(Clone)]
pub struct Publisher<P = Line> {
    post: P,
}

/// A line to the broker: one channel, made again after an error.
#[derive(Clone)]
pub struct Line {
    broker: Broker,
    open: Arc<Mutex<Option<Open>>>,
}

/// A channel in confirm mode, and what was declared over it.
struct Open {
    channel: Channel,
    declared: HashSet<String>,
}

/// A message as it travels.
#[derive(Clone, Copy, Debug)]
pub struct Envelope<'a> {
    /// AMQP type property.
    pub kind: &'a str,
    /// Body.
    pub body: &'a [u8],
    /// Trace context.
    pub trace: &'a BTreeMap<String, String>,
    /// Attempts so far.
    pub history: &'a History,
}

/// The message is not known to be on its queue.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The broker cannot be reached or refused.
    #[error("the broker cannot be reached: {0}")]
    Broker(#[from] lapin::Error),
    /// The broker takes nothing for the time being.
    #[error("{0}")]
    Blocked(String),
    /// The broker did not take responsibility.
    #[error("the broker did not confirm the message for {0}")]
    NotConfirmed(String),
    /// The message cannot be written.
    #[error("the message cannot be encoded: {0}")]
    Encode(#[from] rmp_serde::encode::Error),
}

impl Publisher {
    /// A publisher over `broker`.
    pub fn new(broker: Broker) -> Self {
        Self::over(Line { broker, open: Arc::default() })
    }
}

impl<P: Post> Publisher<P> {
    /// A publisher over any post.
    pub fn over(post: P) -> Self {
        Self { post }
    }

    /// Sends `message` to `queue` with the current span's trace context; returns when the broker has confirmed it.
    pub async fn publish<M: Message>(&self, queue: &str, message: &M) -> Result<(), PublishError> {
        self.publish_raw(queue, M::TYPE, &messages::encode(message)?, &telemetry::current_context()).await
    }

    /// Sends an encoded message of type `kind` with the given trace context.
    pub async fn publish_raw(
        &self,
        queue: &str,
        kind: &str,
        body: &[u8],
        trace: &BTreeMap<String, String>,
    ) -> Result<(), PublishError> {
        let envelope = Envelope { kind, body, trace, history: &History::default() };
        self.send(queue, None, envelope, &[]).await
    }

    /// Sends a message to `queue` that is delivered after `wait` (an index into [`policy::WAITS`]), or at once.
    pub async fn send_again(
        &self,
        queue: &str,
        wait: Option<usize>,
        envelope: Envelope<'_>,
    ) -> Result<(), PublishError> {
        self.send(queue, wait, envelope, &[]).await
    }

    /// Sends a message that was on `queue` to the dead letters.
    pub async fn bury(&self, queue: &str, reason: &str, envelope: Envelope<'_>) -> Result<(), PublishError> {
        self.send(topology::DEAD, None, envelope, &[(QUEUE_HEADER, queue), (REASON_HEADER, reason)]).await
    }

    /// Reason that nothing can be sent now; `None` where none is known.
    pub fn blocked(&self) -> Option<String> {
        self.post.blocked()
    }

    /// Returns once something can be sent (again).
    pub async fn until_open(&self) {
        self.post.until_open().await;
    }

    /// Returns once nothing can be sent.
    pub async fn until_blocked(&self) {
        self.post.until_blocked().await;
    }

    async fn send(
        &self,
        queue: &str,
        wait: Option<usize>,
        envelope: Envelope<'_>,
        more: &[(&str, &str)],
    ) -> Result<(), PublishError> {
        let span = span(queue, &envelope);
        telemetry::continue_trace(&span, envelope.trace);
        let sending = async {
            let own = telemetry::current_context();
            // Without a collector there is no span of ours to go on from; what the message brought goes on with it.
            let trace = if own.is_empty() { envelope.trace } else { &own };
            let properties = BasicProperties::default()
                .with_delivery_mode(2)
                .with_content_type(CONTENT_TYPE.into())
                .with_type(envelope.kind.into())
                .with_headers(headers(Envelope { trace, ..envelope }, more));
            points::reach(Place::BeforeSend, queue).await;
            self.post.post(queue, wait, properties, envelope.body).await?;
            points::reach(Place::AfterConfirm, queue).await;
            Ok(())
        };
        sending.instrument(span).await
    }
}

impl Post for Line {
    async fn post(
        &self,
        queue: &str,
        wait: Option<usize>,
        properties: BasicProperties,
        body: &[u8],
    ) -> Result<(), PublishError> {
        let mut open = self.open.lock().await;
        // Nothing is begun that can only wait: it would be sent when the alarm is over, whoever still wants that.
        if let Some(why) = self.blocked() {
            return Err(PublishError::Blocked(why));
        }
        let sending = async {
            for pause in REFUSED_PAUSES {
                match self.try_post(&mut open, queue, wait, properties.clone(), body).await {
                    Err(PublishError::NotConfirmed(_)) => {
                        // The channel goes too: for it, the broker holds on to its refusal; and over a new one all is declared anew.
                        *open = None;
                        tokio::time::sleep(pause).await;
                    }
                    sent => return sent,
                }
            }
            self.try_post(&mut open, queue, wait, properties, body).await
        };
        let sent =
            tokio::time::timeout(CONFIRM_WITHIN, sending).await.unwrap_or_else(|_| match self.blocked() {
                Some(why) => Err(PublishError::Blocked(why)),
                None => Err(PublishError::NotConfirmed(queue.to_owned())),
            });
        if sent.is_err() {
            *open = None;
        }
        sent
    }

    fn blocked(&self) -> Option<String> {
        self.broker.blocked().map(|blocked| blocked.to_string())
    }

    async fn until_open(&self) {
        self.broker.until_open().await;
    }

    async fn until_blocked(&self) {
        self.broker.until_blocked().await;
    }
}

impl Line {
    async fn try_post(
        &self,
        open: &mut Option<Open>,
        queue: &str,
        wait: Option<usize>,
        mut properties: BasicProperties,
        body: &[u8],
    ) -> Result<(), PublishError> {
        if open.as_ref().is_none_or(|o| !o.channel.status().connected()) {
            let channel = self.broker.publishing_channel().await?;
            channel.confirm_select(ConfirmSelectOptions::default()).await?;
            *open = Some(Open { channel, declared: HashSet::new() });
        }
        let Some(Open { channel, declared }) = open else {
            return Err(PublishError::NotConfirmed(queue.to_owned()));
        };
        if !declared.contains(queue) {
            self.broker.declare(channel, queue).await?;
            declared.insert(queue.to_owned());
        }
        let mut exchange = String::new();
        if let Some(wait) = wait {
            exchange = topology::wait_queue(wait);
            if !declared.contains(&exchange) {
                topology::declare_wait(channel, wait).await?;
                declared.insert(exchange.clone());
            }
            let jittered = policy::jittered(wait, rand::rng().random());
            properties = properties.with_expiration(jittered.as_millis().to_string().into());
        }
        // Mandatory: a queue deleted behind our back returns the message instead of losing it.
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        let confirm = channel
            .basic_publish(exchange.as_str().into(), queue.into(), options, body, properties)
            .await?
            .await?;
        match confirm {
            Confirmation::Ack(None) => Ok(()),
            Confirmation::Ack(Some(_)) | Confirmation::Nack(_) | Confirmation::NotRequested => {
                Err(PublishError::NotConfirmed(queue.to_owned()))
            }
        }
    }
}

/// The producer's span (OpenTelemetry's conventions for messaging).
fn span(queue: &str, envelope: &Envelope<'_>) -> Span {
    tracing::info_span!(
        "publish",
        otel.name = format!("publish {queue}"),
        otel.kind = "producer",
        messaging.system = "rabbitmq",
        messaging.destination.name = queue,
        messaging.operation.name = "publish",
        messaging.operation.type = "send",
        messaging.rabbitmq.destination.routing_key = queue,
        messaging.message.body.size = envelope.body.len(),
        message.r#type = envelope.kind,
    )
}

fn headers(envelope: Envelope<'_>, more: &[(&str, &str)]) -> FieldTable {
    let mut table = telemetry::headers(envelope.trace);
    let history = envelope.history.to_header();
    let attempts = history.as_deref().map(|history| (ATTEMPTS_HEADER, history));
    for (key, value) in attempts.iter().chain(more) {
        table.insert((*key).into(), AMQPValue::LongString(LongString::from(*value)));
    }
    table
}
