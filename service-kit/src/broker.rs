//! Broker: one connection per service, made again when it breaks.

use crate::shutdown::Shutdown;
use lapin::{Channel, Connection, ConnectionProperties};
use rand::Rng;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;

const FIRST_WAIT: Duration = Duration::from_millis(250);
const LONGEST_WAIT: Duration = Duration::from_secs(10);
const CONNECT_WITHIN: Duration = Duration::from_secs(10);
const CLOSE_WITHIN: Duration = Duration::from_secs(3);

/// Where RabbitMQ is, and the connection to it while there is one.
#[derive(Clone)]
pub struct Broker {
    url: Arc<str>,
    name: Arc<str>,
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
        Self { url: url.into(), name: name.into(), connection: Arc::default() }
    }

    /// A new channel, over a new connection if the old one is gone.
    pub async fn channel(&self) -> lapin::Result<Channel> {
        let mut connection = self.connection.lock().await;
        if let Some(live) = connection.as_ref().filter(|c| c.status().connected()) {
            return live.create_channel().await;
        }
        let properties = ConnectionProperties::default().with_connection_name(self.name.to_string().into());
        let connecting = Connection::connect(&self.url, properties);
        let new = tokio::time::timeout(CONNECT_WITHIN, connecting).await.map_err(|_| {
            lapin::Error::from(std::io::Error::new(
                std::io::ErrorKind::TimedOut,
                "the broker does not answer",
            ))
        })??;
        metrics::counter!("throughline_broker_connections_total").increment(1);
        let channel = new.create_channel().await?;
        *connection = Some(new);
        Ok(channel)
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
