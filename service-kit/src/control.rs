//! Control: what ingest announces to services that cannot read it in the database. So far: which queues are paused.
//!
//! An announcement says all that is in force, so that one that is missed is made good by the next.

use crate::broker::{Backoff, Broker};
use crate::messages::{self, CONTENT_TYPE, Message};
use crate::pauses::Pauses;
use crate::shutdown::Shutdown;
use crate::topology;
use futures::StreamExt;
use lapin::options::{BasicConsumeOptions, BasicPublishOptions};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::sync::Notify;

/// Time between two announcements, however little has changed.
pub const ANNOUNCE_EVERY: Duration = Duration::from_secs(2);
/// Longest wait of a service that has just started for an announcement. Longer than [`ANNOUNCE_EVERY`]: after that no ingest is there,
/// and work must not stand still because of it.
const WAIT_FOR_FIRST: Duration = Duration::from_secs(5);

/// Announcement of all that is in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Announcement {
    /// Queues of which nothing may be taken.
    pub paused: BTreeSet<String>,
}

impl Message for Announcement {
    const TYPE: &'static str = "control.v1";
}

/// Announces over `channel`, on which the exchange is declared.
pub async fn announce(channel: &Channel, announcement: &Announcement) -> anyhow::Result<()> {
    let body = messages::encode(announcement)?;
    let properties = BasicProperties::default()
        .with_content_type(CONTENT_TYPE.into())
        .with_type(Announcement::TYPE.into());
    let exchange = topology::CONTROL.into();
    channel.basic_publish(exchange, "".into(), BasicPublishOptions::default(), &body, properties).await?;
    Ok(())
}

/// Keeps `pauses` as announced until shutdown. What was announced last stays in force while nothing is heard; where nothing ever was,
/// nothing is paused.
pub async fn listen(broker: &Broker, pauses: &Pauses, shutdown: &Shutdown) {
    let subscribed = Notify::new();
    let listening = async {
        let mut backoff = Backoff::default();
        loop {
            if let Err(error) = take(broker, pauses, &subscribed, &mut backoff).await {
                tracing::debug!(%error, "announcements are not heard; connecting again");
            }
            if !backoff.wait(shutdown).await {
                return;
            }
        }
    };
    let impatience = async {
        subscribed.notified().await;
        tokio::time::sleep(WAIT_FOR_FIRST).await;
        if !pauses.is_known() {
            tracing::warn!("no ingest says which queues are paused: none, then");
            pauses.set(BTreeSet::new());
        }
    };
    tokio::select! {
        _ = async { tokio::join!(Box::pin(listening), impatience) } => {}
        () = shutdown.asked() => {}
    }
}

async fn take(
    broker: &Broker,
    pauses: &Pauses,
    subscribed: &Notify,
    backoff: &mut Backoff,
) -> anyhow::Result<()> {
    let channel = broker.channel().await?;
    let queue = topology::declare_listener(&channel).await?;
    let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
    let mut announcements =
        channel.basic_consume(queue.as_str().into(), "".into(), options, FieldTable::default()).await?;
    *backoff = Backoff::default();
    subscribed.notify_one();
    while let Some(delivery) = announcements.next().await {
        let delivery = delivery?;
        let kind = delivery.properties.kind().as_ref().map(ToString::to_string).unwrap_or_default();
        match messages::decode::<Announcement>(&kind, &delivery.data) {
            Ok(announcement) => pauses.set(announcement.paused),
            // Of another release: what we know stays in force.
            Err(error) => tracing::warn!(%error, "an announcement cannot be read"),
        }
    }
    Ok(())
}
