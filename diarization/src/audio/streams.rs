//! Streams: several tracks side by side, each mixed to one channel of its own.

use super::error::AudioError;
use super::source::{Block, Source};
use super::warnings::Warnings;
use super::{AudioStream, SAMPLE_RATE};

/// The tracks, each read on its own: a track that lies far behind the others in the file makes nobody wait in memory.
pub(super) struct Streams(Vec<Track>);

struct Track {
    number: usize,
    /// Empty once it has ended.
    stream: Option<AudioStream>,
    ready: Vec<f32>,
}

impl Streams {
    /// Of streams with the numbers of their tracks.
    pub(super) fn new(streams: Vec<(usize, AudioStream)>) -> Self {
        let track = |(number, stream)| Track { number, stream: Some(stream), ready: Vec::new() };
        Self(streams.into_iter().map(track).collect())
    }
}

impl Track {
    /// Sees to it that something is ready, or that the track has ended.
    fn fill(&mut self, warnings: &mut Warnings) -> Result<(), AudioError> {
        let Some(stream) = &mut self.stream else { return Ok(()) };
        if !self.ready.is_empty() {
            return Ok(());
        }
        match stream.next_samples() {
            Ok(Some(samples)) => {
                self.ready = samples;
                return Ok(());
            }
            Ok(None) => {}
            Err(error @ (AudioError::GivenUp | AudioError::Read(_))) => return Err(error),
            Err(error) => warnings.push(format!("audio track {}: {error}", self.number)),
        }
        for note in stream.warnings() {
            warnings.push(format!("audio track {}: {note}", self.number));
        }
        self.stream = None;
        Ok(())
    }
}

impl Source for Streams {
    fn next_block(&mut self, warnings: &mut Warnings) -> Result<Option<Block>, AudioError> {
        for track in &mut self.0 {
            track.fill(warnings)?;
        }
        let lengths = self.0.iter().filter(|track| !track.ready.is_empty()).map(|track| track.ready.len());
        let Some(length) = lengths.min() else { return Ok(None) };
        let channels = self.0.len();
        let mut samples = vec![0.0; length * channels];
        for (channel, track) in self.0.iter_mut().enumerate() {
            // What has ended is silent.
            for (at, sample) in track.ready.drain(..length.min(track.ready.len())).enumerate() {
                samples[at * channels + channel] = sample;
            }
        }
        Ok(Some(Block { samples, channels, rate: SAMPLE_RATE }))
    }
}
