//! Queues: what waits on the broker, counted by the broker itself.

use crate::eventually::eventually;
use lapin::options::QueueDeclareOptions;
use lapin::types::FieldTable;
use lapin::{Channel, Connection, ConnectionProperties};
use serde_json::Value;

/// The queues of a virtual host.
pub struct Queues {
    channel: Channel,
    connection: Connection,
    names: Vec<String>,
}

impl Queues {
    /// The queues that there are at `amqp_url`, on the broker with this management.
    pub async fn of(management_url: &str, amqp_url: &str) -> Self {
        let vhost = url::Url::parse(amqp_url).expect("an address").path().trim_start_matches('/').to_owned();
        let list = format!("{management_url}/api/queues/{vhost}");
        let listed: Value =
            reqwest::get(list).await.expect("the management answers").json().await.expect("JSON");
        let listed = listed.as_array().unwrap_or_else(|| panic!("no list of queues: {listed}"));
        // Those of heartbeats and announcements hold no work, and go with their consumers.
        let of_work = listed.iter().filter(|queue| queue["auto_delete"] == false);
        let names = of_work.map(|queue| queue["name"].as_str().expect("a name").to_owned()).collect();
        let connection =
            Connection::connect(amqp_url, ConnectionProperties::default()).await.expect("connects");
        let channel = connection.create_channel().await.expect("a channel");
        Self { channel, connection, names }
    }

    /// Waits until no message waits to be delivered.
    pub async fn drained(&self) {
        eventually("no message waits on a queue", async || self.waiting().await.is_empty().then_some(()))
            .await;
    }

    /// Panics if there is a message left once all consumers are gone: a message that was in hand and not acknowledged goes
    /// back to its queue with its consumer.
    pub async fn must_be_empty(self) {
        eventually("the consumers are gone", async || {
            let mut consumers = 0;
            for name in &self.names {
                consumers += self.count(name).await.1;
            }
            (consumers == 0).then_some(())
        })
        .await;
        let left = self.waiting().await;
        assert!(left.is_empty(), "messages were left on the queues: {left:?}");
        self.connection.close(200, "done".into()).await.expect("closes");
    }

    /// Messages that wait to be delivered, by queue. Once all consumers are gone, those that nobody holds any more are included.
    pub async fn left(&self) -> Vec<(String, u32)> {
        self.waiting().await.into_iter().map(|(name, messages)| (name.to_owned(), messages)).collect()
    }

    async fn waiting(&self) -> Vec<(&str, u32)> {
        let mut waiting = Vec::new();
        for name in &self.names {
            let (messages, _) = self.count(name).await;
            if messages > 0 {
                waiting.push((name.as_str(), messages));
            }
        }
        waiting
    }

    /// Messages and consumers.
    async fn count(&self, name: &str) -> (u32, u32) {
        let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        let queue =
            self.channel.queue_declare(name.into(), passive, FieldTable::default()).await.expect("is there");
        (queue.message_count(), queue.consumer_count())
    }
}
