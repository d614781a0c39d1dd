//! Outputs: in which forms the results of a batch are written, and where.

use super::inputs::Input;
use anyhow::Context;
use diarization::export::{Format, UnknownFormat};
use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// A form of a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// RTTM.
    Rttm,
    /// Turns, speakers and what is known of the recording.
    Json,
    /// Form that another program reads.
    Export(Format),
}

impl FromStr for Form {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "rttm" => Ok(Self::Rttm),
            "json" => Ok(Self::Json),
            name => name.parse().map(Self::Export).map_err(|UnknownFormat(name)| {
                format!("'{name}' is no format: use one of rttm, json, {}", Format::names().join(", "))
            }),
        }
    }
}

impl Form {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rttm => "rttm",
            Self::Json => "json",
            Self::Export(format) => format.name(),
        }
    }

    /// Ending of the names of its files.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Rttm => "rttm",
            Self::Json => "json",
            Self::Export(format) => format.extension(),
        }
    }
}

/// Where results go.
#[derive(clap::Args, Clone, Debug)]
pub struct Outputs {
    /// Folder for the results, one file per recording and format; it is made where it is missing.
    #[arg(long, value_name = "FOLDER")]
    pub out_dir: Option<PathBuf>,
    /// With --out-dir: formats, with commas between: rttm, json, csv, srt, vtt, audacity, textgrid, eaf, label-studio.
    #[arg(long, value_name = "FORMAT,…", value_delimiter = ',', default_value = "rttm")]
    pub format: Vec<Form>,
    /// With --out-dir: leave out files whose results are there already, in every format.
    #[arg(long, requires = "out_dir")]
    pub skip_existing: bool,
}

impl Outputs {
    /// Path of the result of `input` in each format; empty where no folder was named.
    pub fn of(&self, input: &Input) -> Vec<(Form, PathBuf)> {
        let Some(folder) = &self.out_dir else { return Vec::new() };
        // The name may have dots of its own, which `with_extension` would take for an ending.
        let path = |form: Form| {
            let mut path = folder.join(&input.name).into_os_string();
            path.push(format!(".{}", form.extension()));
            path.into()
        };
        self.format.iter().map(|&form| (form, path(form))).collect()
    }

    /// True if `input` is left out.
    pub fn skips(&self, input: &Input) -> bool {
        self.skip_existing && self.of(input).iter().all(|(_, path)| path.is_file())
    }
}

/// Makes the folder of results and tries whether it can be written to, before any work is done.
pub fn prepare(folder: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
    let tried = tempfile::tempfile_in(folder).map(|_| ());
    tried.with_context(|| format!("cannot write to {}", folder.display()))
}

/// Writes `text`, in its place only once it is whole, so that a result cut short is never taken for one that is there.
pub fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    let write = || {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let mut part = path.as_os_str().to_owned();
        part.push(".part");
        fs::write(&part, text)?;
        fs::rename(&part, path)
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_found_by_its_name() {
        for name in ["rttm", "json"].into_iter().chain(Format::names()) {
            assert_eq!(name.parse::<Form>().map(Form::name), Ok(name));
        }
        assert!("docx".parse::<Form>().is_err());
    }

    #[test]
    fn a_name_with_dots_keeps_them() {
        let outputs = Outputs { out_dir: Some("out".into()), format: vec![Form::Rttm], skip_existing: false };
        let input = Input { path: "talk.1.wav".into(), name: "talk.1".into() };
        assert_eq!(outputs.of(&input), [(Form::Rttm, PathBuf::from("out/talk.1.rttm"))]);
    }
}
