//! Lanes: interleaved frames of one shape to 16 kHz, mixed to one channel or as two side by side.

use super::downmix::Downmix;
use super::error::AudioError;
use super::plan::Layout;
use super::resample::Resample;

/// The conversion of frames of one rate and number of channels.
pub(super) enum Lanes {
    /// To one channel.
    Mixed { layout: Layout, downmix: Box<Downmix>, resample: Box<Resample>, mono: Vec<f32> },
    /// To two.
    Apart { gains: [f32; 2], resample: Box<[Resample; 2]>, side: Vec<f32> },
}

impl Lanes {
    /// For frames of `channels` at `rate` Hz. What has not two channels is mixed in any case, into the first where two are carried.
    pub(super) fn new(layout: Layout, channels: usize, rate: u32) -> Result<Self, AudioError> {
        Ok(match layout {
            Layout::Separate(gains) if channels == 2 => {
                let resample = Box::new([Resample::new(rate)?, Resample::new(rate)?]);
                Self::Apart { gains, resample, side: Vec::new() }
            }
            layout => Self::Mixed {
                layout: if channels == 2 { layout } else { Layout::Mix(None) },
                downmix: Box::new(Downmix::new(if layout.is_one_of(channels) { 1 } else { channels }, rate)),
                resample: Box::new(Resample::new(rate)?),
                mono: Vec::new(),
            },
        })
    }

    /// Takes whole frames and appends what is ready to `out`, which has one or two channels.
    pub(super) fn push(&mut self, mut frames: Vec<f32>, out: &mut [Vec<f32>]) -> Result<(), AudioError> {
        match self {
            Self::Mixed { layout, downmix, resample, mono } => {
                match layout {
                    Layout::Mix(Some([a, b])) => {
                        for pair in frames.as_chunks_mut::<2>().0 {
                            *pair = [pair[0] * *a, pair[1] * *b];
                        }
                    }
                    Layout::Only(channel) => {
                        frames = frames.as_chunks::<2>().0.iter().map(|pair| pair[*channel]).collect();
                    }
                    Layout::Mix(None) | Layout::Separate(_) => {}
                }
                mono.clear();
                downmix.push(&frames, mono);
                resample.push(mono, &mut out[0])?;
                level(out);
            }
            Self::Apart { gains, resample, side } => {
                for (channel, (resample, out)) in resample.iter_mut().zip(out).enumerate() {
                    side.clear();
                    side.extend(frames.as_chunks::<2>().0.iter().map(|pair| pair[channel] * gains[channel]));
                    resample.push(side, out)?;
                }
            }
        }
        Ok(())
    }

    /// Appends what is left.
    pub(super) fn finish(self, out: &mut [Vec<f32>]) -> Result<(), AudioError> {
        match self {
            Self::Mixed { mut downmix, mut resample, mut mono, .. } => {
                mono.clear();
                downmix.finish(&mut mono);
                resample.push(&mono, &mut out[0])?;
                resample.finish(&mut out[0])?;
                level(out);
            }
            Self::Apart { mut resample, .. } => {
                for (resample, out) in resample.iter_mut().zip(out) {
                    resample.finish(out)?;
                }
            }
        }
        Ok(())
    }
}

/// Silence where only the first channel was given something.
fn level(out: &mut [Vec<f32>]) {
    if let [first, second] = out {
        second.resize(first.len(), 0.0);
    }
}
