//! Player: what is needed to listen to a recording and to draw it.

use sqlx::PgPool;
use uuid::Uuid;

/// The upload of a recording.
pub(crate) struct Upload {
    pub object: String,
    pub sha256: String,
}

/// The waveform of a recording.
pub(crate) struct Waveform {
    pub samples: Option<i64>,
    /// As [`crate::decode::peaks`] makes them; `None` of a recording that is not decoded, or was before they were kept.
    pub peaks: Option<Vec<u8>>,
}

/// Object and digest of the upload of the recording `id`, if there is one.
pub(crate) async fn upload(pool: &PgPool, id: Uuid) -> Result<Option<Upload>, sqlx::Error> {
    sqlx::query_as!(
        Upload,
        "SELECT upload_object AS object, upload_sha256 AS sha256 FROM recordings WHERE id = $1",
        id
    )
    .fetch_optional(pool)
    .await
}

/// The waveform of the recording `id`, if there is one.
pub(crate) async fn waveform(pool: &PgPool, id: Uuid) -> Result<Option<Waveform>, sqlx::Error> {
    sqlx::query_as!(
        Waveform,
        r#"SELECT samples, w.peaks AS "peaks?" FROM recordings r LEFT JOIN waveforms w ON w.recording_id = r.id
           WHERE r.id = $1"#,
        id
    )
    .fetch_optional(pool)
    .await
}
