//! Analyses of whole recordings, chunk by chunk.

use diarization::analysis::{self, BlockAnalysis};
use diarization::chunks::Chunker;
use diarization::embedding::EmbeddingModel;
use diarization::features::FilterBank;
use diarization::segmentation::SegmentationModel;

/// The analysis of each chunk of `samples`, in order.
#[allow(dead_code, reason = "some tests have calls only")]
pub fn in_chunks(
    models: &mut (impl SegmentationModel + EmbeddingModel + Send),
    samples: &[f32],
    chunk_blocks: usize,
) -> Vec<Vec<BlockAnalysis>> {
    of_channels(models, &[samples], chunk_blocks)
}

/// The same of several channels.
pub fn of_channels(
    models: &mut (impl SegmentationModel + EmbeddingModel + Send),
    channels: &[&[f32]],
    chunk_blocks: usize,
) -> Vec<Vec<BlockAnalysis>> {
    let mut chunker = Chunker::new(chunk_blocks);
    let mut chunks = chunker.push(channels);
    chunks.extend(chunker.finish());
    let mut filter_bank = FilterBank::default();
    let mut analyse = |chunk, channels: &[Vec<f32>]| {
        analysis::analyse(models, &mut filter_bank, chunk, channels).expect("it analyses")
    };
    chunks.iter().map(|chunk| analyse(chunk.chunk, &chunk.channels)).collect()
}
