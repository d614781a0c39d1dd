//! File name: what is kept of the name that an uploader's file has. It is shown and written into RTTM, never used as a path.

use diarization::labels::{is_printable, is_visible};

/// Longest name kept, in characters.
const LONGEST: usize = 200;
/// Stem of a file without a name.
pub(crate) const UNNAMED: &str = "recording";

/// The last part of a path of any system, without control characters; `None` where nothing is left.
pub(crate) fn base(name: &str) -> Option<String> {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let kept: String = last.chars().filter(|&c| is_printable(c)).collect();
    let kept: String = kept.trim().chars().take(LONGEST).collect();
    let has_name = kept.chars().any(|c| c != '.' && is_visible(c));
    has_name.then_some(kept)
}

/// `base` without its extension.
pub(crate) fn stem(base: &str) -> &str {
    match base.rsplit_once('.') {
        Some((stem, _)) if !stem.is_empty() => stem,
        _ => base,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_part_of_a_path_is_kept() {
        for name in [
            "a b.wav",
            "/etc/a b.wav",
            r"C:\calls\a b.wav",
            "../../a b.wav",
            " a b.\u{7}wav\n",
            "a b\u{202e}.wav\0",
        ] {
            assert_eq!(base(name).as_deref(), Some("a b.wav"), "{name}");
        }
    }

    #[test]
    fn a_name_with_nothing_in_it_is_none() {
        for name in ["", "..", "/", "a/", " \u{0} ", "\u{200b}"] {
            assert_eq!(base(name), None, "{name:?}");
        }
    }

    #[test]
    fn the_stem_is_what_a_path_would_call_so() {
        for name in ["talk.wav", "talk.tar.gz", ".hidden", "plain", "trailing."] {
            let expected = std::path::Path::new(name).file_stem().and_then(|s| s.to_str());
            assert_eq!(Some(stem(name)), expected, "{name}");
        }
    }
}
