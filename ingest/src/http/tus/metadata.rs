//! Metadata: what the header `Upload-Metadata` says of a recording. Its keys are the options of an ordinary upload, and those that
//! clients add by themselves.

use crate::http::options::Options;
use crate::http::problem::ApiError;
use crate::http::shown::shown;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The header.
pub(crate) const HEADER: &str = "upload-metadata";
/// Keys that Uppy and tus-js-client send without being asked, and that say nothing which is needed here.
const PASSED_OVER: [&str; 4] = ["filetype", "type", "name", "relativePath"];

/// The options in `header`: keys with values in base64, `title VGFsaw==,labels aW50ZXJ2aWV3`. The key `filename` is the option
/// `file_name`.
pub(crate) fn options(header: &str) -> Result<Options, ApiError> {
    let mut options = Options::default();
    for pair in header.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once(' ').unwrap_or((pair, ""));
        if PASSED_OVER.contains(&key) {
            continue;
        }
        let unreadable = || {
            let why = format!("has a value for '{}' that is not base64 of UTF-8", shown(key));
            ApiError::TusHeader("Upload-Metadata", why)
        };
        let value = STANDARD.decode(value.trim()).map_err(|_| unreadable())?;
        let value = String::from_utf8(value).map_err(|_| unreadable())?;
        let name = if key == "filename" { "file_name" } else { key };
        options.set(name, &value)?;
    }
    Ok(options)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn title_and_stem(header: &str) -> Result<(String, String), String> {
        let options = options(header).map_err(|error| error.to_string())?;
        let chosen = options.choose(None, 5).map_err(|error| error.to_string())?;
        Ok((chosen.title, chosen.file_stem))
    }

    #[test]
    fn options_are_read_and_what_clients_add_is_passed_over() {
        // Titel ö, ../talk.mp3
        let header = "title VGl0ZWwgw7Y=, filename Li4vdGFsay5tcDM=,filetype YXVkaW8vbXBlZw==,relativePath,labels aW50ZXJ2aWV3";
        assert_eq!(title_and_stem(header), Ok(("Titel ö".to_owned(), "talk".to_owned())));
        assert_eq!(title_and_stem(""), Ok(("Untitled".to_owned(), "recording".to_owned())));
        assert_eq!(title_and_stem("title"), title_and_stem(""));
    }

    #[test]
    fn what_cannot_be_used_is_refused_by_name() {
        for (header, part) in [
            ("title !", "'title' that is not base64"),
            ("title /w==", "'title' that is not base64"),
            ("speakers Mg==", "no option 'speakers'"),
            ("num_speakers dHdv", "'num_speakers' must be a whole number"),
            ("title YQ==,title YQ==", "'title' is given twice"),
            ("filename YQ==,file_name YQ==", "'file_name' is given twice"),
        ] {
            let why = title_and_stem(header).expect_err(header);
            assert!(why.contains(part), "{header}: {why}");
        }
    }
}
