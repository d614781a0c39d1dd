//! Backlog: whether a queue still holds messages, so that what waits its turn is not taken for lost.

use service_kit::broker::Broker;

/// Whoever knows what waits on the queues.
pub trait Backlog {
    /// True when no message waits on `queue`; `None` when nobody can tell.
    fn is_drained(&self, queue: &str) -> impl Future<Output = Option<bool>>;
}

impl Backlog for Broker {
    async fn is_drained(&self, queue: &str) -> Option<bool> {
        // What workers hold while they cannot publish is on no queue, and not lost.
        if self.blocked().is_some() {
            return None;
        }
        count(self, queue).await.ok().map(|waiting| waiting == 0)
    }
}

async fn count(broker: &Broker, queue: &str) -> lapin::Result<u32> {
    let channel = broker.channel().await?;
    // It may be gone with the broker's data; then it is made anew, and empty.
    broker.declare(&channel, queue).await?;
    channel.close(200, "declared".into()).await?;
    Ok(broker.depth(queue).await?.map_or(0, |depth| depth.messages))
}
