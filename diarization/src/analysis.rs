//! Analysis: all that inference does for one chunk. What a worker sends to the matcher.

use crate::blocks::{self, BLOCK_FRAMES, BLOCK_SAMPLES, Chunk, FRAME_HOP, STEP_FRAMES, STEP_SAMPLES};
use crate::channels;
use crate::echo;
use crate::embedding::{self, EmbeddingModel};
use crate::features::FilterBank;
use crate::onnx::ModelError;
use crate::pieces::{self, Piece};
use crate::segmentation::{self, SegmentationModel, WindowActivity};
use crate::stitching;
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// Names the numbers of this pipeline (grid, stitching, pieces, features) in force: analyses of two configurations
/// are never mixed. Raise it with every change that changes an analysis.
pub const CONFIGURATION: &str = "blocks-24x148.pieces-3s.3";

/// What the models said about one block.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BlockAnalysis {
    /// Number of the block in the recording.
    pub block: usize,
    /// Bit set of active slots of each frame the block owns: three bits per channel, the first channel's lowest.
    #[serde(with = "serde_bytes")]
    pub slots: Vec<u8>,
    /// Pieces of the block, by start, with frames counted from the start of the recording.
    pub pieces: Vec<Piece>,
}

/// Analyses the blocks of `chunk`. `channels` are one or two, each with the samples of [`Chunk::sample_range`], shorter only where the
/// recording ends; blocks past the end are left out. Deterministic for given models and device.
pub fn analyse(
    models: &mut (impl SegmentationModel + EmbeddingModel),
    filter_bank: &mut FilterBank,
    chunk: Chunk,
    channels: &[impl AsRef<[f32]>],
) -> Result<Vec<BlockAnalysis>, ModelError> {
    let channels: Vec<&[f32]> = channels.iter().map(AsRef::as_ref).collect();
    let offset = chunk.sample_range().start;
    let end = offset + channels.first().map_or(0, |samples| samples.len());
    let present = chunk.blocks.min(blocks::block_count(end).saturating_sub(chunk.first_block));
    let block_range = chunk.first_block..chunk.first_block + present;
    // Windows shared by neighbouring blocks are computed once.
    let windows = block_range
        .clone()
        .filter_map(|block| blocks::windows_of_block(block, end))
        .reduce(|all, next| *all.start()..=*next.end());
    let mut activity = Vec::new();
    for samples in &channels {
        activity.push(match &windows {
            Some(windows) => segmentation::segment(models, samples, offset, windows.clone())?,
            None => Vec::new(),
        });
    }
    let first_window = windows.map_or(0, |w| *w.start());
    block_range
        .map(|block| {
            let first_frame = block * BLOCK_FRAMES;
            let owned = BLOCK_FRAMES.min(blocks::frame_count(end) - first_frame);
            let slots_of = |activity: &[WindowActivity]| match blocks::windows_of_block(block, end) {
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
            let slots = activity.iter().map(|activity| slots_of(activity)).collect();
            let from = block * BLOCK_SAMPLES;
            let to = end.min(from + BLOCK_SAMPLES + blocks::TAIL_SAMPLES);
            let heard = Heard { channels: &channels, offset, block: from..to, first_frame };
            heard.analysed(models, filter_bank, block, slots)
        })
        .collect()
}

/// The whole of a recording as one block as long as itself: for comparison alone, since it needs all samples at once. What it does
/// better than [`analyse`] is what the borders of blocks cost.
pub fn analyse_unblocked(
    models: &mut (impl SegmentationModel + EmbeddingModel),
    filter_bank: &mut FilterBank,
    channels: &[impl AsRef<[f32]>],
) -> Result<BlockAnalysis, ModelError> {
    let channels: Vec<&[f32]> = channels.iter().map(AsRef::as_ref).collect();
    let samples = channels.first().map_or(0, |samples| samples.len());
    let frames = blocks::frame_count(samples);
    let mut slots = Vec::new();
    for channel in &channels {
        slots.push(if frames == 0 {
            Vec::new()
        } else {
            let activity = segmentation::segment(models, channel, 0, 0..=blocks::last_window(samples))?;
            stitching::stitch(&activity, frames)
        });
    }
    let heard = Heard { channels: &channels, offset: 0, block: 0..samples, first_frame: 0 };
    heard.analysed(models, filter_bank, 0, slots)
}

/// The samples of a block.
struct Heard<'a> {
    channels: &'a [&'a [f32]],
    /// Sample of the recording that each channel begins with.
    offset: usize,
    /// Samples of the recording that the block is embedded from.
    block: Range<usize>,
    first_frame: usize,
}

impl Heard<'_> {
    /// What follows from the slots that segmentation found on each channel.
    fn analysed(
        &self,
        models: &mut impl EmbeddingModel,
        filter_bank: &mut FilterBank,
        block: usize,
        mut slots: Vec<Vec<u8>>,
    ) -> Result<BlockAnalysis, ModelError> {
        if let ([first, second], Ok(of_both)) = (self.channels, <&mut [Vec<u8>; 2]>::try_from(&mut slots[..]))
        {
            let reach = echo::reach(self.block.start..self.block.start + of_both[0].len() * FRAME_HOP);
            let within =
                |samples: &'_ [f32]| reach.start - self.offset..samples.len().min(reach.end - self.offset);
            let both = [&first[within(first)], &second[within(second)]];
            echo::silence(of_both, both, self.block.start - reach.start);
        }
        let mut all =
            BlockAnalysis { block, slots: vec![0; slots.first().map_or(0, Vec::len)], pieces: Vec::new() };
        for (channel, (samples, slots)) in self.channels.iter().zip(&slots).enumerate() {
            let mut pieces = pieces::cut(slots, self.first_frame);
            let samples = &samples[self.block.start - self.offset..self.block.end - self.offset];
            embedding::embed(models, filter_bank, samples, slots, self.first_frame, &mut pieces)?;
            let first_slot = channels::first_slot(channel);
            pieces.iter_mut().for_each(|piece| piece.slot += first_slot);
            all.pieces.extend(pieces);
            all.slots.iter_mut().zip(slots).for_each(|(all, bits)| *all |= bits << first_slot);
        }
        // By start, and at one start by channel: sorting keeps the order of equals.
        all.pieces.sort_by_key(|piece| piece.first_frame);
        Ok(all)
    }
}
