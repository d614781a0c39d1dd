//! Heartbeat: a service tells operators that it is there, and what it is busy with.
//!
//! Workers have no way to the database, so heartbeats go over the broker: through an exchange that drops them while no ingest is
//! there to take them, to a queue that holds few and none for long. Nobody waits for a confirm, and a heartbeat that is lost is not missed.

use crate::broker::Broker;
use crate::messages::{self, CONTENT_TYPE, Message};
use crate::topology;
use chrono::{DateTime, Utc};
use lapin::options::BasicPublishOptions;
use lapin::{BasicProperties, Channel};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::sync::Notify;
use uuid::Uuid;

/// Time between two heartbeats.
pub const BEAT_EVERY: Duration = Duration::from_secs(5);
/// Time that lies between two, however much has changed.
const LEAST_BETWEEN: Duration = Duration::from_secs(1);
/// Longest time for a last heartbeat: a service that stops must not wait for a broker that is away.
const LEAVE_WITHIN: Duration = Duration::from_secs(1);

/// One sign of life.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Heartbeat {
    /// Identifier of the process, the same from its start to its end.
    pub id: Uuid,
    /// ingest, worker or matcher.
    pub service: String,
    /// Name of its machine.
    pub host: String,
    /// Number of the process on it; nothing from earlier releases.
    #[serde(default)]
    pub process: Option<u32>,
    /// Release of the program.
    pub version: String,
    /// Start of the process.
    pub started_at: DateTime<Utc>,
    /// True for the last heartbeat of the process.
    pub leaving: bool,
    /// Identity and activity of a worker; nothing for the others.
    pub work: Option<Work>,
}

/// Identity and activity of a worker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Work {
    /// Models loaded.
    pub model_version: String,
    /// Configuration of the analysis.
    pub configuration: String,
    /// Device on which it infers: cpu, cuda.
    pub device: String,
    /// Chunks that it does at a time.
    pub threads: u32,
    /// Chunks in hand, the one that was begun first in front.
    pub busy: Vec<Busy>,
    /// Seconds of audio analysed since the start.
    pub audio_seconds: f64,
    /// Seconds of audio analysed per second over the last minutes.
    pub audio_seconds_per_second: f64,
    /// Seconds of audio that one thread analyses per second while it is at work, over its last chunks; nothing before the first.
    pub speed: Option<f64>,
    /// Seconds per second of audio of each stage, over the last chunks.
    pub stages: BTreeMap<String, f64>,
}

/// A chunk in hand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Busy {
    /// Recording.
    pub recording: Uuid,
    /// Number of the chunk.
    pub chunk: u32,
    /// Time at which it was begun.
    pub since: DateTime<Utc>,
}

impl Message for Heartbeat {
    const TYPE: &'static str = "heartbeat.v1";
}

impl Heartbeat {
    /// That of this process, which is a `service` of release `version`, started now.
    pub fn of_this_process(service: &str, version: &str) -> Self {
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let (service, version) = (service.to_owned(), version.to_owned());
        Self {
            id: Uuid::now_v7(),
            service,
            host,
            process: Some(std::process::id()),
            version,
            started_at: Utc::now(),
            leaving: false,
            work: None,
        }
    }
}

/// Does `work` to its end, and meanwhile sends every few seconds what `now` says, and soon after `changed`.
pub async fn during<T>(
    broker: &Broker,
    changed: &Notify,
    now: impl Fn() -> Heartbeat,
    work: impl Future<Output = T>,
) -> T {
    let mut channel = None;
    let done = {
        let beating = async {
            loop {
                if let Err(error) = beat(broker, &mut channel, &now()).await {
                    tracing::debug!(%error, "a heartbeat was not sent");
                    channel = None;
                }
                metrics::gauge!("throughline_broker_connected").set(f64::from(broker.is_whole().await));
                tokio::time::sleep(LEAST_BETWEEN).await;
                let _ = tokio::time::timeout(BEAT_EVERY - LEAST_BETWEEN, changed.notified()).await;
            }
        };
        tokio::select! {
            done = work => done,
            () = beating => unreachable!("a loop without an end"),
        }
    };
    let last = Heartbeat { leaving: true, ..now() };
    // Missed, it is found out by the silence that follows.
    let _ = tokio::time::timeout(LEAVE_WITHIN, beat(broker, &mut channel, &last)).await;
    done
}

async fn beat(broker: &Broker, open: &mut Option<Channel>, heartbeat: &Heartbeat) -> anyhow::Result<()> {
    // It would be old when the broker takes it.
    if broker.blocked().is_some() {
        return Ok(());
    }
    let body = messages::encode(heartbeat)?;
    let channel = match open {
        Some(channel) if channel.status().connected() => channel,
        _ => {
            let channel = broker.publishing_channel().await?;
            topology::declare_heartbeats(&channel).await?;
            open.insert(channel)
        }
    };
    let properties =
        BasicProperties::default().with_content_type(CONTENT_TYPE.into()).with_type(Heartbeat::TYPE.into());
    let exchange = topology::HEARTBEATS.into();
    channel.basic_publish(exchange, "".into(), BasicPublishOptions::default(), &body, properties).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_heartbeat_survives_the_way() {
        let since = DateTime::from_timestamp(1_700_000_000, 0).expect("a time");
        let work = Work {
            model_version: "m".into(),
            configuration: "c".into(),
            device: "cpu".into(),
            threads: 2,
            busy: vec![Busy { recording: Uuid::from_u128(1), chunk: 3, since }],
            audio_seconds: 12.5,
            audio_seconds_per_second: 4.0,
            speed: None,
            stages: BTreeMap::from([("fetch".to_owned(), 0.001)]),
        };
        let sent = Heartbeat { work: Some(work), ..Heartbeat::of_this_process("worker", "0.1.0") };
        let body = messages::encode(&sent).expect("encodes");
        assert_eq!(messages::decode::<Heartbeat>(Heartbeat::TYPE, &body).expect("decodes"), sent);
    }
}
