//! Budget: how much audio may be undone at a time, so that nobody fills the store and the queues for days.

use crate::context::Context;
use diarization::blocks::{BLOCK_SAMPLES, SAMPLE_RATE};

/// Recordings by which the length of one that is not decoded yet is guessed.
const DECODED_LATELY: i64 = 50;
/// Samples per byte where none was decoded yet: of 16-bit audio, or of compressed audio that is not.
const USUAL: f64 = 1.0;

/// Audio that is undone, and how much may be, in hours.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Undone {
    /// Undone now.
    pub used: f64,
    /// What may be.
    pub allowed: u32,
}

/// What is undone where that is as much as may be, of all; `None` while there is room. A recording that is not decoded yet counts by its
/// size, as the latest ones turned out, and at least by what is cut of it.
pub(crate) async fn exceeded(context: &Context) -> Result<Option<Undone>, sqlx::Error> {
    let samples = sqlx::query_scalar!(
        r#"WITH usual AS (
               SELECT coalesce(sum(d.samples)::double precision / nullif(sum(d.upload_bytes), 0)::double precision, $2) AS per_byte
               FROM (SELECT samples, upload_bytes FROM recordings WHERE samples IS NOT NULL
                     ORDER BY created_at DESC LIMIT $1) d)
           SELECT coalesce(sum(greatest(
                      coalesce(r.samples::double precision, r.upload_bytes * usual.per_byte)
                          - r.next_chunk::double precision * r.chunk_blocks * $3,
                      (SELECT coalesce(sum(c.samples), 0) FROM chunks c WHERE c.recording_id = r.id AND c.chunk >= r.next_chunk),
                      0)), 0)::double precision AS "samples!"
           FROM recordings r CROSS JOIN usual
           WHERE r.state IN ('queued', 'processing')"#,
        DECODED_LATELY,
        USUAL,
        BLOCK_SAMPLES as f64
    )
    .fetch_one(&context.pool)
    .await?;
    let used = samples / f64::from(SAMPLE_RATE) / 3600.0;
    let allowed = context.work.max_undone_hours;
    Ok((used >= f64::from(allowed)).then_some(Undone { used, allowed }))
}
