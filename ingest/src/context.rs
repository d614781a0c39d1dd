//! Context: what requests and jobs share.

use crate::config::ApiToken;
use crate::outbox::Wake;
use service_kit::broker::Broker;
use service_kit::object_store::Objects;
use service_kit::shutdown::Shutdown;
use sqlx::PgPool;
use uuid::Uuid;

/// What requests and jobs share.
pub(crate) struct Context {
    pub pool: PgPool,
    pub broker: Broker,
    pub objects: Objects,
    pub shutdown: Shutdown,
    pub wake: Wake,
    /// Models that new recordings are pinned to.
    pub model_version: String,
    pub api_token: Option<ApiToken>,
    pub max_upload_bytes: u64,
    pub max_hours: u32,
    pub chunk_blocks: u32,
}

/// Folder of everything stored for a recording.
pub(crate) fn folder(recording: Uuid) -> String {
    format!("recordings/{recording}")
}
