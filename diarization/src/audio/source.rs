//! The common face of the three decoders: blocks of interleaved samples at the file's own rate.

use super::error::AudioError;
use super::warnings::Warnings;

/// A run of decoded audio.
#[derive(Debug)]
pub(super) struct Block {
    /// Interleaved samples, nominally -1 to 1: frame 0 channel 0, frame 0 channel 1, ...
    pub(super) samples: Vec<f32>,
    /// Channels per frame, at least 1.
    pub(super) channels: usize,
    /// Frames per second.
    pub(super) rate: u32,
}

/// Something that yields the audio of one file in order.
pub(super) trait Source: Send {
    /// The next block, `None` at the end. Damage that was passed over is noted in `warnings`; an
    /// error means that nothing more can be read.
    fn next_block(&mut self, warnings: &mut Warnings) -> Result<Option<Block>, AudioError>;
}

/// Refuses rates and channel counts that no recording has, before anything is sized by them.
pub(super) fn check_shape(rate: u32, channels: usize) -> Result<(), AudioError> {
    if !(super::MIN_SOURCE_RATE..=super::MAX_SOURCE_RATE).contains(&rate) {
        return Err(AudioError::SampleRate(rate));
    }
    if channels == 0 || channels > super::MAX_CHANNELS {
        return Err(AudioError::Channels(channels));
    }
    Ok(())
}
