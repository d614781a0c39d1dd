//! Due: what a packet has brought, handed out in blocks. Silence that fills a hole is made block by block: a minute of 64
//! channels at 768 kHz would take 12 GB.

use super::source::Block;
use super::timeline::Placed;

/// Values of silence in a block.
const BLOCK: usize = 1 << 16;

/// Sound that is still to be handed out: samples held back before, silence, samples.
#[derive(Debug, Default)]
pub(super) struct Due {
    before: Vec<f32>,
    silence: u64,
    after: Vec<f32>,
    rate: u32,
    channels: usize,
}

impl Due {
    /// Of a packet that was placed; `rate` in Hz.
    pub(super) fn of(placed: Placed, rate: u32, channels: usize) -> Self {
        Self { before: placed.before, silence: placed.silence, after: placed.samples, rate, channels }
    }
}

impl Iterator for Due {
    type Item = Block;

    fn next(&mut self) -> Option<Block> {
        let samples = if !self.before.is_empty() {
            std::mem::take(&mut self.before)
        } else if self.silence > 0 {
            let frames = self.silence.min((BLOCK / self.channels.max(1)).max(1) as u64);
            self.silence -= frames;
            vec![0.0; frames as usize * self.channels]
        } else {
            std::mem::take(&mut self.after)
        };
        (!samples.is_empty()).then_some(Block { samples, channels: self.channels, rate: self.rate })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_comes_between_the_sounds_and_in_pieces() {
        let placed = Placed { before: vec![1.0; 4], silence: 100_000, samples: vec![2.0; 6], step: None };
        let blocks: Vec<Block> = Due::of(placed, 48_000, 2).collect();
        assert!(blocks.iter().all(|block| block.samples.len() <= BLOCK));
        let all: Vec<f32> = blocks.into_iter().flat_map(|block| block.samples).collect();
        assert_eq!((all.len(), all[3], all[4], all[200_003], all[200_004]), (200_010, 1.0, 0.0, 0.0, 2.0));
        assert_eq!(Due::default().count(), 0);
    }
}
