//! Opening: from a path to a stream, by what the first bytes say and by what can read it.

use std::fs::File;
use std::io::{BufReader, Seek, SeekFrom};
use std::path::Path;

use super::container::{self, Wanted};
use super::error::AudioError;
use super::give_up::GiveUp;
use super::packets::PacketSource;
use super::sniff::{self, Format, Route, Sniffed, sniff};
use super::source::Source;
use super::streams::Streams;
use super::wave::WaveSource;
use super::wave_rest::{self, Rest};
use super::{AudioInfo, AudioStream, ffmpeg, joined, pcm_header};
use crate::tracks::Tracks;

/// Tracks that are heard together at most: each has a decoder of its own.
const MAX_TOGETHER: usize = 16;

/// Opens the tracks of `path` that are wanted.
pub(super) fn open_tracks(path: &Path, tracks: Tracks, give_up: &GiveUp) -> Result<AudioStream, AudioError> {
    let opened = match tracks {
        Tracks::Default => open_default(path, give_up),
        Tracks::One(number) => open_one(path, Wanted::Number(number as usize), give_up),
        Tracks::All => open_all(path, give_up),
    };
    // Whatever the reader made of being stopped.
    if give_up.is_asked() {
        return Err(AudioError::GivenUp);
    }
    Ok(AudioStream { give_up: give_up.clone(), ..opened? })
}

fn open_default(path: &Path, give_up: &GiveUp) -> Result<AudioStream, AudioError> {
    let mut stream = open_one(path, Wanted::Default, give_up)?;
    let (track, tracks) = (stream.track, stream.info.tracks);
    if tracks > 1 {
        stream.warnings.push(format!(
            "the file has {tracks} audio tracks, of which track {track} was heard: choose `all` tracks to hear all, or another by its number"
        ));
    }
    Ok(stream)
}

fn open_all(path: &Path, give_up: &GiveUp) -> Result<AudioStream, AudioError> {
    let first = open_one(path, Wanted::Default, give_up)?;
    let tracks = first.info.tracks;
    if tracks == 1 {
        return Ok(first);
    }
    let mut warnings = first.warnings;
    let mut streams = Vec::new();
    for number in 1..=tracks.min(MAX_TOGETHER) {
        match open_one(path, Wanted::Number(number), give_up) {
            Ok(stream) => streams.push((number, stream)),
            Err(error @ (AudioError::GivenUp | AudioError::Read(_) | AudioError::Open(_))) => {
                return Err(error);
            }
            Err(error) => warnings.push(format!("audio track {number} was left out: {error}")),
        }
    }
    if tracks > MAX_TOGETHER {
        warnings.push(format!("of {tracks} audio tracks the first {MAX_TOGETHER} were heard"));
    }
    let hints = streams.iter().filter_map(|(_, stream)| stream.info.duration_hint_s);
    let info = AudioInfo {
        container_or_codec: first.info.container_or_codec,
        source_rate: first.info.source_rate,
        channels: streams.len().max(1),
        tracks,
        duration_hint_s: hints.reduce(f64::max),
    };
    Ok(AudioStream { warnings, ..AudioStream::new(info, Box::new(Streams::new(streams))) })
}

fn open_one(path: &Path, wanted: Wanted, give_up: &GiveUp) -> Result<AudioStream, AudioError> {
    let mut file = File::open(path).map_err(AudioError::Open)?;
    let meta = file.metadata().map_err(AudioError::Open)?;
    if !meta.is_file() {
        return Err(AudioError::NotAFile);
    }
    if meta.len() == 0 {
        return Err(AudioError::Empty);
    }
    match sniff(&mut file).map_err(AudioError::Read)? {
        Sniffed::NotAudio(words) => Err(AudioError::NotAudio { looks_like: words.into() }),
        Sniffed::Unknown => open_behind_junk(file, wanted, give_up),
        Sniffed::Known(format, start) => open_known(path, file, (format, start), wanted, give_up),
    }
}

/// `start` is where the format begins, behind a tag.
fn open_known(
    path: &Path,
    file: File,
    (format, start): (Format, u64),
    wanted: Wanted,
    give_up: &GiveUp,
) -> Result<AudioStream, AudioError> {
    let again = || File::open(path).map_err(AudioError::Open);
    let built_in = match format.route {
        Route::Ffmpeg => return open_ffmpeg(path, format, format.name.into(), wanted, give_up),
        Route::BuiltIn if is_frames(format) => open_frames(file, format, false, wanted, give_up),
        Route::BuiltIn => open_container(file, format, wanted, give_up),
        Route::Pcm => match only_track(wanted).and_then(|()| open_pcm(file, format, start)) {
            Err(AudioError::UnsupportedCodec { codec, .. }) if format.demuxer == "wav" => {
                return open_coded_wave(path, format, start, codec, give_up);
            }
            done => done,
        },
    };
    let Err(AudioError::UnsupportedCodec { format: name, codec }) = built_in else { return built_in };
    match open_ffmpeg(path, format, format!("{name} ({codec})"), wanted, give_up) {
        // Better another track than none.
        Err(missing @ AudioError::FfmpegMissing { .. }) if wanted == Wanted::Default => {
            let mut stream = open_container(again()?, format, Wanted::Any, give_up).map_err(|_| missing)?;
            stream.warnings.push(format!(
                "the default audio track ({codec}) needs ffmpeg, which is not installed; what can be read without it was used"
            ));
            Ok(stream)
        }
        done => done,
    }
}

/// ADPCM and the like inside WAV: the built-in decoders know some.
fn open_coded_wave(
    path: &Path,
    format: Format,
    start: u64,
    codec: String,
    give_up: &GiveUp,
) -> Result<AudioStream, AudioError> {
    let again = || File::open(path).map_err(AudioError::Open);
    let opened = open_container(again()?, format, Wanted::Default, give_up);
    let mut stream = match opened {
        Ok(stream) => stream,
        Err(_) => open_ffmpeg(path, format, format!("{} ({codec})", format.name), Wanted::Default, give_up)?,
    };
    left_out(again()?, start).into_iter().for_each(|note| stream.warnings.push(note));
    Ok(stream)
}

fn open_pcm(file: File, format: Format, start: u64) -> Result<AudioStream, AudioError> {
    let length = file.metadata().map_err(AudioError::Read)?.len();
    let mut reader = BufReader::new(file);
    let header = if format.demuxer == "au" {
        reader.seek(SeekFrom::Start(start)).map_err(AudioError::Read)?;
        pcm_header::read_au(&mut reader)?
    } else {
        pcm_header::read_wave(&mut reader, start)?
    };
    let rest = length.saturating_sub(reader.stream_position().map_err(AudioError::Read)?);
    let source = WaveSource::new(reader, header, length, format.name)?;
    let bytes_per_s = f64::from(header.rate) * (header.channels * header.width) as f64;
    let info = AudioInfo {
        container_or_codec: format!("PCM in {}", format.name),
        source_rate: header.rate,
        channels: header.channels,
        tracks: 1,
        duration_hint_s: Some(header.data_len.unwrap_or(rest).min(rest) as f64 / bytes_per_s),
    };
    Ok(AudioStream::new(info, Box::new(source)))
}

/// Warning about data of a WAV file behind the coded samples that its header covers: no decoder reads that.
fn left_out(file: File, start: u64) -> Option<String> {
    let length = file.metadata().ok()?.len();
    let mut reader = BufReader::new(file);
    let header = pcm_header::read_wave(&mut reader, start).ok()?;
    let end = reader.stream_position().ok()?.checked_add(header.data_len?)?;
    match wave_rest::rest(&mut reader, header, end, length).ok()? {
        Rest::Nothing => None,
        Rest::Samples { at, .. } | Rest::Uncovered { at } => Some(format!(
            "the file goes on behind the audio that its header covers: {} of its {length} bytes were left out",
            length.saturating_sub(at)
        )),
    }
}

fn open_container(
    file: File,
    format: Format,
    wanted: Wanted,
    give_up: &GiveUp,
) -> Result<AudioStream, AudioError> {
    let container = container::open(file, format, None, wanted, give_up)?;
    let (track, mut info) = (container.track, info(&container));
    info.container_or_codec = format!("{} in {}", info.container_or_codec, format.name);
    let source = PacketSource::new(container, format.name, false);
    Ok(AudioStream { track, ..AudioStream::new(info, Box::new(source)) })
}

/// True where a file in this format is a run of frames without a header of its own.
fn is_frames(format: Format) -> bool {
    format == sniff::MPEG_AUDIO || format == sniff::AAC
}

/// `junk` says that the file does not begin with a known format, so what was found must prove itself.
fn open_frames(
    file: File,
    format: Format,
    junk: bool,
    wanted: Wanted,
    give_up: &GiveUp,
) -> Result<AudioStream, AudioError> {
    only_track(wanted)?;
    let parts = joined::parts(&file, format, give_up)?;
    // What is in one piece is opened as it is.
    let first = (parts.len() > 1).then(|| parts[0].clone());
    let twin = file.try_clone().map_err(AudioError::Read)?;
    let container = container::open(file, format, first, Wanted::Default, give_up)?;
    let mut info = info(&container);
    if !junk {
        info.container_or_codec = format!("{} in {}", info.container_or_codec, format.name);
    }
    let source = PacketSource::new(container, format.name, junk);
    let mut parts = parts.into_iter();
    parts.next();
    let source: Box<dyn Source> = if parts.len() == 0 {
        Box::new(source)
    } else {
        // How long the parts are that come then is not known.
        info.duration_hint_s = None;
        Box::new(joined::Joined::new(twin, format, source, parts, give_up))
    };
    Ok(AudioStream::new(info, source))
}

/// MPEG audio is a run of frames without a file header, so it can be picked up behind any bytes.
fn open_behind_junk(file: File, wanted: Wanted, give_up: &GiveUp) -> Result<AudioStream, AudioError> {
    open_frames(file, sniff::MPEG_AUDIO, true, wanted, give_up).map_err(|error| match error {
        error @ (AudioError::NoSuchTrack { .. } | AudioError::Read(_)) => error,
        _ => AudioError::NotAudio { looks_like: "nothing known".into() },
    })
}

fn info(container: &container::Container) -> AudioInfo {
    AudioInfo {
        container_or_codec: container.picked.codec.clone(),
        source_rate: container.picked.rate,
        channels: container.picked.channels,
        tracks: container.tracks,
        duration_hint_s: container.picked.duration_s,
    }
}

/// Refuses any but the first track of a format that has one.
fn only_track(wanted: Wanted) -> Result<(), AudioError> {
    match wanted {
        Wanted::Number(number) if number != 1 => Err(AudioError::NoSuchTrack { wanted: number, tracks: 1 }),
        _ => Ok(()),
    }
}

fn open_ffmpeg(
    path: &Path,
    format: Format,
    words: String,
    wanted: Wanted,
    give_up: &GiveUp,
) -> Result<AudioStream, AudioError> {
    let ffmpeg::Opened { source, rate, channels, track, tracks } =
        ffmpeg::open(path, format.demuxer, &words, wanted, give_up)?;
    let info =
        AudioInfo { container_or_codec: words, source_rate: rate, channels, tracks, duration_hint_s: None };
    Ok(AudioStream { track, ..AudioStream::new(info, Box::new(source)) })
}
