//! Recognises a file by its first bytes. Names and extensions are not looked at: they are wrong too
//! often, and only what is named here may ever be handed to ffmpeg.

use std::io::{Read, Seek, SeekFrom};

/// Reader of a format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Route {
    /// A header followed by plain samples: read by [`super::pcm`] where the samples are plain.
    Pcm,
    /// Read by the built-in demuxers and decoders.
    BuiltIn,
    /// Only ffmpeg reads it.
    Ffmpeg,
}

/// Format that the first bytes tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Format {
    /// The format in words.
    pub(super) name: &'static str,
    /// The name of ffmpeg's demuxer, given to it explicitly so that it never guesses.
    pub(super) demuxer: &'static str,
    /// Reader of the format.
    pub(super) route: Route,
}

/// The outcome of looking at a file's first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sniffed {
    /// A format by its magic bytes, and where it begins.
    Known(Format, u64),
    /// Certainly not audio; the words complete "it looks like ...".
    NotAudio(&'static str),
    /// Nothing was recognised; MPEG audio may still follow some junk.
    Unknown,
}

/// Matroska and what is made of it.
pub(super) const MATROSKA: &str = "Matroska/WebM";

const fn format(name: &'static str, demuxer: &'static str, route: Route) -> Format {
    Format { name, demuxer, route }
}

const QUICKTIME: Format = format("QuickTime", "mov", Route::Ffmpeg);

/// (offset, bytes, format) in the order of testing.
#[rustfmt::skip]
const MAGIC: &[(usize, &[u8], Format)] = &[
    (8, b"WAVE", format("WAV", "wav", Route::Pcm)),
    (8, b"AVI ", format("AVI", "avi", Route::Ffmpeg)),
    (8, b"AIFF", format("AIFF", "aiff", Route::BuiltIn)),
    (8, b"AIFC", format("AIFF-C", "aiff", Route::BuiltIn)),
    (0, b"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\x00\x00", format("Sony Wave64", "w64", Route::Pcm)),
    (0, b".snd", format("Sun AU", "au", Route::Pcm)),
    (0, b"fLaC", format("FLAC", "flac", Route::BuiltIn)),
    // The codec's name opens the first page; Speex has no built-in decoder.
    (28, b"Speex   ", format("Speex", "ogg", Route::Ffmpeg)),
    (0, b"OggS", format("Ogg", "ogg", Route::BuiltIn)),
    (0, b"\x1a\x45\xdf\xa3", format(MATROSKA, "matroska", Route::BuiltIn)),
    (4, b"ftyp", format("MP4/QuickTime", "mov", Route::BuiltIn)),
    // QuickTime files from before the ftyp box existed, or with another one before it; the built-in reader wants it first.
    (4, b"moov", QUICKTIME), (4, b"wide", QUICKTIME), (4, b"free", QUICKTIME), (4, b"skip", QUICKTIME),
    (4, b"mdat", QUICKTIME), (4, b"pnot", QUICKTIME),
    (0, b"caff", format("Apple CAF", "caf", Route::BuiltIn)),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", format("WMA (ASF)", "asf", Route::Ffmpeg)),
    (0, b"#!AMR", format("AMR", "amr", Route::Ffmpeg)),
    (0, b"NIST_1A", format("NIST SPHERE", "nistsphere", Route::Ffmpeg)),
    (0, b"wvpk", format("WavPack", "wv", Route::Ffmpeg)),
    (0, b"MAC ", format("Monkey's Audio", "ape", Route::Ffmpeg)),
    (0, b"MP+", format("Musepack", "mpc", Route::Ffmpeg)),
    (0, b"MPCK", format("Musepack", "mpc8", Route::Ffmpeg)),
    (0, b"TTA1", format("True Audio", "tta", Route::Ffmpeg)),
    (0, b"\x7f\xfe\x80\x01", format("DTS", "dts", Route::Ffmpeg)),
    (0, b"FLV\x01", format("Flash video", "flv", Route::Ffmpeg)),
    (0, b".RMF", format("RealMedia", "rm", Route::Ffmpeg)),
    (0, b"\x00\x00\x01\xba", format("MPEG program stream", "mpeg", Route::Ffmpeg)),
    (0, b"Creative Voice File", format("Creative VOC", "voc", Route::Ffmpeg)),
];

#[rustfmt::skip]
const OTHER: &[(&[u8], &str)] = &[
    (b"\x89PNG", "a PNG picture"), (b"\xff\xd8\xff", "a JPEG picture"), (b"GIF8", "a GIF picture"),
    (b"%PDF", "a PDF document"), (b"PK\x03\x04", "a ZIP archive or an office document"),
    (b"\x1f\x8b", "a gzip archive"), (b"7z\xbc\xaf", "a 7-Zip archive"), (b"Rar!", "a RAR archive"),
    (b"\x7fELF", "a program"), (b"<", "a web page or XML text"), (b"{", "JSON text"),
    (b"#EXTM3U", "a playlist, not the audio itself"),
];

/// Bytes looked at.
const HEAD: u64 = 2048;
/// The packets of transport streams: plain, with a time before each (AVCHD, Blu-ray), with a check behind each.
const PACKETS: [usize; 3] = [188, 192, 204];
/// Packets whose first byte must be right.
const PACKETS_SEEN: usize = 5;

/// Reads the start of `file` (two thousand bytes, and again behind an ID3v2 tag) and rewinds it.
pub(super) fn sniff<R: Read + Seek>(file: &mut R) -> std::io::Result<Sniffed> {
    let head = read_at(file, 0)?;
    let mut found = judge(&head, 0);
    if head.starts_with(b"ID3") && head.len() >= 10 {
        // The tag's length is written in four bytes of seven bits.
        let size = head[6..10].iter().fold(0u64, |n, &byte| (n << 7) | u64::from(byte & 0x7f));
        let start = 10 + size;
        found = match judge(&read_at(file, start)?, start) {
            known @ Sniffed::Known(..) => known,
            // Taggers pad; the prober looks further.
            _ => Sniffed::Known(MPEG_AUDIO, 0),
        };
    }
    file.seek(SeekFrom::Start(0))?;
    Ok(found)
}

/// The media type of what browsers may be able to play; `None` of the rest.
pub(super) fn media_type(format: Format) -> Option<&'static str> {
    Some(match format.demuxer {
        "wav" => "audio/wav",
        "aiff" => "audio/aiff",
        "flac" => "audio/flac",
        "ogg" => "audio/ogg",
        "matroska" => "audio/webm",
        "mov" => "audio/mp4",
        "mp3" => "audio/mpeg",
        "aac" => "audio/aac",
        _ => return None,
    })
}

/// MPEG audio has no magic bytes beyond its frames.
pub(super) const MPEG_AUDIO: Format = format("MPEG audio", "mp3", Route::BuiltIn);

/// AAC frames one behind the other.
pub(super) const AAC: Format = format("AAC (ADTS)", "aac", Route::BuiltIn);

fn read_at<R: Read + Seek>(file: &mut R, at: u64) -> std::io::Result<Vec<u8>> {
    file.seek(SeekFrom::Start(at))?;
    let mut head = Vec::with_capacity(HEAD as usize);
    file.by_ref().take(HEAD).read_to_end(&mut head)?;
    Ok(head)
}

/// Judges the bytes `head`, which lie at `start` of their file.
fn judge(head: &[u8], start: u64) -> Sniffed {
    for (at, magic, format) in MAGIC {
        if head.get(*at..).is_some_and(|rest| rest.starts_with(magic)) {
            // "WAVE", "AVI " and "AIFF" sit behind an outer chunk name that must fit as well.
            let outer_fits = *at != 8 || [&b"RIFF"[..], b"RF64", b"BW64", b"FORM"].contains(&&head[..4]);
            if outer_fits {
                return Sniffed::Known(*format, start);
            }
        }
    }
    if head.len() >= 6 && head.starts_with(b"\x0b\x77") {
        // The stream version tells E-AC-3 (above 10) from AC-3.
        let enhanced = head[5] >> 3 > 10;
        let (name, demuxer) = if enhanced { ("E-AC-3", "eac3") } else { ("AC-3", "ac3") };
        return Sniffed::Known(format(name, demuxer, Route::Ffmpeg), start);
    }
    if is_transport_stream(head) {
        return Sniffed::Known(format("MPEG transport stream", "mpegts", Route::Ffmpeg), start);
    }
    if let [0xff, second, ..] = head {
        // ADTS has the layer bits 00, MPEG audio has not.
        if second & 0xf6 == 0xf0 {
            return Sniffed::Known(AAC, start);
        }
        if second & 0xe0 == 0xe0 && second & 0x06 != 0 && second & 0x18 != 0x08 {
            return Sniffed::Known(MPEG_AUDIO, start);
        }
    }
    let text = head.iter().position(|byte| !byte.is_ascii_whitespace()).map_or(head, |at| &head[at..]);
    for (magic, words) in OTHER {
        if text.starts_with(magic) {
            return Sniffed::NotAudio(words);
        }
    }
    if head.iter().all(|&byte| byte >= 0x20 || byte.is_ascii_whitespace())
        && std::str::from_utf8(&head[..head.len().min(256)]).map_or_else(|e| e.valid_up_to() > 200, |_| true)
    {
        return Sniffed::NotAudio("plain text");
    }
    Sniffed::Unknown
}

/// True where packets follow each other, the first of which may be cut.
fn is_transport_stream(head: &[u8]) -> bool {
    let follow = |start: usize, length: usize| {
        let mut packets = head.iter().skip(start).step_by(length);
        // A short file has fewer.
        let seen = packets.by_ref().take(PACKETS_SEEN).take_while(|&&byte| byte == 0x47).count();
        seen == PACKETS_SEEN || (seen >= 3 && start + seen * length >= head.len())
    };
    PACKETS.iter().any(|&length| (0..length).any(|start| follow(start, length)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    fn of(bytes: &[u8]) -> Sniffed {
        sniff(&mut Cursor::new(bytes.to_vec())).expect("a cursor does not fail")
    }

    #[test]
    fn a_picture_or_a_web_page_is_named_as_such() {
        assert_eq!(of(b"\x89PNG\r\n\x1a\n"), Sniffed::NotAudio("a PNG picture"));
        assert_eq!(of(b"  <!DOCTYPE html>"), Sniffed::NotAudio("a web page or XML text"));
    }

    #[test]
    fn the_format_behind_an_id3_tag_is_found() {
        let mut bytes = b"ID3\x04\0\0\0\0\0\x05".to_vec();
        bytes.extend_from_slice(b"\0\0\0\0\0MAC \x96\x0f");
        assert!(matches!(of(&bytes), Sniffed::Known(f, 15) if f.demuxer == "ape"));
    }

    #[test]
    fn a_browser_is_told_what_it_may_play_and_nothing_of_the_rest() {
        let told = |bytes: &[u8]| match of(bytes) {
            Sniffed::Known(format, _) => media_type(format),
            _ => None,
        };
        assert_eq!(told(b"fLaC"), Some("audio/flac"));
        assert_eq!(told(b"ID3\x04\0\0\0\x0f\x7f\x7f"), Some("audio/mpeg"));
        assert_eq!(told(b"#!AMR"), None);
        assert_eq!(told(b"<html>"), None);
    }

    #[test]
    fn a_transport_stream_is_known_by_its_packets_of_any_length_even_if_the_first_is_cut() {
        for (length, start) in [(188, 0), (192, 4), (204, 0), (188, 77)] {
            let mut bytes = vec![1; 4_000];
            (start..4_000).step_by(length).for_each(|at| bytes[at] = 0x47);
            assert!(matches!(of(&bytes), Sniffed::Known(f, 0) if f.demuxer == "mpegts"), "{length} {start}");
        }
        assert_eq!(of(&[1; 4_000]), Sniffed::Unknown);
    }

    #[test]
    fn a_quicktime_file_may_begin_with_any_box() {
        for first in [b"free", b"skip", b"mdat", b"wide", b"moov", b"pnot"] {
            let bytes = [&[0, 0, 0, 28][..], first, &[0; 100]].concat();
            assert!(matches!(of(&bytes), Sniffed::Known(f, 0) if f.demuxer == "mov"));
        }
    }

    #[test]
    fn one_byte_is_nothing_known() {
        assert_eq!(of(&[0xff]), Sniffed::Unknown);
    }
}
