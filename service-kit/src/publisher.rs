//! Publisher: a message counts as sent once the broker has confirmed that it is on a queue.

use crate::broker::Broker;
use crate::messages::{self, CONTENT_TYPE, Message};
use crate::{telemetry, topology};
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Confirmation};
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;

/// How long the broker has to confirm. One that takes nothing (memory or disk alarm, no quorum) does not say so.
const CONFIRM_WITHIN: Duration = Duration::from_secs(30);

/// Publishes with confirms over one channel, made again after an error.
#[derive(Clone)]
pub struct Publisher {
    broker: Broker,
    open: Arc<Mutex<Option<Open>>>,
}

/// A channel in confirm mode, and the queues declared over it.
struct Open {
    channel: Channel,
    declared: HashSet<String>,
}

/// The message is not known to be on its queue.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The broker cannot be reached or refused.
    #[error("the broker cannot be reached: {0}")]
    Broker(#[from] lapin::Error),
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
        Self { broker, open: Arc::default() }
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
        let mut open = self.open.lock().await;
        let sending = self.try_publish(&mut open, queue, kind, body, telemetry::headers(trace));
        let sent = tokio::time::timeout(CONFIRM_WITHIN, sending)
            .await
            .unwrap_or_else(|_| Err(PublishError::NotConfirmed(queue.to_owned())));
        if sent.is_err() {
            *open = None;
        }
        sent
    }

    async fn try_publish(
        &self,
        open: &mut Option<Open>,
        queue: &str,
        kind: &str,
        body: &[u8],
        headers: FieldTable,
    ) -> Result<(), PublishError> {
        if open.as_ref().is_none_or(|o| !o.channel.status().connected()) {
            let channel = self.broker.channel().await?;
            channel.confirm_select(ConfirmSelectOptions::default()).await?;
            *open = Some(Open { channel, declared: HashSet::new() });
        }
        let Some(Open { channel, declared }) = open else {
            return Err(PublishError::NotConfirmed(queue.to_owned()));
        };
        if !declared.contains(queue) {
            topology::declare(channel, queue).await?;
            declared.insert(queue.to_owned());
        }
        let properties = BasicProperties::default()
            .with_delivery_mode(2)
            .with_content_type(CONTENT_TYPE.into())
            .with_type(kind.into())
            .with_headers(headers);
        // Mandatory: a queue deleted behind our back returns the message instead of losing it.
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        let confirm =
            channel.basic_publish("".into(), queue.into(), options, body, properties).await?.await?;
        match confirm {
            Confirmation::Ack(None) => Ok(()),
            Confirmation::Ack(Some(_)) | Confirmation::Nack(_) | Confirmation::NotRequested => {
                Err(PublishError::NotConfirmed(queue.to_owned()))
            }
        }
    }
}
