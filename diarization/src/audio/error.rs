//! Faults that can occur between a file and its samples, worded for the person who sent the file.

/// Reason why a file gives no samples. Every message says what was wrong and, where there is something to
/// do about it, what to do.
#[derive(Debug, thiserror::Error)]
pub enum AudioError {
    /// The file is missing or may not be read.
    #[error("the audio file could not be opened: {0}; check that it exists and may be read")]
    Open(#[source] std::io::Error),
    /// The path names a folder, a pipe or a device.
    #[error("this is not a regular file; give the path of an audio file")]
    NotAFile,
    /// The file has no bytes.
    #[error("the file is empty (0 bytes); send it again, the upload or the recording did not finish")]
    Empty,
    /// The disk or network failed while the file was read.
    #[error("reading the audio file failed: {0}; try again")]
    Read(#[source] std::io::Error),
    /// The content is no audio format Throughline knows.
    #[error("no audio was recognised in this file: it looks like {looks_like}; send an audio or video file")]
    NotAudio {
        /// Kind of file that the first bytes look like, in words.
        looks_like: String,
    },
    /// The container is known and too damaged to read.
    #[error("this {format} file is damaged and cannot be read: {reason}; export or record it again")]
    Damaged {
        /// The container, in words.
        format: String,
        /// Fault that the reader met.
        reason: String,
    },
    /// A video or data file without sound.
    #[error("this {format} file has no audio track; send a file with sound")]
    NoAudioTrack {
        /// The container, in words.
        format: String,
    },
    /// The container is known, the codec inside is not.
    #[error(
        "the audio in this {format} file cannot be decoded ({codec}); convert it to WAV, FLAC, MP3 or Opus"
    )]
    UnsupportedCodec {
        /// The container, in words.
        format: String,
        /// The codec or the decoder's complaint.
        codec: String,
    },
    /// The sample rate is outside what recordings have.
    #[error(
        "the file says its sample rate is {0} Hz; Throughline reads {min} to {max} Hz: the header is \
         probably damaged, export the file again",
        min = super::MIN_SOURCE_RATE,
        max = super::MAX_SOURCE_RATE
    )]
    SampleRate(u32),
    /// The number of channels is outside what recordings have.
    #[error(
        "the file says it has {0} channels; Throughline reads 1 to {max}: the header is probably damaged, \
         export the file again",
        max = super::MAX_CHANNELS
    )]
    Channels(usize),
    /// The caller wants so many channels apart.
    #[error(
        "this file has {0} channels, and `separate` is for files of two: send the two channels in which people speak as a file of \
         their own, or use `mix`"
    )]
    Separate(usize),
    /// There is no audio track of that number.
    #[error("this file has no audio track {wanted}: it has {tracks}; choose one of them, or `all`")]
    NoSuchTrack {
        /// The number that was asked for, from 1.
        wanted: usize,
        /// Audio tracks of the file.
        tracks: usize,
    },
    /// The format needs the optional program ffmpeg.
    #[error(
        "this is {format} audio; Throughline decodes it with ffmpeg, which is not installed: \
         apt install ffmpeg"
    )]
    FfmpegMissing {
        /// The format, in words.
        format: String,
    },
    /// ffmpeg could not decode the file either.
    #[error("this {format} file cannot be decoded; ffmpeg says: {reason}")]
    Ffmpeg {
        /// The format, in words.
        format: String,
        /// The end of what ffmpeg printed.
        reason: String,
    },
    /// Somebody asked the stream to end, see [`super::GiveUp`].
    #[error("decoding was given up")]
    GivenUp,
    /// Not one sample came out.
    #[error("the file has no audio samples{detail}; check that the recording is complete")]
    NoAudio {
        /// Empty, or the first warning in brackets.
        detail: String,
    },
    /// The resampler refused its parameters; a fault of Throughline, not of the file.
    #[error("converting {rate} Hz to 16 kHz failed: {reason}; please report this file")]
    Resample {
        /// The rate of the file.
        rate: u32,
        /// Message of the resampler.
        reason: String,
    },
}
