//! Analysis: all that inference does for one chunk. What a worker sends to the matcher.

use crate::blocks::{self, BLOCK_FRAMES, BLOCK_SAMPLES, Chunk, STEP_FRAMES, STEP_SAMPLES};
use crate::embedding::{self, EmbeddingModel};
use crate::features::FilterBank;
use crate::onnx::ModelError;
use crate::pieces::{self, Piece};
use crate::segmentation::{self, SegmentationModel};
use crate::stitching;
use serde::{Deserialize, Serialize};

/// Names the numbers of this pipeline (grid, stitching, pieces, features) in force: analyses of two configurations
/// are never mixed. Raise it with every change that changes an analysis.
pub const CONFIGURATION: &str = "blocks-24x148.pieces-3s.2";

/// What the models said about one block.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BlockAnalysis {
    /// Number of the block in the recording.
    pub block: usize,
    /// Bit set of active slots of each frame the block owns.
    #[serde(with = "serde_bytes")]
    pub slots: Vec<u8>,
    /// Pieces of the block, by start, with frames counted from the start of the recording.
    pub pieces: Vec<Piece>,
}

/// Analyses the blocks of `chunk`. `samples` are those of [`Chunk::sample_range`], shorter only where the recording
/// ends; blocks past the end are left out. Deterministic for given models and device.
pub fn analyse(
    models: &mut (impl SegmentationModel + EmbeddingModel),
    filter_bank: &mut FilterBank,
    chunk: Chunk,
    samples: &[f32],
) -> Result<Vec<BlockAnalysis>, ModelError> {
    let offset = chunk.sample_range().start;
    let end = offset + samples.len();
    let present = chunk.blocks.min(blocks::block_count(end).saturating_sub(chunk.first_block));
    let block_range = chunk.first_block..chunk.first_block + present;
    // Windows shared by neighbouring blocks are computed once.
    let windows = block_range
        .clone()
        .filter_map(|block| blocks::windows_of_block(block, end))
        .reduce(|all, next| *all.start()..=*next.end());
    let activity = match &windows {
        Some(windows) => segmentation::segment(models, samples, offset, windows.clone())?,
        None => Vec::new(),
    };
    let first_window = windows.map_or(0, |w| *w.start());
    block_range
        .map(|block| {
            let first_frame = block * BLOCK_FRAMES;
            let owned = BLOCK_FRAMES.min(blocks::frame_count(end) - first_frame);
            let slots = match blocks::windows_of_block(block, end) {
                Some(windows) => {
                    let lead = first_frame - windows.start() * STEP_FRAMES;
                    let known = blocks::frame_count(end - windows.start() * STEP_SAMPLES);
                    let range = windows.start() - first_window..windows.end() - first_window + 1;
                    let frames =
                        known.min((range.len() - 1) * STEP_FRAMES + blocks::WINDOW_FRAMES).max(lead + owned);
                    stitching::stitch(&activity[range], frames)[lead..lead + owned].to_vec()
                }
                None => vec![0; owned],
            };
            let mut pieces = pieces::cut(&slots, first_frame);
            let from = block * BLOCK_SAMPLES - offset;
            let to = samples.len().min(from + BLOCK_SAMPLES + blocks::TAIL_SAMPLES);
            embedding::embed(models, filter_bank, &samples[from..to], &slots, first_frame, &mut pieces)?;
            Ok(BlockAnalysis { block, slots, pieces })
        })
        .collect()
}

/// The whole of a recording as one block as long as itself: for comparison alone, since it needs all `samples` at once. What it does
/// better than [`analyse`] is what the borders of blocks cost.
pub fn analyse_unblocked(
    models: &mut (impl SegmentationModel + EmbeddingModel),
    filter_bank: &mut FilterBank,
    samples: &[f32],
) -> Result<BlockAnalysis, ModelError> {
    let frames = blocks::frame_count(samples.len());
    let slots = if frames == 0 {
        Vec::new()
    } else {
        let activity = segmentation::segment(models, samples, 0, 0..=blocks::last_window(samples.len()))?;
        stitching::stitch(&activity, frames)
    };
    let mut pieces = pieces::cut(&slots, 0);
    embedding::embed(models, filter_bank, samples, &slots, 0, &mut pieces)?;
    Ok(BlockAnalysis { block: 0, slots, pieces })
}
