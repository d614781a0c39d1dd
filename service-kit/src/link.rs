//! Link: one connection to RabbitMQ for one purpose, made again when it breaks, and whether the broker blocks it.
//!
//! A broker that is short of memory or of disk space takes nothing more from a connection that has published: no message, no
//! acknowledgement, no question. So what publishes and what consumes have a link each ([`crate::broker`]).

use chrono::{DateTime, SecondsFormat, Utc};
use futures::StreamExt;
use lapin::uri::AMQPUri;
use lapin::{Channel, Connection, ConnectionProperties, ConnectionStatus, Event};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, watch};

const CONNECT_WITHIN: Duration = Duration::from_secs(10);
const CLOSE_WITHIN: Duration = Duration::from_secs(3);
/// Longest time until it is noticed that a blocked connection is gone, which nobody announces.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Seconds between heartbeats, where the address does not say. After twice as long in silence each end takes the other for gone:
/// so long does a message lie in the hands of a machine that lost its power or its network. (A process that dies is noticed at
/// once.) The broker's own 60 s would make it two minutes.
const HEARTBEAT_SECONDS: u16 = 10;

/// That the broker takes nothing from a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blocked {
    /// Purpose of the link.
    pub purpose: &'static str,
    /// Reason, in the broker's words.
    pub why: String,
    /// Since when.
    pub since: DateTime<Utc>,
}

impl fmt::Display for Blocked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let since = self.since.to_rfc3339_opts(SecondsFormat::Secs, true);
        write!(f, "RabbitMQ has blocked the connection for {} since {since}: {}", self.purpose, self.why)
    }
}

/// A blocked link, as long as its connection lives.
#[derive(Clone)]
struct Alarm {
    blocked: Blocked,
    connection: ConnectionStatus,
}

/// One connection to RabbitMQ while there is one. Clones share it.
#[derive(Clone)]
pub(crate) struct Link {
    url: Arc<str>,
    name: Arc<str>,
    purpose: &'static str,
    connection: Arc<Mutex<Option<Connection>>>,
    alarm: Arc<watch::Sender<Option<Alarm>>>,
}

impl Link {
    /// A link to the broker at `url`, on whose board it is `name`.
    pub(crate) fn new(url: &str, name: &str, purpose: &'static str) -> Self {
        let alarm = Arc::new(watch::Sender::new(None));
        Self { url: url.into(), name: name.into(), purpose, connection: Arc::default(), alarm }
    }

    /// A new channel, over a new connection if the old one is gone; an error where the broker has blocked the link: it would not
    /// answer.
    pub(crate) async fn channel(&self) -> lapin::Result<Channel> {
        if let Some(blocked) = self.blocked() {
            return Err(io_error(std::io::ErrorKind::WouldBlock, &blocked.to_string()));
        }
        let mut connection = self.connection.lock().await;
        // The lock is everybody's: a broker that says nothing must not hold it up.
        let opening = async {
            if let Some(live) = connection.as_ref().filter(|c| c.status().connected()) {
                return live.create_channel().await;
            }
            let name = format!("{}: {}", self.name, self.purpose);
            let properties = ConnectionProperties::default().with_connection_name(name.into());
            let new = Connection::connect_uri(address(&self.url)?, properties).await?;
            metrics::counter!("throughline_broker_connections_total").increment(1);
            self.follow(&new);
            let channel = new.create_channel().await?;
            *connection = Some(new);
            Ok(channel)
        };
        let opened = tokio::time::timeout(CONNECT_WITHIN, opening).await;
        opened.unwrap_or_else(|_| Err(io_error(std::io::ErrorKind::TimedOut, "the broker does not answer")))
    }

    /// Notes what the broker says of `connection` as long as it lives.
    fn follow(&self, connection: &Connection) {
        let (mut events, connection) = (connection.events_listener(), connection.status().clone());
        let (alarm, purpose) = (Arc::clone(&self.alarm), self.purpose);
        let gauge = metrics::gauge!("throughline_broker_blocked", "connection" => purpose);
        alarm.send_replace(None);
        gauge.set(0.0);
        tokio::spawn(async move {
            // Of a connection that is gone nobody hears any more, whether the stream of its events ends or not.
            while let Some(event) = heard(&mut events, &connection).await {
                match event {
                    Event::ConnectionBlocked(why) => {
                        let blocked = Blocked { purpose, why, since: Utc::now() };
                        tracing::warn!("{blocked}");
                        alarm.send_replace(Some(Alarm { blocked, connection: connection.clone() }));
                        gauge.set(1.0);
                    }
                    Event::ConnectionUnblocked => {
                        tracing::info!(
                            "RabbitMQ takes what is published on the connection for {purpose} again"
                        );
                        alarm.send_replace(None);
                        gauge.set(0.0);
                    }
                    _ => {}
                }
            }
            // Unless that of a newer connection says otherwise by now.
            if alarm.borrow().as_ref().is_none_or(|alarm| !alarm.connection.connected()) {
                gauge.set(0.0);
            }
        });
    }

    /// Block of this link by the broker, with its reason and start; `None` while there is none.
    pub(crate) fn blocked(&self) -> Option<Blocked> {
        let alarm = self.alarm.borrow();
        alarm.as_ref().filter(|alarm| alarm.connection.connected()).map(|alarm| alarm.blocked.clone())
    }

    /// Returns once the broker has not blocked this link, or the connection is gone that it had blocked.
    pub(crate) async fn until_open(&self) {
        self.until(|blocked| blocked.is_none()).await;
    }

    /// Returns once the broker has blocked this link.
    pub(crate) async fn until_blocked(&self) {
        self.until(|blocked| blocked.is_some()).await;
    }

    async fn until(&self, is_so: impl Fn(Option<Blocked>) -> bool) {
        let mut changes = self.alarm.subscribe();
        while !is_so(self.blocked()) {
            // The sender is ours, so that it cannot be gone.
            let _ = tokio::time::timeout(LOOK_EVERY, changes.changed()).await;
        }
    }

    /// True while there is a live connection.
    pub(crate) async fn is_connected(&self) -> bool {
        self.connection.lock().await.as_ref().is_some_and(|c| c.status().connected())
    }

    /// Checks that the link can be used. The error says that it is not connected, or blocked.
    pub(crate) async fn check(&self) -> Result<(), String> {
        if !self.is_connected().await {
            return Err(format!("RabbitMQ is not connected (the connection for {})", self.purpose));
        }
        self.blocked().map_or(Ok(()), |blocked| Err(blocked.to_string()))
    }

    /// Closes the connection; what is unacknowledged goes back to its queue.
    pub(crate) async fn close(&self) {
        if let Some(connection) = self.connection.lock().await.take() {
            // The peer may be gone already, and then there is nothing to close; and the closing handshake was seen never to
            // end, once in some seven shutdowns. The broker takes a connection that just ends for closed all the same.
            let _ = tokio::time::timeout(CLOSE_WITHIN, connection.close(200, "shutting down".into())).await;
        }
    }
}

/// The next event of a connection; `None` once it is gone.
async fn heard(
    events: &mut (impl futures::Stream<Item = Event> + Unpin),
    connection: &ConnectionStatus,
) -> Option<Event> {
    loop {
        match tokio::time::timeout(LOOK_EVERY, events.next()).await {
            Ok(event) => return event,
            Err(_) if connection.connected() => {}
            Err(_) => return None,
        }
    }
}

/// The address of a broker, with heartbeats.
fn address(url: &str) -> lapin::Result<AMQPUri> {
    let mut address: AMQPUri =
        url.parse().map_err(|why: String| io_error(std::io::ErrorKind::InvalidInput, &why))?;
    address.query.heartbeat.get_or_insert(HEARTBEAT_SECONDS);
    Ok(address)
}

fn io_error(kind: std::io::ErrorKind, why: &str) -> lapin::Error {
    std::io::Error::new(kind, why).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heartbeats_are_ours_unless_the_address_says_otherwise() {
        let heartbeat = |url| address(url).expect("an address").query.heartbeat;
        assert_eq!(heartbeat("amqp://guest:guest@127.0.0.1:5672/%2f"), Some(HEARTBEAT_SECONDS));
        assert_eq!(heartbeat("amqp://127.0.0.1:5672/%2f?heartbeat=60"), Some(60));
        assert!(address("http://127.0.0.1").is_err());
    }

    #[test]
    fn a_blocked_link_says_which_it_is_why_and_since_when() {
        let blocked =
            Blocked { purpose: "publishing", why: "low on disk".into(), since: DateTime::UNIX_EPOCH };
        assert_eq!(
            blocked.to_string(),
            "RabbitMQ has blocked the connection for publishing since 1970-01-01T00:00:00Z: low on disk"
        );
    }
}
