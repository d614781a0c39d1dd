//! The fixed grid that the analysis runs on: frames, windows, blocks and chunks.
//!
//! A block is analysed from the same samples whichever chunk carries it, so the result cannot depend on how a
//! recording was cut. All positions are counted from the first sample of the recording.

use std::ops::Range;

/// Samples per second of everything past the decoder.
pub const SAMPLE_RATE: u32 = 16_000;
/// Samples between two segmentation frames (16.875 ms).
pub const FRAME_HOP: usize = 270;
/// Samples of one segmentation window (10 s).
pub const WINDOW_SAMPLES: usize = 160_000;
/// Frames that the segmentation model returns for one window.
pub const WINDOW_FRAMES: usize = 589;
/// Frames between the starts of two windows.
pub const STEP_FRAMES: usize = 148;
/// Samples between the starts of two windows (2.4975 s).
pub const STEP_SAMPLES: usize = STEP_FRAMES * FRAME_HOP;
/// Windows that start in one block.
pub const BLOCK_WINDOWS: usize = 24;
/// Frames that one block owns.
pub const BLOCK_FRAMES: usize = BLOCK_WINDOWS * STEP_FRAMES;
/// Samples between the starts of two blocks (59.94 s); a multiple of the frame hop and of the filter-bank hop.
pub const BLOCK_SAMPLES: usize = BLOCK_FRAMES * FRAME_HOP;
/// Windows before a block that also cover frames of it.
pub const LEAD_WINDOWS: usize = 3;
/// Samples after a block that its last window and its last filter-bank frames need.
pub const TAIL_SAMPLES: usize = 120_960;
/// Blocks in a chunk unless the caller says otherwise (about 300 s).
pub const DEFAULT_CHUNK_BLOCKS: usize = 5;
/// Most blocks one chunk may have (about 20 minutes, 77 MB of samples): bounds what a worker holds.
pub const MAX_CHUNK_BLOCKS: usize = 20;

/// Duration of one frame in seconds.
pub const FRAME_SECONDS: f64 = FRAME_HOP as f64 / SAMPLE_RATE as f64;

/// Twice the sample at which speech begins that is heard from frame 0 on: the model's receptive field is 991 samples wide, so frame `i` is
/// centred at `270 i + 495.5`. A border is put at the centre of the first frame after it, as the model's authors do (docs/decisions/0009).
const FRAME_ORIGIN_TWICE: f64 = 991.0;

/// Time in seconds at which speech begins that is heard from `frame` on, and ends that is heard up to it.
pub fn frame_start_seconds(frame: usize) -> f64 {
    (2.0 * (frame * FRAME_HOP) as f64 + FRAME_ORIGIN_TWICE) / (2.0 * f64::from(SAMPLE_RATE))
}

/// The frame whose [start](frame_start_seconds) is nearest to a time; the first for what comes before it.
pub fn nearest_frame(seconds: f64) -> usize {
    let frames = (2.0 * seconds * f64::from(SAMPLE_RATE) - FRAME_ORIGIN_TWICE) / (2.0 * FRAME_HOP as f64);
    frames.round().max(0.0) as usize
}

/// Number of frames of a recording of `samples` samples.
pub fn frame_count(samples: usize) -> usize {
    samples.div_ceil(FRAME_HOP)
}

/// Number of blocks of a recording of `samples` samples; 0 only for an empty one.
pub fn block_count(samples: usize) -> usize {
    samples.div_ceil(BLOCK_SAMPLES)
}

/// Index of the last window of a recording (or of a run of samples that starts at 0) of `samples` samples: the first
/// window that reaches its end. It is zero-padded where it reaches past it.
pub(crate) fn last_window(samples: usize) -> usize {
    samples.saturating_sub(WINDOW_SAMPLES).div_ceil(STEP_SAMPLES)
}

/// Consecutive blocks that travel as one job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// First block of the chunk.
    pub first_block: usize,
    /// Number of blocks, at least 1.
    pub blocks: usize,
}

impl Chunk {
    /// Chunk number `index` where every chunk has `chunk_blocks` blocks.
    pub fn nth(index: usize, chunk_blocks: usize) -> Self {
        Self { first_block: index * chunk_blocks, blocks: chunk_blocks }
    }

    /// Samples of the recording that the analysis of this chunk reads, if the recording is long enough to have them.
    pub fn sample_range(&self) -> Range<usize> {
        let first_window = (self.first_block * BLOCK_WINDOWS).saturating_sub(LEAD_WINDOWS);
        first_window * STEP_SAMPLES..(self.first_block + self.blocks) * BLOCK_SAMPLES + TAIL_SAMPLES
    }
}

/// Windows, first and last, that cover frames of `block` in a recording that ends at sample `end`; `None` where
/// no window reaches into the block (it then holds a few frames past the last window, which are silent).
pub fn windows_of_block(block: usize, end: usize) -> Option<std::ops::RangeInclusive<usize>> {
    let first = (block * BLOCK_WINDOWS).saturating_sub(LEAD_WINDOWS);
    let last = ((block + 1) * BLOCK_WINDOWS - 1).min(last_window(end));
    (first <= last).then_some(first..=last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_rounded_to_milliseconds_is_of_its_frame() {
        for frame in (0..200_000).step_by(37) {
            let shown = (frame_start_seconds(frame) * 1000.0).round() / 1000.0;
            assert_eq!(nearest_frame(shown), frame);
        }
        assert_eq!(nearest_frame(-5.0), 0);
    }

    #[test]
    fn both_hops_divide_the_block() {
        assert_eq!(BLOCK_SAMPLES, 959_040);
        assert_eq!(BLOCK_SAMPLES % FRAME_HOP, 0);
        assert_eq!(BLOCK_SAMPLES % 160, 0);
    }

    #[test]
    fn the_tail_covers_the_last_window_of_a_block() {
        let last_window_end = (BLOCK_WINDOWS - 1) * STEP_SAMPLES + WINDOW_SAMPLES;
        assert!(BLOCK_SAMPLES + TAIL_SAMPLES >= last_window_end);
    }

    #[test]
    fn every_window_that_reaches_into_a_block_is_among_its_windows() {
        let end = 10 * BLOCK_SAMPLES;
        for block in 0..9 {
            let frames = block * BLOCK_FRAMES..(block + 1) * BLOCK_FRAMES;
            let windows = windows_of_block(block, end).expect("a block in the middle has windows");
            for window in 0..=last_window(end) {
                let covers =
                    window * STEP_FRAMES < frames.end && window * STEP_FRAMES + WINDOW_FRAMES > frames.start;
                assert_eq!(covers, windows.contains(&window), "block {block} window {window}");
            }
        }
    }

    #[test]
    fn the_windows_of_a_block_are_the_same_seen_from_its_chunk_and_from_the_whole_file() {
        for extra in [1, 100, 39_960, 120_000, 120_039, 120_040, 120_041, 120_960, 500_000] {
            let whole = 3 * BLOCK_SAMPLES + extra;
            for block in 0..3 {
                let seen = Chunk { first_block: block, blocks: 1 }.sample_range().end.min(whole);
                assert_eq!(
                    windows_of_block(block, seen),
                    windows_of_block(block, whole),
                    "block {block} extra {extra}"
                );
            }
        }
    }

    #[test]
    fn a_recording_of_one_sample_has_one_block_and_one_window() {
        assert_eq!((block_count(1), frame_count(1)), (1, 1));
        assert_eq!(windows_of_block(0, 1), Some(0..=0));
    }
}
