//! WAV files to their end, and not only to where their header says that it is.

use std::fs::File;
use std::io::{BufReader, Seek, SeekFrom};

use super::error::AudioError;
use super::pcm::PcmSource;
use super::pcm_header::PcmHeader;
use super::source::{Block, Source};
use super::warnings::Warnings;
use super::wave_rest::{Rest, rest};

/// A WAV file, and what is joined to it.
pub(super) struct WaveSource {
    /// Empty between one run of samples and the next.
    pcm: Option<PcmSource<BufReader<File>>>,
    length: u64,
    format: &'static str,
}

impl WaveSource {
    /// `reader` stands at the first sample of a file of `length` bytes.
    pub(super) fn new(
        reader: BufReader<File>,
        header: PcmHeader,
        length: u64,
        format: &'static str,
    ) -> Result<Self, AudioError> {
        Ok(Self { pcm: Some(PcmSource::new(reader, header, format)?), length, format })
    }

    /// Goes to the samples that come next, if there are any.
    fn go_on(&mut self, warnings: &mut Warnings) -> Result<bool, AudioError> {
        let Some(pcm) = &mut self.pcm else { return Ok(false) };
        let Some((reader, before)) = pcm.ended() else { return Ok(false) };
        let end = reader.stream_position().map_err(AudioError::Read)?;
        let (header, at) = match rest(reader, before, end, self.length)? {
            Rest::Nothing => return Ok(false),
            Rest::Samples { header, at } => (header, at),
            Rest::Uncovered { at } => {
                let per_s = f64::from(before.rate) * (before.width * before.channels) as f64;
                let said = pcm.read_s();
                warnings.push(format!(
                    "the header says {said:.1} s of audio, but the file goes on: {:.1} s were read",
                    said + self.length.saturating_sub(at) as f64 / per_s
                ));
                (PcmHeader { data_len: None, ..before }, at)
            }
        };
        let Some(mut reader) = self.pcm.take().map(PcmSource::into_reader) else { return Ok(false) };
        reader.seek(SeekFrom::Start(at)).map_err(AudioError::Read)?;
        match PcmSource::new(reader, header, self.format) {
            Ok(pcm) => self.pcm = Some(pcm),
            Err(error) => {
                warnings.push(format!("another recording is joined to this one and was left out: {error}"));
                return Ok(false);
            }
        }
        Ok(true)
    }
}

impl Source for WaveSource {
    fn next_block(&mut self, warnings: &mut Warnings) -> Result<Option<Block>, AudioError> {
        loop {
            let Some(pcm) = &mut self.pcm else { return Ok(None) };
            if let Some(block) = pcm.next_block(warnings)? {
                return Ok(Some(block));
            }
            if !self.go_on(warnings)? {
                self.pcm = None;
                return Ok(None);
            }
        }
    }
}
