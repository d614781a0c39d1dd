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
    /// Limit of it.
    pub allowed: u32,
    /// True where the caller's share is used up, false where the whole is.
    pub of_caller: bool,
}

/// Undone audio of `caller` or of all, where that has reached its limit; `None` while there is room. A recording that is not decoded yet
/// counts by its size, at the rate of the latest ones, and at least by the chunks that are cut. Callers without a token share what there
/// is.
pub(crate) async fn exceeded(context: &Context, caller: &str) -> Result<Option<Undone>, sqlx::Error> {
    // None is longer, whatever its size makes one think.
    let longest = f64::from(context.max_hours) * 3600.0 * f64::from(SAMPLE_RATE);
    let samples = sqlx::query!(
        r#"WITH usual AS (
               SELECT coalesce(sum(d.samples)::double precision / nullif(sum(d.upload_bytes), 0)::double precision, $2) AS per_byte
               FROM (SELECT samples, upload_bytes FROM recordings WHERE samples IS NOT NULL
                     ORDER BY created_at DESC LIMIT $1) d),
           undone AS (
               SELECT r.caller, greatest(
                      coalesce(r.samples::double precision, least(r.upload_bytes * usual.per_byte, $5))
                          - r.next_chunk::double precision * r.chunk_blocks * $3,
                      (SELECT coalesce(sum(c.samples), 0) FROM chunks c WHERE c.recording_id = r.id AND c.chunk >= r.next_chunk),
                      0)::double precision AS samples
               FROM recordings r CROSS JOIN usual
               WHERE r.state IN ('queued', 'processing'))
           SELECT coalesce(sum(samples), 0) AS "all!",
                  coalesce(sum(samples) FILTER (WHERE caller = $4), 0) AS "of_caller!" FROM undone"#,
        DECODED_LATELY,
        USUAL,
        BLOCK_SAMPLES as f64,
        caller,
        longest
    )
    .fetch_one(&context.pool)
    .await?;
    let hours = |samples: f64| samples / f64::from(SAMPLE_RATE) / 3600.0;
    let work = &context.work;
    let of_caller =
        Undone { used: hours(samples.of_caller), allowed: work.max_undone_hours_per_caller, of_caller: true };
    let of_all = Undone { used: hours(samples.all), allowed: work.max_undone_hours, of_caller: false };
    let is_full = |undone: &Undone| undone.used >= f64::from(undone.allowed);
    Ok(Some(of_caller).filter(|it| !caller.is_empty() && is_full(it)).or(Some(of_all).filter(is_full)))
}
