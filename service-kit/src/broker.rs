//! Broker: a service's connections to RabbitMQ: one to publish, one to consume and declare, and one to ask questions, where there are any.
//!
//! A broker that is short of memory or of disk space blocks who publishes. What consumes goes on then, so that the backlog that may be
//! the cause of it can go away. And whoever asks after a queue at the moment in which it is declared has the whole connection closed
//! (RabbitMQ 3.10 answers INTERNAL_ERROR, "noproc"): no message in hand may hang on that connection.

pub use crate::link::Blocked;
use crate::link::Link;
use crate::shutdown::Shutdown;
use crate::topology;
use lapin::options::QueueDeclareOptions;
use lapin::types::FieldTable;
use lapin::{Channel, ErrorKind};
use rand::Rng;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;

const FIRST_WAIT: Duration = Duration::from_millis(250);
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// Address of RabbitMQ, and the connections to it while there are any.
#[derive(Clone)]
pub struct Broker {
    who: Arc<str>,
    consuming: Link,
    publishing: Link,
    asking: Link,
    declaring: Arc<Mutex<()>>,
}

/// What is on a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Depth {
    /// Messages that wait.
    pub messages: u32,
    /// Consumers.
    pub consumers: u32,
}

/// Longest wait for other declarations.
const ALONE_WITHIN: Duration = Duration::from_secs(2);
/// AMQP's reply code for a queue that is not there.
const NOT_FOUND: u16 = 404;

/// Waits that grow from one failure to the next, with jitter, so that many services do not knock at once.
pub struct Backoff(Duration);

impl Default for Backoff {
    fn default() -> Self {
        Self(FIRST_WAIT)
    }
}

impl Backoff {
    /// Waits, longer each time; false when shutdown was asked for meanwhile.
    pub async fn wait(&mut self, shutdown: &Shutdown) -> bool {
        let jittered = self.0.mul_f64(rand::rng().random_range(0.5..1.0));
        self.0 = (self.0 * 2).min(LONGEST_WAIT);
        tokio::select! {
            () = tokio::time::sleep(jittered) => true,
            () = shutdown.asked() => false,
        }
    }
}

impl Broker {
    /// A broker at the AMQP `url`; `name` is the connections' name on its board.
    pub fn new(url: &str, name: &str) -> Self {
        let host = rustix::system::uname();
        let who = format!("{name}@{}/{}", host.nodename().to_string_lossy(), std::process::id());
        Self {
            who: who.into(),
            consuming: Link::new(url, name, "consuming"),
            publishing: Link::new(url, name, "publishing"),
            asking: Link::new(url, name, "asking"),
            declaring: Arc::default(),
        }
    }

    /// Name of this process, for the history of a message: service, host and process number.
    pub fn who(&self) -> &str {
        &self.who
    }

    /// A new channel to consume or declare over. Nothing may be published over it: see [`Broker::publishing_channel`].
    pub async fn channel(&self) -> lapin::Result<Channel> {
        self.consuming.channel().await
    }

    /// A new channel to publish over; an error while the broker blocks publishing.
    pub async fn publishing_channel(&self) -> lapin::Result<Channel> {
        self.publishing.channel().await
    }

    /// Declares `queue` over `channel`. One at a time in a process: RabbitMQ also closes the connection of whoever consumes a queue that
    /// another one is just declaring for the first time.
    pub async fn declare(&self, channel: &Channel, queue: &str) -> lapin::Result<()> {
        // A declaration that gets no answer must not keep the others waiting.
        let _alone = tokio::time::timeout(ALONE_WITHIN, self.declaring.lock()).await;
        topology::declare(channel, queue).await
    }

    /// Returns what is on `queue`; `None` where there is no such queue.
    pub async fn depth(&self, queue: &str) -> lapin::Result<Option<Depth>> {
        let channel = self.asking.channel().await?;
        let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        match channel.queue_declare(queue.into(), passive, FieldTable::default()).await {
            Ok(found) => {
                channel.close(200, "asked".into()).await?;
                Ok(Some(Depth { messages: found.message_count(), consumers: found.consumer_count() }))
            }
            // The broker closes the channel with the answer.
            Err(error) => match error.kind() {
                ErrorKind::ProtocolError(why) if why.get_id() == NOT_FOUND => Ok(None),
                _ => Err(error),
            },
        }
    }

    /// Reason and start of the broker's block on all that is published; `None` without a block.
    pub fn blocked(&self) -> Option<Blocked> {
        self.publishing.blocked()
    }

    /// Returns once the broker does not block publishing (any more).
    pub async fn until_open(&self) {
        self.publishing.until_open().await;
    }

    /// Returns once the broker blocks publishing.
    pub async fn until_blocked(&self) {
        self.publishing.until_blocked().await;
    }

    /// True while the connections to publish and to consume live, whether or not the broker takes anything from them.
    pub async fn is_whole(&self) -> bool {
        self.consuming.is_connected().await && self.publishing.is_connected().await
    }

    /// Checks that the connections to publish and to consume live and are not blocked. The error is in words for the operator.
    pub async fn check(&self) -> Result<(), String> {
        self.consuming.check().await?;
        self.publishing.check().await
    }

    /// Closes the connections; what is unacknowledged goes back to its queue.
    pub async fn close(&self) {
        tokio::join!(self.consuming.close(), self.publishing.close(), self.asking.close());
    }
}
