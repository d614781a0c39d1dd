//! Context: what requests and jobs share.

use crate::config::hosts::Hosts;
use crate::config::tokens::Token;
use crate::config::{Config, LimitsConfig, WorkConfig};
use crate::decode::reader::Program;
use crate::http::underway::Underway;
use crate::outbox::Wake;
use crate::recordings::one_at_a_time::OneAtATime;
use crate::session::SessionKey;
use crate::thread::{Abandoned, Threads};
use anyhow::Context as _;
use service_kit::broker::Broker;
use service_kit::object_store::Objects;
use service_kit::pauses::Pauses;
use service_kit::schema::Gate;
use service_kit::shutdown::Shutdown;
use service_kit::surroundings::Surroundings;
use service_kit::transaction;
use sqlx::PgPool;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, Semaphore, watch};
use uuid::Uuid;

/// Resources and settings that requests and jobs share.
#[derive(Clone)]
pub struct Context {
    /// Postgres, for work.
    pub pool: PgPool,
    /// Postgres, for what only reads: what is locked, and who waits for that, is not in its way.
    pub reads: PgPool,
    /// Postgres, for readiness alone.
    pub watch: PgPool,
    /// Threads for the changes that requests make. The other connections are left for work that goes on by itself.
    pub changes: Threads,
    /// Threads for erasures, and for deleting the parts of uploads. An object store that is away may hold them up.
    pub erasures: Threads,
    /// Corrections are worked out on these.
    pub corrections: Threads,
    /// Has the changes of one recording made one after the other.
    pub one_at_a_time: OneAtATime,
    /// Opens once the database's schema fits.
    pub gate: Gate,
    /// RabbitMQ.
    pub broker: Broker,
    /// Uploads and chunks.
    pub objects: Objects,
    /// Ends everything.
    pub shutdown: Shutdown,
    /// Wakes the outbox.
    pub wake: Wake,
    /// Conditions that decoding waits for.
    pub surroundings: Surroundings,
    /// Queues that are paused, as far as this process knows.
    pub pauses: Pauses,
    /// Calls for an announcement of what is in force, now.
    pub announce: Arc<Notify>,
    /// Models that new recordings are pinned to.
    pub model_version: String,
    /// Tokens in force; `None` where calls need none.
    pub tokens: Option<watch::Receiver<Arc<Vec<Token>>>>,
    /// Names by which this service may be called.
    pub hosts: Hosts,
    /// Key that browsers' sessions are signed with.
    pub session_key: SessionKey,
    /// Lifetime of a browser's session, in hours.
    pub session_hours: u32,
    /// Time for which entries of the audit are kept, in days.
    pub audit_days: u32,
    /// A permit for each stream of events.
    pub streams: Arc<Semaphore>,
    /// Limits of uploads, requests and connections.
    pub limits: LimitsConfig,
    /// True where events may be sent to private addresses.
    pub webhook_allow_private: bool,
    /// A place for each upload that comes in.
    pub uploads: Underway,
    /// Limits of the work under way at once.
    pub work: WorkConfig,
    /// A permit for each recording that is being decoded.
    pub decoding: Arc<Semaphore>,
    /// A permit for each recording that is kept half decoded.
    pub held: Arc<Semaphore>,
    /// Largest upload taken.
    pub max_upload_bytes: u64,
    /// Longest recording taken.
    pub max_hours: u32,
    /// Blocks per chunk where the uploader does not say.
    pub chunk_blocks: u32,
    /// Program that decodes files.
    pub decoder: Program,
    /// Longest that decoding may take.
    pub decode_within: Duration,
    /// Time between two looks for what belongs to no recording.
    pub sweep_every: Duration,
}

impl Context {
    /// Opens everything that `config` names, with `tokens` in force; new recordings are pinned to `model_version`. Connections are
    /// made when they are needed.
    pub fn open(
        config: &Config,
        model_version: String,
        tokens: Option<watch::Receiver<Arc<Vec<Token>>>>,
        shutdown: Shutdown,
    ) -> anyhow::Result<Self> {
        let (url, connections) = (&config.database.database_url, config.database.database_connections);
        let (reading, corrections) =
            (config.database_read_connections, config.limits.max_concurrent_corrections);
        let pool = |connections| {
            transaction::pool(url, connections, "throughline-ingest").context("THROUGHLINE_DATABASE_URL")
        };
        Ok(Self {
            pool: pool(connections)?,
            reads: transaction::reading_pool(url, reading, "throughline-ingest reads")
                .context("THROUGHLINE_DATABASE_URL")?,
            watch: pool(1)?,
            changes: Threads::new(
                "changes",
                (connections as usize / 2).max(1),
                usize::MAX,
                Abandoned::GoesOn,
            ),
            erasures: Threads::new("erasures", 2, usize::MAX, Abandoned::GoesOn),
            corrections: Threads::new(
                "corrections",
                corrections as usize,
                config.limits.max_waiting_corrections as usize,
                Abandoned::Stops,
            ),
            one_at_a_time: OneAtATime::default(),
            gate: Gate::default(),
            broker: Broker::new(&config.broker.amqp_url, "ingest"),
            objects: Objects::open(&config.store.object_store)?,
            shutdown,
            wake: Wake::default(),
            surroundings: Surroundings::default(),
            pauses: Pauses::unknown(),
            announce: Arc::default(),
            model_version,
            tokens,
            hosts: Hosts::new(config.listen.ip(), config.hosts.hosts.0.clone()),
            session_key: SessionKey::default(),
            session_hours: config.tokens.session_hours,
            audit_days: config.audit_days,
            // The other half is for calls that end.
            streams: Arc::new(Semaphore::new((config.limits.max_connections as usize / 2).max(1))),
            limits: config.limits.clone(),
            webhook_allow_private: config.webhooks.webhook_allow_private,
            uploads: Underway::new(&config.limits),
            work: config.work.clone(),
            decoding: Arc::new(Semaphore::new(config.work.decoders as usize)),
            held: Arc::new(Semaphore::new(config.work.held_decodings as usize)),
            max_upload_bytes: config.max_upload_bytes,
            max_hours: config.max_hours,
            chunk_blocks: config.chunk_blocks,
            decoder: config.decoder()?,
            decode_within: Duration::from_secs(config.decode_seconds),
            sweep_every: Duration::from_secs(config.sweep_seconds),
        })
    }
}

/// Folder of everything stored for a recording.
pub fn folder(recording: Uuid) -> String {
    format!("recordings/{recording}")
}
