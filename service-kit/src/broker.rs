//! Broker: one connection per service, made again when it breaks.

use crate::shutdown::Shutdown;
use lapin::uri::AMQPUri;
use lapin::{Channel, Connection, ConnectionProperties};
use rand::Rng;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;

const FIRST_WAIT: Duration = Duration::from_millis(250);
const LONGEST_WAIT: Duration = Duration::from_secs(10);
const CONNECT_WITHIN: Duration = Duration::from_secs(10);
const CLOSE_WITHIN: Duration = Duration::from_secs(3);
/// Seconds between heartbeats, where the address does not say. After twice as long in silence each end takes the other for gone:
/// so long does a message lie in the hands of a machine that lost its power or its network. (A process that dies is noticed at
/// once.) The broker's own 60 s would make it two minutes.
const HEARTBEAT_SECONDS: u16 = 10;

/// Where RabbitMQ is, and the connection to it while there is one.
#[derive(Clone)]
pub struct Broker {
    url: Arc<str>,
    name: Arc<str>,
    who: Arc<str>,
    connection: Arc<Mutex<Option<Connection>>>,
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
    /// A broker at the AMQP `url`; `name` is the connection's name on its board.
    pub fn new(url: &str, name: &str) -> Self {
        let host = rustix::system::uname();
        let who = format!("{name}@{}/{}", host.nodename().to_string_lossy(), std::process::id());
        Self { url: url.into(), name: name.into(), who: who.into(), connection: Arc::default() }
    }

    /// Who we are: service, host and process, for the history of a message.
    pub fn who(&self) -> &str {
        &self.who
    }

    /// A new channel, over a new connection if the old one is gone.
    pub async fn channel(&self) -> lapin::Result<Channel> {
        let mut connection = self.connection.lock().await;
        // The lock is everybody's: a broker that says nothing must not hold it up.
        let opening = async {
            if let Some(live) = connection.as_ref().filter(|c| c.status().connected()) {
                return live.create_channel().await;
            }
            let properties =
                ConnectionProperties::default().with_connection_name(self.name.to_string().into());
            let new = Connection::connect_uri(address(&self.url)?, properties).await?;
            metrics::counter!("throughline_broker_connections_total").increment(1);
            let channel = new.create_channel().await?;
            *connection = Some(new);
            Ok(channel)
        };
        let opened = tokio::time::timeout(CONNECT_WITHIN, opening).await;
        opened.unwrap_or_else(|_| Err(io_error(std::io::ErrorKind::TimedOut, "the broker does not answer")))
    }

    /// True while there is a live connection.
    pub async fn is_connected(&self) -> bool {
        self.connection.lock().await.as_ref().is_some_and(|c| c.status().connected())
    }

    /// Closes the connection; what is unacknowledged goes back to its queue.
    pub async fn close(&self) {
        if let Some(connection) = self.connection.lock().await.take() {
            // The peer may be gone already, and then there is nothing to close; and the closing handshake was seen never to
            // end, once in some seven shutdowns. The broker takes a connection that just ends for closed all the same.
            let _ = tokio::time::timeout(CLOSE_WITHIN, connection.close(200, "shutting down".into())).await;
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
}
