//! Backlog: whether a queue still holds messages, so that what waits its turn is not taken for lost.

use lapin::options::QueueDeclareOptions;
use lapin::types::FieldTable;
use service_kit::broker::Broker;
use service_kit::topology;

/// True when no message waits on `queue`.
pub async fn is_drained(broker: &Broker, queue: &str) -> lapin::Result<bool> {
    let channel = broker.channel().await?;
    // It may be gone with the broker's data; then it is made anew, and empty.
    topology::declare(&channel, queue).await?;
    let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
    let waiting = channel.queue_declare(queue.into(), passive, FieldTable::default()).await?.message_count();
    channel.close(200, "counted".into()).await?;
    Ok(waiting == 0)
}
