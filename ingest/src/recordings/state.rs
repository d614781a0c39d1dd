//! State: where a recording stands, as the API names it.

use serde::Serialize;
use utoipa::ToSchema;

/// Where a recording stands.
#[expect(dead_code, reason = "the document needs those that no answer is made of")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum State {
    /// Accepted; nothing is matched yet.
    Queued,
    /// Chunks are being analysed and matched.
    Processing,
    /// Turns and speakers are final.
    Completed,
    /// As `completed`, but for chunks that could not be analysed.
    CompletedWithGaps,
    /// Given up; `failure` says why.
    Failed,
}
