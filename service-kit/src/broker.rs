//! Broker: a service's two connections to RabbitMQ, one to publish and one for all else.
//!
//! A broker that is short of memory or of disk space blocks who publishes. What consumes goes on then, so that the backlog that may be
//! the cause of it can go away.

pub use crate::link::Blocked;
use crate::link::Link;
use crate::shutdown::Shutdown;
use lapin::Channel;
use rand::Rng;
use std::sync::Arc;
use std::time::Duration;

const FIRST_WAIT: Duration = Duration::from_millis(250);
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// Address of RabbitMQ, and the connections to it while there are any.
#[derive(Clone)]
pub struct Broker {
    who: Arc<str>,
    consuming: Link,
    publishing: Link,
}

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
        }
    }

    /// Name of this process, for the history of a message: service, host and process number.
    pub fn who(&self) -> &str {
        &self.who
    }

    /// A new channel to consume, declare or ask over. Nothing may be published over it: see [`Broker::publishing_channel`].
    pub async fn channel(&self) -> lapin::Result<Channel> {
        self.consuming.channel().await
    }

    /// A new channel to publish over; an error while the broker blocks publishing.
    pub async fn publishing_channel(&self) -> lapin::Result<Channel> {
        self.publishing.channel().await
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

    /// True while there is a live connection to ask and consume over.
    pub async fn is_connected(&self) -> bool {
        self.consuming.is_connected().await
    }

    /// True while both connections live, whether or not the broker takes anything from them.
    pub async fn is_whole(&self) -> bool {
        self.consuming.is_connected().await && self.publishing.is_connected().await
    }

    /// Checks that both connections live and are not blocked. The error is in words for the operator.
    pub async fn check(&self) -> Result<(), String> {
        self.consuming.check().await?;
        self.publishing.check().await
    }

    /// Closes the connections; what is unacknowledged goes back to its queue.
    pub async fn close(&self) {
        tokio::join!(self.consuming.close(), self.publishing.close());
    }
}
