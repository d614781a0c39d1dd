//! Recordings: a folder of audio files that have an RTTM of the same name beside them.

use crate::commands::{diarize::file_stem, score};
use anyhow::{Context, bail};
use diarization::rttm::Segment;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A recording with its reference.
pub struct Recording {
    /// The audio file.
    pub audio: PathBuf,
    /// Its name without extension.
    pub stem: String,
    /// The group that it is pooled with.
    pub group: String,
    /// Who really spoke when.
    pub reference: Vec<Segment>,
}

/// The recordings under `folder`, at any depth, whose name contains `only`: by group, then by name.
pub fn find(folder: &Path, only: &str) -> anyhow::Result<Vec<Recording>> {
    let groups = groups(folder)?;
    let mut recordings = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in
            std::fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?
        {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let reference = path.with_extension("rttm");
            let is_data =
                path.extension().is_none_or(|e| ["rttm", "json", "md", "tsv", "txt"].iter().any(|x| e == *x));
            let stem = file_stem(&path);
            if is_data || !reference.is_file() || !stem.contains(only) {
                continue;
            }
            let group = match &groups {
                Some(groups) => match groups.get(&stem) {
                    Some(group) => group.clone(),
                    None => continue,
                },
                None => {
                    folder.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
                }
            };
            recordings.push(Recording { reference: score::read(&reference)?, audio: path, stem, group });
        }
    }
    if recordings.is_empty() {
        bail!("{} holds no audio file with an RTTM of the same name beside it", folder.display());
    }
    recordings.sort_by(|a, b| (&a.group, &a.stem).cmp(&(&b.group, &b.stem)));
    Ok(recordings)
}

/// GROUPS.tsv of `folder`, if there is one: stem and group. Recordings that it does not name are left out.
fn groups(folder: &Path) -> anyhow::Result<Option<BTreeMap<String, String>>> {
    let path = folder.join("GROUPS.tsv");
    if !path.is_file() {
        return Ok(None);
    }
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let pairs = text.lines().skip(1).filter_map(|line| line.split_once('\t'));
    Ok(Some(pairs.map(|(stem, group)| (stem.to_owned(), group.trim().to_owned())).collect()))
}
