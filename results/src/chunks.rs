//! Chunks: what is known of a run of chunks, analysed or missing, as blocks.

use crate::analysis::{self, Extent};
use diarization::analysis::BlockAnalysis;
use sqlx::PgTransaction;
use std::ops::Range;
use uuid::Uuid;

/// Basis of a recording's analyses: its pinned models and configuration, and how it was cut.
#[derive(Clone, Debug)]
pub struct Pinned {
    /// The recording.
    pub recording: Uuid,
    /// Model version.
    pub model_version: String,
    /// Configuration.
    pub configuration: String,
    /// Blocks per chunk.
    pub chunk_blocks: i32,
}

/// Blocks that are read at once, some 1.6 MB of analyses: bounds what is held in memory, and how long a row is locked.
const PAGE_BLOCKS: i32 = 40;

/// Most chunks of `chunk_blocks` blocks that are read at once.
pub fn page_chunks(chunk_blocks: i32) -> i32 {
    (PAGE_BLOCKS / chunk_blocks.max(1)).max(1)
}

/// All chunks of a recording in runs that are read at once.
pub fn pages(chunk_count: i32, chunk_blocks: i32) -> impl Iterator<Item = Range<i32>> {
    let chunks = page_chunks(chunk_blocks);
    let first = (0..chunk_count).step_by(usize::try_from(chunks).unwrap_or(1));
    first.map(move |first| first..chunk_count.min(first + chunks))
}

/// The blocks of the chunks `range`, in order. A chunk that is a gap has blocks in which nobody speaks. All of them must be ready:
/// one that is neither analysed nor a gap is an error.
pub async fn blocks(
    transaction: &mut PgTransaction<'static>,
    pinned: &Pinned,
    range: Range<i32>,
) -> Result<Vec<BlockAnalysis>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"SELECT c.chunk, c.samples, c.channels, i.analysis AS "analysis?", g.chunk IS NOT NULL AS "gap!"
           FROM chunks c
           LEFT JOIN inbox i ON i.recording_id = c.recording_id AND i.chunk = c.chunk
                            AND i.model_version = $2 AND i.configuration = $3
           LEFT JOIN gaps g ON g.recording_id = c.recording_id AND g.chunk = c.chunk
           WHERE c.recording_id = $1 AND c.chunk >= $4 AND c.chunk < $5
           ORDER BY c.chunk"#,
        pinned.recording,
        pinned.model_version,
        pinned.configuration,
        range.start,
        range.end
    )
    .fetch_all(&mut **transaction)
    .await?;
    let unready =
        |chunk: i32| sqlx::Error::Decode(format!("chunk {chunk} is neither analysed nor a gap").into());
    let mut blocks = Vec::new();
    let mut wanted = range.clone();
    for row in rows {
        if wanted.next() != Some(row.chunk) {
            return Err(unready(row.chunk));
        }
        match row.analysis {
            Some(bytes) => {
                blocks.extend(analysis::decode(&bytes).map_err(|flaw| sqlx::Error::Decode(flaw.into()))?);
            }
            None if row.gap => blocks.extend(silence(pinned, row.chunk, row.samples, row.channels)),
            None => return Err(unready(row.chunk)),
        }
    }
    wanted.next().map_or(Ok(blocks), |missing| Err(unready(missing)))
}

fn silence(pinned: &Pinned, chunk: i32, samples: i64, channels: i16) -> Vec<BlockAnalysis> {
    let size = |value: i64| usize::try_from(value).unwrap_or_default();
    let extent = Extent::of(
        size(chunk.into()),
        size(pinned.chunk_blocks.into()),
        size(samples),
        size(channels.into()),
    );
    extent.silence()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_hold_every_chunk_once_and_few_blocks() {
        for chunk_blocks in 1..=20 {
            for chunk_count in [0, 1, 2, 7, 8, 9, 40, 41, 600] {
                let pages: Vec<Range<i32>> = pages(chunk_count, chunk_blocks).collect();
                assert!(
                    pages
                        .iter()
                        .all(|page| !page.is_empty() && page.len() as i32 * chunk_blocks <= PAGE_BLOCKS)
                );
                assert!(
                    pages.iter().cloned().flatten().eq(0..chunk_count),
                    "{chunk_count} of {chunk_blocks}"
                );
            }
        }
    }
}
