//! Inputs: the files of a batch, those in folders included, and what their results are called.

use anyhow::{Context, bail};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::{Path, PathBuf};

/// Stands for standard input on a command line.
pub const STDIN: &str = "-";

/// Endings of the names of files that are taken from a folder. Files that are named themselves may be called anything.
const ENDINGS: &[&str] = &[
    "3gp", "aac", "ac3", "aif", "aifc", "aiff", "amr", "ape", "asf", "au", "avi", "caf", "dts", "flac",
    "flv", "m2ts", "m4a", "m4b", "m4v", "mka", "mkv", "mov", "mp1", "mp2", "mp3", "mp4", "mpeg", "mpg",
    "mts", "mxf", "oga", "ogg", "ogv", "opus", "ra", "rf64", "spx", "tak", "tta", "ts", "w64", "wav", "webm",
    "wma", "wv",
];

/// A file of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    /// Path of the file; [`STDIN`] for standard input.
    pub path: PathBuf,
    /// Path of its results below the folder of results, without their ending. It follows the file's path below the folder that was
    /// named.
    pub name: PathBuf,
}

impl Input {
    /// Name of the file in messages.
    pub fn shown(&self) -> String {
        if is_stdin(&self.path) { "standard input".into() } else { self.path.display().to_string() }
    }

    /// Name of the file in an upload.
    pub fn upload_name(&self) -> String {
        let name = if is_stdin(&self.path) { None } else { self.path.file_name() };
        name.map_or_else(|| "stdin".into(), |name| name.to_string_lossy().into_owned())
    }

    /// Name of the recording.
    pub fn stem(&self) -> String {
        self.name.file_name().map_or_else(|| "recording".into(), |name| name.to_string_lossy().into_owned())
    }
}

/// True if `path` stands for standard input.
pub fn is_stdin(path: &Path) -> bool {
    path == Path::new(STDIN)
}

/// A file to read from: of standard input a copy, which goes when this is dropped.
pub struct Readable {
    path: PathBuf,
    _copy: Option<tempfile::NamedTempFile>,
}

impl Readable {
    /// `path`, or all of standard input.
    pub fn of(path: &Path) -> anyhow::Result<Self> {
        if !is_stdin(path) {
            return Ok(Self { path: path.to_owned(), _copy: None });
        }
        let mut copy = tempfile::NamedTempFile::new().context("cannot make a temporary file")?;
        std::io::copy(&mut std::io::stdin().lock(), &mut copy).context("cannot read standard input")?;
        copy.flush().context("cannot write a temporary file")?;
        Ok(Self { path: copy.path().to_owned(), _copy: Some(copy) })
    }

    /// Path of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// The files that `given` names, and in their places those that are in its folders, at any depth and by name. No two have one name: where a.wav and
/// a.mp3 stand side by side, their results keep the endings.
pub fn find(given: &[PathBuf]) -> anyhow::Result<Vec<Input>> {
    let mut found: Vec<(PathBuf, PathBuf)> = Vec::new();
    for path in given {
        if is_stdin(path) {
            found.push((path.clone(), "stdin".into()));
        } else if path.is_dir() {
            let before = found.len();
            below(path, Path::new(""), &mut found)?;
            if found.len() == before {
                bail!("{} holds no audio or video file", path.display());
            }
        } else {
            found.push((path.clone(), path.file_name().map_or_else(|| "recording".into(), PathBuf::from)));
        }
    }
    let mut seen = BTreeSet::new();
    found.retain(|(path, _)| seen.insert(path.clone()));
    let mut times: BTreeMap<PathBuf, usize> = BTreeMap::new();
    for (_, name) in &found {
        *times.entry(name.with_extension("")).or_default() += 1;
    }
    let input = |(path, name): (PathBuf, PathBuf)| {
        let short = name.with_extension("");
        Input { path, name: if times.get(&short) == Some(&1) { short } else { name } }
    };
    let inputs: Vec<Input> = found.into_iter().map(input).collect();
    let mut by_name: BTreeMap<&Path, &Input> = BTreeMap::new();
    for input in &inputs {
        if let Some(other) = by_name.insert(&input.name, input) {
            bail!(
                "{} and {} would have results of the same name; give them in two calls",
                other.shown(),
                input.shown()
            );
        }
    }
    Ok(inputs)
}

/// Adds what is in `folder`, which is `under` the one that was named. What is hidden, and folders behind links, are left out.
fn below(folder: &Path, under: &Path, found: &mut Vec<(PathBuf, PathBuf)>) -> anyhow::Result<()> {
    let read = || format!("cannot read {}", folder.display());
    let entries = std::fs::read_dir(folder).with_context(read)?.collect::<Result<Vec<_>, _>>();
    let mut entries = entries.with_context(read)?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let (path, name) = (entry.path(), under.join(entry.file_name()));
        if entry.file_name().to_string_lossy().starts_with('.') {
            continue;
        }
        if entry.file_type().with_context(read)?.is_dir() {
            below(&path, &name, found)?;
        } else if is_audio(&path) && path.is_file() {
            found.push((path, name));
        }
    }
    Ok(())
}

fn is_audio(path: &Path) -> bool {
    let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase());
    ending.is_some_and(|ending| ENDINGS.contains(&ending.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        for file in files {
            let path = folder.path().join(file);
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
            std::fs::write(path, "").expect("a file");
        }
        folder
    }

    fn names(inputs: &[Input]) -> Vec<&str> {
        inputs.iter().map(|input| input.name.to_str().expect("UTF-8")).collect()
    }

    #[test]
    fn a_folder_stands_for_the_recordings_in_it_at_any_depth() {
        let folder =
            folder(&["b.WAV", "a.mp3", "notes.txt", "deep/er/c.opus", ".hidden/d.wav", ".e.wav", "a.rttm"]);
        let found = find(&[folder.path().to_owned()]).expect("is found");
        assert_eq!(names(&found), ["a", "b", "deep/er/c"]);
    }

    #[test]
    fn results_keep_the_ending_where_two_would_be_called_the_same() {
        let folder = folder(&["a.mp3", "a.wav", "b.wav", "x/a.wav"]);
        let found = find(&[folder.path().to_owned()]).expect("is found");
        assert_eq!(names(&found), ["a.mp3", "a.wav", "b", "x/a"]);
        let both = ["a.wav", "x/a.wav"].map(|file| folder.path().join(file));
        let refused = find(&both).expect_err("is refused").to_string();
        assert!(refused.contains("results of the same name"), "{refused}");
    }

    #[test]
    fn a_file_that_is_named_twice_is_one() {
        let folder = folder(&["a.wav"]);
        let found = find(&[folder.path().join("a.wav"), folder.path().to_owned()]).expect("is found");
        assert_eq!(names(&found), ["a"]);
    }

    #[test]
    fn a_folder_without_recordings_is_named() {
        let folder = folder(&["notes.txt"]);
        let refused = find(&[folder.path().to_owned()]).expect_err("is refused").to_string();
        assert!(refused.contains("holds no audio or video file"), "{refused}");
    }
}
