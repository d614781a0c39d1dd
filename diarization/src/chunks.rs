//! Chunks: a stream of samples becomes chunks with the margins that their analysis needs.

use crate::blocks::{BLOCK_SAMPLES, Chunk};

/// One chunk with its samples.
#[derive(Clone, Debug, PartialEq)]
pub struct ChunkAudio {
    /// Number of the chunk, from 0.
    pub index: usize,
    /// Blocks it carries.
    pub chunk: Chunk,
    /// The samples of [`Chunk::sample_range`], fewer only where the recording ends.
    pub samples: Vec<f32>,
}

/// Cuts a stream into chunks as soon as each is complete. Holds little more than one chunk.
#[derive(Clone, Debug)]
pub struct Chunker {
    chunk_blocks: usize,
    next: usize,
    /// Samples that chunks yet to come need; the first is sample `start` of the recording.
    buffer: Vec<f32>,
    start: usize,
}

impl Chunker {
    /// A chunker of chunks of `chunk_blocks` blocks (at least 1).
    pub fn new(chunk_blocks: usize) -> Self {
        Self { chunk_blocks: chunk_blocks.max(1), next: 0, buffer: Vec::new(), start: 0 }
    }

    /// Samples seen so far.
    pub fn samples(&self) -> usize {
        self.start + self.buffer.len()
    }

    /// Takes the next samples of the recording and returns the chunks that they complete.
    pub fn push(&mut self, samples: &[f32]) -> Vec<ChunkAudio> {
        self.buffer.extend_from_slice(samples);
        let mut complete = Vec::new();
        while Chunk::nth(self.next, self.chunk_blocks).sample_range().end <= self.samples() {
            complete.push(self.cut());
        }
        complete
    }

    /// The chunks that the end of the recording completes; none for an empty recording.
    pub fn finish(mut self) -> Vec<ChunkAudio> {
        let mut rest = Vec::new();
        while self.next * self.chunk_blocks * BLOCK_SAMPLES < self.samples() {
            rest.push(self.cut());
        }
        rest
    }

    fn cut(&mut self) -> ChunkAudio {
        let chunk = Chunk::nth(self.next, self.chunk_blocks);
        let range = chunk.sample_range();
        let samples =
            self.buffer[range.start - self.start..range.end.min(self.samples()) - self.start].to_vec();
        let index = self.next;
        self.next += 1;
        let needed_from = Chunk::nth(self.next, self.chunk_blocks).sample_range().start.min(self.samples());
        self.buffer.drain(..needed_from - self.start);
        self.start = needed_from;
        ChunkAudio { index, chunk, samples }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blocks::TAIL_SAMPLES;
    use proptest::prelude::*;

    fn recording(samples: usize) -> Vec<f32> {
        (0..samples).map(|i| i as f32).collect()
    }

    fn cut(recording: &[f32], chunk_blocks: usize, feed: usize) -> Vec<ChunkAudio> {
        let mut chunker = Chunker::new(chunk_blocks);
        let mut chunks: Vec<ChunkAudio> =
            recording.chunks(feed).flat_map(|part| chunker.push(part)).collect();
        chunks.extend(chunker.finish());
        chunks
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(12))]
        #[test]
        fn chunks_are_slices_of_the_recording_however_it_is_fed(
            extra in 0_usize..2 * BLOCK_SAMPLES, blocks in 1_usize..4, feed in 1_000_usize..2_000_000
        ) {
            let recording = recording(extra + 1);
            let chunks = cut(&recording, blocks, feed);
            prop_assert_eq!(chunks.len(), recording.len().div_ceil(blocks * BLOCK_SAMPLES));
            for (index, chunk) in chunks.iter().enumerate() {
                let range = chunk.chunk.sample_range();
                prop_assert_eq!(chunk.index, index);
                prop_assert_eq!(&chunk.samples[..], &recording[range.start..range.end.min(recording.len())]);
            }
        }
    }

    #[test]
    fn a_recording_that_ends_at_a_border_has_no_empty_chunk() {
        for samples in [BLOCK_SAMPLES, BLOCK_SAMPLES + 1, BLOCK_SAMPLES + TAIL_SAMPLES] {
            let chunks = cut(&recording(samples), 1, 16_000);
            assert_eq!(chunks.len(), samples.div_ceil(BLOCK_SAMPLES), "{samples} samples");
        }
        assert!(cut(&[], 1, 1).is_empty());
    }
}
