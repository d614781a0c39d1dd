//! Chunks: a stream of samples becomes chunks with the margins that their analysis needs, rounded as they are stored ([`crate::pcm`]).

use crate::blocks::{BLOCK_SAMPLES, Chunk};
use crate::pcm::{self, STRETCH};

/// One chunk with its samples.
#[derive(Clone, Debug, PartialEq)]
pub struct ChunkAudio {
    /// Number of the chunk, from 0.
    pub index: usize,
    /// Blocks it carries.
    pub chunk: Chunk,
    /// Of each channel the samples of [`Chunk::sample_range`], fewer only where the recording ends.
    pub channels: Vec<Vec<f32>>,
}

impl ChunkAudio {
    /// Samples of each channel.
    pub fn samples(&self) -> usize {
        self.channels.first().map_or(0, Vec::len)
    }
}

/// Cuts a stream into chunks as soon as each is complete. Holds little more than one chunk.
#[derive(Clone, Debug)]
pub struct Chunker {
    chunk_blocks: usize,
    next: usize,
    /// Samples of each channel that chunks yet to come need; the first is sample `start` of the recording.
    buffer: Vec<Vec<f32>>,
    start: usize,
    /// The first sample of the recording that is not rounded yet.
    rounded: usize,
}

impl Chunker {
    /// A chunker of chunks of `chunk_blocks` blocks (at least 1).
    pub fn new(chunk_blocks: usize) -> Self {
        Self { chunk_blocks: chunk_blocks.max(1), next: 0, buffer: Vec::new(), start: 0, rounded: 0 }
    }

    /// Samples seen so far.
    pub fn samples(&self) -> usize {
        self.start + self.buffer.first().map_or(0, Vec::len)
    }

    /// Takes the next samples of each channel of the recording, equally many, and returns the chunks that they complete.
    pub fn push(&mut self, channels: &[impl AsRef<[f32]>]) -> Vec<ChunkAudio> {
        self.buffer.resize(channels.len().max(self.buffer.len()), Vec::new());
        for (buffer, samples) in self.buffer.iter_mut().zip(channels) {
            buffer.extend_from_slice(samples.as_ref());
        }
        self.round(self.samples() / STRETCH * STRETCH);
        let mut complete = Vec::new();
        while Chunk::nth(self.next, self.chunk_blocks).sample_range().end <= self.rounded {
            complete.push(self.cut());
        }
        complete
    }

    /// The chunks that the end of the recording completes; none for an empty recording.
    pub fn finish(mut self) -> Vec<ChunkAudio> {
        self.round(self.samples());
        let mut rest = Vec::new();
        while self.next * self.chunk_blocks * BLOCK_SAMPLES < self.samples() {
            rest.push(self.cut());
        }
        rest
    }

    /// Rounds what comes before sample `end`.
    fn round(&mut self, end: usize) {
        let range = self.rounded - self.start..end - self.start;
        for samples in &mut self.buffer {
            samples[range.clone()].chunks_mut(STRETCH).for_each(pcm::round);
        }
        self.rounded = end;
    }

    fn cut(&mut self) -> ChunkAudio {
        let chunk = Chunk::nth(self.next, self.chunk_blocks);
        let range = chunk.sample_range();
        let range = range.start - self.start..range.end.min(self.samples()) - self.start;
        let channels = self.buffer.iter().map(|samples| samples[range.clone()].to_vec()).collect();
        let index = self.next;
        self.next += 1;
        let needed_from = Chunk::nth(self.next, self.chunk_blocks).sample_range().start.min(self.samples());
        for samples in &mut self.buffer {
            samples.drain(..needed_from - self.start);
        }
        self.start = needed_from;
        ChunkAudio { index, chunk, channels }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blocks::TAIL_SAMPLES;
    use proptest::prelude::*;

    fn recording(samples: usize) -> Vec<f32> {
        // 16 bits, so that rounding leaves it as it is.
        (0..samples).map(|i| ((i * 7919) % 65_536) as f32 / 32_768.0 - 1.0).collect()
    }

    fn cut(recording: &[f32], chunk_blocks: usize, feed: usize) -> Vec<ChunkAudio> {
        let mut chunker = Chunker::new(chunk_blocks);
        let mut chunks: Vec<ChunkAudio> =
            recording.chunks(feed).flat_map(|part| chunker.push(&[part])).collect();
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
                prop_assert_eq!(&chunk.channels[0][..], &recording[range.start..range.end.min(recording.len())]);
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

    #[test]
    fn two_channels_are_cut_at_the_same_places() {
        let first = recording(BLOCK_SAMPLES + 100_000);
        let second: Vec<f32> = first.iter().map(|x| x / 2.0).collect();
        let mut chunker = Chunker::new(1);
        let parts = first.chunks(50_000).zip(second.chunks(50_000));
        let mut chunks: Vec<ChunkAudio> = parts.flat_map(|(a, b)| chunker.push(&[a, b])).collect();
        assert_eq!(chunker.samples(), first.len());
        chunks.extend(chunker.finish());
        assert_eq!(chunks.len(), 2);
        for chunk in chunks {
            assert_eq!(chunk.channels.len(), 2);
            assert!(chunk.channels[0].iter().zip(&chunk.channels[1]).all(|(a, b)| *a == b * 2.0));
            assert_eq!(chunk.samples(), chunk.channels[1].len());
        }
    }
}
