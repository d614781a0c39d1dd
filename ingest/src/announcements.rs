//! Announcements: tells workers, who have no way to the database, which queues are paused. Every ingest process does; all say the same.

use crate::context::Context;
use lapin::Channel;
use service_kit::control::{self, ANNOUNCE_EVERY, Announcement};
use service_kit::{paused_queues, topology};
use std::sync::Arc;

/// Announces every few seconds, and whenever it is asked to, until shutdown.
pub(crate) async fn run(context: Arc<Context>) -> anyhow::Result<()> {
    let mut channel = None;
    while !context.shutdown.is_asked() {
        if let Err(error) = announce(&context, &mut channel).await {
            tracing::debug!(%error, "nothing was announced");
            channel = None;
        }
        tokio::select! {
            () = tokio::time::sleep(ANNOUNCE_EVERY) => {}
            () = context.announce.notified() => {}
            () = context.shutdown.asked() => {}
        }
    }
    Ok(())
}

async fn announce(context: &Context, open: &mut Option<Channel>) -> anyhow::Result<()> {
    // Read anew each time, so that no process announces what another has changed since.
    let paused = paused_queues::read(&context.reads).await?;
    context.pauses.set(paused.clone());
    // It would be old when the broker takes it; what was announced last stays in force.
    if context.broker.blocked().is_some() {
        return Ok(());
    }
    let channel = match open {
        Some(channel) if channel.status().connected() => channel,
        _ => {
            let channel = context.broker.publishing_channel().await?;
            topology::declare_control(&channel).await?;
            open.insert(channel)
        }
    };
    control::announce(channel, &Announcement { paused }).await
}
