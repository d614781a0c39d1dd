//! Any audio or video file in, 16 kHz mono samples out, as a stream of bounded memory.
//!
//! ```no_run
//! # fn main() -> Result<(), diarization::audio::AudioError> {
//! let mut stream = diarization::audio::open(std::path::Path::new("meeting.opus"))?;
//! while let Some(samples) = stream.next_samples()? {
//!     println!("{} samples at {} Hz", samples.len(), diarization::audio::SAMPLE_RATE);
//! }
//! for note in stream.warnings() {
//!     eprintln!("{note}");
//! }
//! # Ok(()) }
//! ```
//!
//! The stages, one per file: `sniff` names the format by its content, and `opening` who reads it; `wave`, `packets` or `ffmpeg` decode
//! it, where `placer` puts every block at its time on the file's own clock (`timeline`, `filling`); `lanes` makes it mono (`downmix`), or
//! carries two channels side by side, and 16 kHz (`resample`). Which of these, `sides` and `plan` decide where a file is read twice.
//! `joined` reads streams that change shape midway, `streams` several tracks at once. The same file always gives bit-identical samples.

mod container;
mod downmix;
mod due;
mod ebml;
mod edit_list;
mod error;
mod ffmpeg;
mod ffprobe;
mod filling;
mod give_up;
mod joined;
mod lanes;
mod mkv_end;
mod mkv_pcm;
mod mkv_tracks;
mod mpeg_frames;
mod opening;
mod packets;
mod pcm;
mod pcm_header;
mod placer;
mod plan;
mod plausible;
mod resample;
mod sides;
mod sniff;
mod source;
mod streams;
mod timeline;
mod vorbis_setup;
mod warnings;
mod watched;
mod wave;
mod wave_rest;

use std::path::Path;

pub use error::AudioError;
pub use give_up::GiveUp;
pub use plan::{Layout, SIDE_LEVEL_DB, Wish};
pub use plausible::longest_seconds;
pub(crate) use sides::APART_DB;
pub use sides::Heard;

use crate::tracks::Tracks;
use lanes::Lanes;
use opening::open_tracks;
use plan::Found;
use sides::Sides;
use sniff::{Sniffed, sniff};
use source::{Block, Source};
use warnings::Warnings;

/// The media type of a file that begins with `head`, such as `audio/ogg`, by its content alone; `None` of what is not audio, and of
/// audio that no browser plays.
pub fn media_type(head: &[u8]) -> Option<&'static str> {
    match sniff(&mut std::io::Cursor::new(head)) {
        Ok(Sniffed::Known(format, _)) => sniff::media_type(format),
        _ => None,
    }
}

/// Samples per second of everything this module gives out.
pub const SAMPLE_RATE: u32 = 16_000;
/// The lowest sample rate accepted, in Hz: below it there is no speech to hear.
pub const MIN_SOURCE_RATE: u32 = 4_000;
/// The highest sample rate accepted, in Hz.
pub const MAX_SOURCE_RATE: u32 = 768_000;
/// The most channels accepted.
pub const MAX_CHANNELS: usize = 64;

/// Samples per call of [`AudioStream::next_samples`] at most: one second.
const CHUNK: usize = SAMPLE_RATE as usize;
/// Louder than any float file should be; keeps sums finite.
const LOUDEST: f32 = 1e9;

/// Facts from the headers.
#[derive(Debug, Clone, PartialEq)]
pub struct AudioInfo {
    /// The codec and container in words, such as "Opus in Ogg".
    pub container_or_codec: String,
    /// Sample rate of the file in Hz.
    pub source_rate: u32,
    /// Channels of the track, at least 1; of all tracks together, one for each.
    pub channels: usize,
    /// Audio tracks of the file, at least 1.
    pub tracks: usize,
    /// Length in s as the header has it: absent for streams, an estimate for some formats.
    pub duration_hint_s: Option<f64>,
}

/// An open file that gives its audio in order.
pub struct AudioStream {
    info: AudioInfo,
    /// Number of the track that is heard, from 1.
    track: usize,
    source: Box<dyn Source>,
    layout: Layout,
    convert: Option<Convert>,
    /// Seconds of the conversions before that, of which each rounds to a sample.
    converted_s: f64,
    /// Per channel of the layout; all of one length.
    ready: Vec<Vec<f32>>,
    delivered: u64,
    not_finite: u64,
    ended: bool,
    warnings: Warnings,
    give_up: GiveUp,
}

/// The conversion for one rate and channel count; a chained stream may change them midway.
struct Convert {
    shape: (u32, usize),
    frames: u64,
    lanes: Lanes,
}

/// Opens any supported file; reads headers only. The content decides what it is, not the name.
///
/// # Errors
///
/// Fails when the file cannot be read, is not audio, is damaged beyond reading, has no audio track, or needs
/// a decoder that is not there; see [`AudioError`].
pub fn open(path: &Path) -> Result<AudioStream, AudioError> {
    open_until(path, &GiveUp::default())
}

/// As [`open`]; `give_up` ends the stream from another thread.
///
/// # Errors
///
/// Those of [`open`], and [`AudioError::GivenUp`].
pub fn open_until(path: &Path, give_up: &GiveUp) -> Result<AudioStream, AudioError> {
    open_tracks(path, Tracks::Default, give_up)
}

/// As [`open_until`], but which tracks are heard and what becomes of the channels is as `wish` says. A file of two channels is read to its end once before, or
/// as far as `most_seconds`: whether they are two sides, and how loud, is only known then.
///
/// # Errors
///
/// Those of [`open_until`], those of reading, [`AudioError::Separate`] and [`AudioError::NoSuchTrack`].
pub fn open_for(
    path: &Path,
    wish: Wish,
    most_seconds: u64,
    give_up: &GiveUp,
) -> Result<AudioStream, AudioError> {
    let mut stream = open_tracks(path, wish.tracks, give_up)?;
    let found = match stream.info.channels {
        2 => open_tracks(path, wish.tracks, give_up)?.survey(most_seconds)?,
        channels => Found::Channels(channels),
    };
    let (layout, warning) = plan::plan(wish, found)?;
    stream.ready = vec![Vec::new(); layout.channels()];
    stream.layout = layout;
    warning.into_iter().for_each(|warning| stream.warnings.push(warning));
    Ok(stream)
}

/// Relation of the two channels of a file; `None` where it has another number of them. For measurements:
/// [`open_for`] asks by itself.
///
/// # Errors
///
/// Those of [`open`] and of reading.
pub fn heard_of(path: &Path) -> Result<Option<Heard>, AudioError> {
    Ok(match open(path)?.survey(u64::MAX)? {
        Found::Two(heard) => Some(heard),
        _ => None,
    })
}

impl AudioStream {
    fn new(info: AudioInfo, source: Box<dyn Source>) -> Self {
        Self {
            info,
            track: 1,
            source,
            layout: Layout::Mix(None),
            convert: None,
            converted_s: 0.0,
            ready: vec![Vec::new()],
            delivered: 0,
            not_finite: 0,
            ended: false,
            warnings: Warnings::default(),
            give_up: GiveUp::default(),
        }
    }

    /// Facts from the headers, as read when the file was opened.
    pub fn info(&self) -> &AudioInfo {
        &self.info
    }

    /// Channels that are handed out, and how they are made from those of the file.
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// The next 1 to 16 000 samples of the only channel, or of the first where both are carried; `None` at the end.
    ///
    /// # Errors
    ///
    /// Those of [`next_channels`](Self::next_channels).
    pub fn next_samples(&mut self) -> Result<Option<Vec<f32>>, AudioError> {
        Ok(self.next_channels()?.map(|mut channels| channels.swap_remove(0)))
    }

    /// The next 1 to 16 000 samples at 16 kHz of each channel of the [layout](Self::layout), nominally -1 to 1 and always finite; `None`
    /// at the end. Sample `k` of the whole stream is the sound at `k / 16000` s of the file.
    ///
    /// # Errors
    ///
    /// [`AudioError::NoAudio`] when the file ends without a single sample, and errors of reading or of
    /// ffmpeg. Damage that can be passed over is no error but a line of [`AudioStream::warnings`].
    pub fn next_channels(&mut self) -> Result<Option<Vec<Vec<f32>>>, AudioError> {
        while self.ready[0].len() < CHUNK && !self.ended {
            match self.next_block()? {
                Some(block) => self.take(block)?,
                None => self.finish()?,
            }
        }
        let length = self.ready[0].len().min(CHUNK);
        if length == 0 {
            return Ok(None);
        }
        self.delivered += length as u64;
        let cut = |ready: &mut Vec<f32>| {
            let rest = ready.split_off(length);
            std::mem::replace(ready, rest)
        };
        Ok(Some(self.ready.iter_mut().map(cut).collect()))
    }

    fn next_block(&mut self) -> Result<Option<Block>, AudioError> {
        // An error is final: a caller that asks again is told the end.
        let block = self.source.next_block(&mut self.warnings).inspect_err(|_| self.ended = true);
        if self.give_up.is_asked() {
            self.ended = true;
            self.ready.iter_mut().for_each(Vec::clear);
            return Err(AudioError::GivenUp);
        }
        let mut block = block?;
        for x in block.iter_mut().flat_map(|block| &mut block.samples) {
            if !x.is_finite() {
                *x = 0.0;
                self.not_finite += 1;
            }
            *x = x.clamp(-LOUDEST, LOUDEST);
        }
        Ok(block)
    }

    /// Reads the first `most_seconds` for what they say of the channels.
    fn survey(mut self, most_seconds: u64) -> Result<Found, AudioError> {
        let mut sides: Option<Sides> = None;
        let mut seconds = 0.0;
        while seconds <= most_seconds as f64 {
            let Some(block) = self.next_block()? else { break };
            seconds += block.samples.len() as f64 / (block.channels as f64 * f64::from(block.rate));
            match (&mut sides, block.channels) {
                (sides, 2) => {
                    sides.get_or_insert_with(|| Sides::new(block.rate)).push(&block.samples, block.rate);
                }
                (None, channels) => return Ok(Found::Channels(channels)),
                (Some(_), _) => return Ok(Found::Changing),
            }
        }
        Ok(sides.map_or(Found::Changing, |sides| Found::Two(sides.heard())))
    }

    /// Damage that was skipped, in words for the user; complete after the end. Empty for a sound
    /// file, at most 21 lines for a damaged one.
    pub fn warnings(&self) -> &[String] {
        self.warnings.notes()
    }

    fn take(&mut self, block: Block) -> Result<(), AudioError> {
        let shape = (block.rate, block.channels);
        if self.convert.as_ref().is_some_and(|convert| convert.shape != shape) {
            self.flush()?;
        }
        let convert = match &mut self.convert {
            Some(convert) => convert,
            none => {
                let lanes = Lanes::new(self.layout, block.channels, block.rate)?;
                none.insert(Convert { shape, frames: 0, lanes })
            }
        };
        convert.frames += (block.samples.len() / block.channels) as u64;
        convert.lanes.push(block.samples, &mut self.ready)
    }

    fn flush(&mut self) -> Result<(), AudioError> {
        let Some(Convert { shape: (rate, _), frames, lanes }) = self.convert.take() else { return Ok(()) };
        lanes.finish(&mut self.ready)?;
        if self.converted_s > 0.0 {
            // Not so much as a sample is gained or lost at a change, however many there are.
            let samples = ((self.converted_s + frames as f64 / f64::from(rate)) * f64::from(SAMPLE_RATE))
                .round() as u64;
            let length = samples.saturating_sub(self.delivered) as usize;
            self.ready.iter_mut().for_each(|ready| ready.resize(length, 0.0));
        }
        self.converted_s += frames as f64 / f64::from(rate);
        Ok(())
    }

    fn finish(&mut self) -> Result<(), AudioError> {
        self.ended = true;
        self.flush()?;
        if self.not_finite > 0 {
            self.warnings.push(format!(
                "{} samples were not numbers (NaN or infinite) and were silenced",
                self.not_finite
            ));
        }
        if self.delivered == 0 && self.ready[0].is_empty() {
            let detail = self.warnings.notes().first().map_or_else(String::new, |note| format!(" ({note})"));
            return Err(AudioError::NoAudio { detail });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
