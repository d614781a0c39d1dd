//! Output: where results go: a file, or standard output for `-`.
//!
//! A result may be hours of work. So that a place can be written is found out before the work begins, and a result that cannot be written
//! after all goes to another place, which is told.

use crate::printing;
use anyhow::{Context, anyhow, bail};
use std::ffi::OsStr;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::{env, process};

/// True if `path` stands for standard output: `-`.
pub fn is_standard(path: &Path) -> bool {
    path == Path::new("-")
}

/// Fails unless all `paths` can be written, and at most one is standard output. Changes nothing: a file that is there keeps its content, and
/// none is left that was not there.
pub fn prove<'a>(paths: impl IntoIterator<Item = &'a Path>) -> anyhow::Result<()> {
    let mut to_standard = 0;
    for path in paths {
        if is_standard(path) {
            to_standard += 1;
        } else {
            can_be_written(path).with_context(|| format!("cannot write {}", path.display()))?;
        }
    }
    if to_standard > 1 {
        bail!("only one result can go to standard output (-); name files for the others");
    }
    Ok(())
}

fn can_be_written(path: &Path) -> io::Result<()> {
    match OpenOptions::new().write(true).create_new(true).open(path) {
        Ok(_) => fs::remove_file(path),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let kind = fs::metadata(path)?;
            // Opening a pipe that somebody reads, only to close it, would end it.
            if kind.is_file() || kind.is_dir() {
                OpenOptions::new().write(true).open(path)?;
            }
            Ok(())
        }
        Err(error) => Err(error),
    }
}

/// Writes `text` to `path`. Where that fails it goes to a file in the system's folder for temporary files, else to standard output; the error
/// says where.
pub fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    if is_standard(path) {
        printing::text(text);
        return Ok(());
    }
    let Err(error) = fs::write(path, text) else { return Ok(()) };
    let kept = match rescue(path, text) {
        Ok(place) => format!("in {}", place.display()),
        Err(_) => {
            printing::text(text);
            "on standard output".to_owned()
        }
    };
    Err(anyhow!("cannot write {}: {error}; the result is {kept}", path.display()))
}

/// Outcome of writing all results: the first failure. The other failures are printed to standard error.
pub fn all(written: Vec<anyhow::Result<()>>) -> anyhow::Result<()> {
    let mut failures = written.into_iter().filter_map(Result::err);
    let Some(first) = failures.next() else { return Ok(()) };
    failures.for_each(|failure| eprintln!("throughline: {failure:#}"));
    Err(first)
}

/// Writes `text` into a file of its own, which nobody else can read, named after `path`.
fn rescue(path: &Path, text: &str) -> io::Result<PathBuf> {
    let name = path.file_name().unwrap_or(OsStr::new("result")).to_string_lossy();
    let place = env::temp_dir().join(format!("throughline-{}-{name}", process::id()));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&place)?;
    file.write_all(text.as_bytes())?;
    Ok(place)
}
