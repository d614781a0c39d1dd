//! Opens a container with the built-in demuxers: finds the track to hear and a decoder for it.

use std::fs::File;
use std::io::{BufReader, Seek, SeekFrom};
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, LazyLock};

use symphonia::core::codecs::CodecParameters;
use symphonia::core::codecs::audio::well_known::{CODEC_ID_OPUS, CODEC_ID_VORBIS};
use symphonia::core::codecs::audio::{AudioCodecParameters, AudioDecoder, AudioDecoderOptions};
use symphonia::core::codecs::registry::CodecRegistry;
use symphonia::core::errors::Error;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatOptions, FormatReader, Track, TrackFlags, TrackType};
use symphonia::core::io::{MediaSource, MediaSourceStream, ReadOnlySource};
use symphonia::core::meta::MetadataOptions;
use symphonia::core::units::TimeBase;

use super::edit_list::{self, Edits};
use super::error::AudioError;
use super::give_up::GiveUp;
use super::mkv_end;
use super::mkv_tracks::audio_tracks;
use super::sniff::Format;
use super::source::check_shape;
use super::vorbis_setup;
use super::watched::{Watch, Watched};

/// The rate that Opus works at, in Hz.
const OPUS_RATE: u32 = 48_000;

static CODECS: LazyLock<CodecRegistry> = LazyLock::new(|| {
    let mut codecs = CodecRegistry::new();
    symphonia::default::register_enabled_codecs(&mut codecs);
    codecs.register_audio_decoder::<symphonia_adapter_libopus::OpusDecoder>();
    codecs
});

/// Decoders of the built-in formats are safe code: on crafted input they may panic but not do harm. A
/// panic is damage of the file like any other, `None` here.
pub(super) fn guarded<T>(work: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(work)).ok()
}

/// The track that will be heard.
pub(super) struct Picked {
    pub(super) id: u32,
    pub(super) decoder: Box<dyn AudioDecoder>,
    pub(super) time_base: TimeBase,
    /// Encoder delay to drop at the start, in s.
    pub(super) delay_s: f64,
    /// True where time stamps count from before that delay, and not from behind it.
    pub(super) delay_is_stamped: bool,
    /// Time of the file before the track begins, in s.
    pub(super) pause_s: f64,
    /// Vorbis drops its own lead-in; the demuxer marks it again.
    pub(super) own_lead_in: bool,
    pub(super) codec: String,
    pub(super) rate: u32,
    pub(super) channels: usize,
    pub(super) duration_s: Option<f64>,
}

/// An open container.
pub(super) struct Container {
    pub(super) reader: Box<dyn FormatReader>,
    pub(super) watch: Arc<Watch>,
    pub(super) picked: Picked,
    pub(super) hints: Hints,
    /// Number of the audio track that is heard, from 1, and of all audio tracks.
    pub(super) track: usize,
    pub(super) tracks: usize,
    /// Time from the file's start to its end by its own word, in s.
    pub(super) length_s: Option<f64>,
    /// True where the duration is a fact of the header and not an estimate.
    pub(super) duration_exact: bool,
    /// True where time stamps are exact to the sample, so that a small step is already a hole.
    pub(super) times_exact: bool,
    /// True where running into the end of the file is the regular end of this one.
    pub(super) open_ended: bool,
    /// True where the file is shorter than its own structure says.
    pub(super) cut_off: bool,
}

/// Facts of our own look at the container that go beyond the demuxer's, and the wanted track.
#[derive(Default)]
pub(super) struct Hints {
    /// Track that is wanted.
    wanted: Wanted,
    /// The audio tracks in file order, where we know more of them than the demuxer does.
    audio: Vec<u32>,
    /// Tracks marked as default.
    defaults: Vec<u32>,
    /// Edit lists.
    edits: Vec<Edits>,
}

/// Track that is wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Wanted {
    /// The one that is marked as default, else the first whose codec is known.
    #[default]
    Default,
    /// The same, but a default track whose codec is unknown is passed over for another one, and pieces are read in the order in which
    /// they lie in the file.
    Any,
    /// The audio track of this number, from 1.
    Number(usize),
}

/// Opens `file`, or a part of it. [`AudioError::UnsupportedCodec`] means that ffmpeg may know more.
pub(super) fn open(
    mut file: File,
    format: Format,
    part: Option<Range<u64>>,
    wanted: Wanted,
    give_up: &GiveUp,
) -> Result<Container, AudioError> {
    let watch = Watch::new(give_up);
    let mut hints = Hints { wanted, ..Hints::default() };
    let mut cut_off = false;
    let mut length_s = None;
    match format.demuxer {
        "mov" => {
            let movie = edit_list::read(&mut BufReader::new(&mut file));
            (hints.audio, hints.edits) = (movie.audio, movie.tracks);
            (length_s, cut_off) = (movie.duration_s, movie.cut_off);
        }
        "matroska" => {
            let tracks = audio_tracks(&mut BufReader::new(&mut file));
            hints.audio = tracks.iter().map(|track| track.id).collect();
            hints.defaults = tracks.iter().filter(|track| track.is_default).map(|track| track.id).collect();
        }
        _ => {}
    }
    let whole =
        (!cut_off).then(|| probe(Box::new(rewound(&file, part.clone(), &watch)?), format.name, &watch));
    let reader = match whole {
        Some(Err(AudioError::Damaged { .. })) if format.demuxer == "matroska" => {
            cut_off = true;
            None
        }
        other => other,
    };
    // The readers refuse a file shorter than its header says, but not a stream of unknown length.
    let reader = match reader {
        Some(reader) => reader?,
        None => {
            probe(Box::new(ReadOnlySource::new(rewound(&file, part.clone(), &watch)?)), format.name, &watch)?
        }
    };
    let picked = pick(reader.as_ref(), format.name, &hints)?;
    let edits = hints.edits.iter().find(|edits| edits.id == picked.id);
    if wanted != Wanted::Any && edits.is_some_and(|edits| edits.pieces > 1) {
        let codec = format!("{} in pieces that an editor put in order", picked.codec);
        return Err(AudioError::UnsupportedCodec { format: format.name.into(), codec });
    }
    let ids = audio_ids(reader.as_ref(), &hints);
    let track = ids.iter().position(|&id| id == picked.id).map_or(1, |at| at + 1);
    let kind = reader.format_info().short_name;
    let delay_known = reader.tracks().iter().any(|track| track.id == picked.id && track.delay.is_some());
    let duration_exact = match kind {
        // Only a LAME header counts frames; without one the length is guessed from the bit rate.
        "mp1" | "mp2" | "mp3" => delay_known,
        "aac" => false,
        // Matroska has one duration for all tracks; another may be longer than this.
        "matroska" => reader.tracks().len() == 1,
        _ => true,
    };
    // Matroska rounds to 1 ms and carries the jitter of a live recorder; MP4 is like it.
    let times_exact = !matches!(kind, "matroska" | "isomp4");
    let open_ended = kind == "matroska" && picked.duration_s.is_none() && !cut_off;
    let length_s = match kind {
        // The length of a track is the sum of what its packets say, a hole among them.
        "isomp4" => length_s,
        "matroska" => picked.duration_s.or_else(|| latest_s(&file)),
        _ => picked.duration_s.filter(|_| duration_exact),
    };
    Ok(Container {
        reader,
        watch,
        picked,
        hints,
        track,
        tracks: ids.len().max(1),
        length_s,
        duration_exact,
        times_exact,
        open_ended,
        cut_off,
    })
}

/// End in s of a Matroska file that does not state it. The demuxer reads from the same position of the file, so the position is put back.
fn latest_s(mut file: &File) -> Option<f64> {
    let at = file.stream_position().ok()?;
    let latest = mkv_end::latest_s(file);
    file.seek(SeekFrom::Start(at)).ok()?;
    latest
}

/// The same file from its start; the copy shares the position, so only one may read at a time.
fn rewound(file: &File, part: Option<Range<u64>>, watch: &Arc<Watch>) -> Result<Watched, AudioError> {
    let twin = file.try_clone().map_err(AudioError::Read)?;
    Watched::new(twin, part, watch.clone()).map_err(AudioError::Read)
}

fn probe(
    source: Box<dyn MediaSource>,
    format: &str,
    watch: &Watch,
) -> Result<Box<dyn FormatReader>, AudioError> {
    let stream = MediaSourceStream::new(source, Default::default());
    let (options, meta) = (FormatOptions::default(), MetadataOptions::default());
    watch.opening(format);
    let reader = guarded(|| symphonia::default::get_probe().probe(&Hint::new(), stream, options, meta));
    let damaged = |reason: &str| AudioError::Damaged { format: format.into(), reason: reason.into() };
    match reader {
        Some(Ok(reader)) => Ok(reader),
        // Not a matter of the codec: no other program can help.
        Some(Err(Error::Unsupported(why))) if why.contains("missing") || why.contains("no suitable") => {
            Err(damaged(why))
        }
        Some(Err(Error::Unsupported(why))) => {
            Err(AudioError::UnsupportedCodec { format: format.into(), codec: why.into() })
        }
        Some(Err(Error::IoError(e))) if watch.disk_failed() => Err(AudioError::Read(e)),
        Some(Err(Error::IoError(e))) if e.kind() == std::io::ErrorKind::UnexpectedEof => {
            Err(damaged("it ends inside its header"))
        }
        Some(Err(Error::IoError(e))) => Err(damaged(&e.to_string())),
        Some(Err(e)) => Err(damaged(&e.to_string())),
        None => Err(damaged("its header makes no sense")),
    }
}

/// The audio tracks in file order.
fn audio_ids(reader: &dyn FormatReader, hints: &Hints) -> Vec<u32> {
    if !hints.audio.is_empty() {
        return hints.audio.clone();
    }
    let is_audio = |track: &&Track| track.track_type() == Some(TrackType::Audio);
    reader.tracks().iter().filter(is_audio).map(|track| track.id).collect()
}

/// Chooses the track that is wanted.
pub(super) fn pick(reader: &dyn FormatReader, format: &str, hints: &Hints) -> Result<Picked, AudioError> {
    if let Wanted::Number(number) = hints.wanted {
        let tracks = audio_ids(reader, hints);
        let id = number.checked_sub(1).and_then(|at| tracks.get(at));
        let id = id.ok_or(AudioError::NoSuchTrack { wanted: number, tracks: tracks.len() })?;
        let track = reader.tracks().iter().find(|track| track.id == *id && track.codec_params.is_some());
        let unknown =
            || AudioError::UnsupportedCodec { format: format.into(), codec: "an unknown codec".into() };
        return prepare(reader, track.ok_or_else(unknown)?, format, hints);
    }
    let audio = |track: &&Track| track.track_type() == Some(TrackType::Audio);
    let default =
        |track: &&Track| track.flags.contains(TrackFlags::DEFAULT) || hints.defaults.contains(&track.id);
    let marked = reader.tracks().iter().filter(audio).find(default);
    let mut refusal = None;
    if let Some(track) = marked {
        match prepare(reader, track, format, hints) {
            Err(refused) if hints.wanted == Wanted::Any => refusal = Some(refused),
            done => return done,
        }
    }
    for track in reader.tracks().iter().filter(audio) {
        match prepare(reader, track, format, hints) {
            Ok(picked) => return Ok(picked),
            Err(refused) => refusal = refusal.or(Some(refused)),
        }
    }
    if refusal.is_none() && reader.tracks().iter().any(|track| track.codec_params.is_none()) {
        // A track whose codec the demuxer has no name for: it may be audio.
        return Err(AudioError::UnsupportedCodec { format: format.into(), codec: "an unknown codec".into() });
    }
    Err(refusal.unwrap_or_else(|| AudioError::NoAudioTrack { format: format.into() }))
}

fn prepare(
    reader: &dyn FormatReader,
    track: &Track,
    format: &str,
    hints: &Hints,
) -> Result<Picked, AudioError> {
    let unsupported = |codec: String| AudioError::UnsupportedCodec { format: format.into(), codec };
    let Some(CodecParameters::Audio(params)) = &track.codec_params else {
        return Err(AudioError::NoAudioTrack { format: format.into() });
    };
    let known_channels =
        |params: &AudioCodecParameters| params.channels.as_ref().map(|channels| channels.count());
    if let (Some(rate), Some(channels)) = (params.sample_rate, known_channels(params)) {
        check_shape(rate, channels)?;
    }
    let opus = params.codec == CODEC_ID_OPUS;
    let mut wanted = params.clone();
    if opus {
        // Always at 48 kHz, whatever the header calls the original rate. libopus can decode straight to 16 kHz, three
        // times as fast, but folds what is above 8 kHz back (+5 dB between 7 and 8 kHz), and the segmentation model
        // then hears speech where there is none: 1.6 points more false alarm on a 30-minute meeting. The delay is dropped by the timeline, in one place for all codecs; without the header the
        // adapter leaves it alone.
        wanted.sample_rate = Some(OPUS_RATE);
        wanted.extra_data = None;
    }
    if params.codec == CODEC_ID_VORBIS && !params.extra_data.as_deref().is_none_or(vorbis_setup::is_moderate)
    {
        return Err(AudioError::Damaged {
            format: format.into(),
            reason: "its code books are too large".into(),
        });
    }
    let made = guarded(|| CODECS.make_audio_decoder(&wanted, &AudioDecoderOptions::default()));
    let decoder = match made {
        Some(Ok(decoder)) => decoder,
        Some(Err(_)) => {
            // The decoder's own words ("too complex") help nobody; what it is called does.
            let name = CODECS.get_audio_decoder(params.codec).map(|known| known.codec.info.long_name);
            return Err(unsupported(name.unwrap_or("an unknown codec").into()));
        }
        None => return Err(unsupported("its parameters make no sense".into())),
    };
    let refined = decoder.codec_params();
    let rate = if opus { params.sample_rate } else { refined.sample_rate.or(params.sample_rate) };
    let rate = rate.ok_or_else(|| unsupported("the sample rate is not given".into()))?;
    let channels = known_channels(refined).or_else(|| known_channels(params)).unwrap_or(1);
    check_shape(rate, channels)?;
    let time_base =
        track.time_base.or_else(|| TimeBase::try_from_recip(rate)).ok_or(AudioError::SampleRate(rate))?;
    let info = reader.media_info();
    let duration = match (track.duration, info.time_base, info.duration) {
        (Some(duration), _, _) => time_base.calc_duration(duration),
        (None, Some(base), Some(duration)) => base.calc_duration(duration),
        _ => None,
    };
    let edits = hints.edits.iter().find(|edits| edits.id == track.id);
    let from_codec = if opus { opus_delay_s(params.extra_data.as_deref()) } else { 0.0 };
    Ok(Picked {
        id: track.id,
        delay_s: edits.map_or(from_codec, |edits| edits.delay_s),
        delay_is_stamped: edits.is_none(),
        pause_s: edits.map_or(0.0, |edits| edits.pause_s),
        own_lead_in: params.codec == CODEC_ID_VORBIS,
        codec: decoder.codec_info().long_name.into(),
        decoder,
        time_base,
        rate,
        channels,
        duration_s: duration.map(|time| time.as_secs_f64()).filter(|&s| s > 0.0),
    })
}

/// The pre-skip of an Opus identification header: samples at 48 kHz in bytes 10 and 11. Little-endian
/// in Ogg and Matroska; MP4 stores the same header big-endian under version 0.
fn opus_delay_s(head: Option<&[u8]>) -> f64 {
    match head {
        Some([b'O', b'p', b'u', b's', b'H', b'e', b'a', b'd', version, _, a, b, ..]) => {
            let skip =
                if *version == 0 { u16::from_be_bytes([*a, *b]) } else { u16::from_le_bytes([*a, *b]) };
            f64::from(skip) / 48_000.0
        }
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_opus_delay_is_read_in_both_byte_orders() {
        assert_eq!(opus_delay_s(Some(b"OpusHead\x01\x02\x38\x01rest")), 0.0065);
        assert_eq!(opus_delay_s(Some(b"OpusHead\x00\x02\x01\x38rest")), 0.0065);
        assert_eq!(opus_delay_s(None), 0.0);
    }
}
