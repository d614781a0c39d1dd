//! Recordings: folders of audio files that have an RTTM of the same name beside them.

use crate::bench::sources::{Origin, Sources};
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
    /// Source and kind of the recording.
    pub origin: Origin,
    /// Reference: true segments, each with its speaker.
    pub reference: Vec<Segment>,
}

impl Recording {
    /// Number of speakers in the reference.
    pub fn speakers(&self) -> usize {
        let names: std::collections::BTreeSet<&str> =
            self.reference.iter().map(|segment| segment.speaker.as_str()).collect();
        names.len()
    }
}

/// The recordings under `folders`, at any depth, whose name contains `only`: by group, then by name.
pub fn find(folders: &[PathBuf], only: &str, sources: &Sources) -> anyhow::Result<Vec<Recording>> {
    let mut recordings = Vec::new();
    for folder in folders {
        let before = recordings.len();
        below(folder, only, sources, &mut recordings)?;
        if recordings.len() == before {
            bail!("{} holds no audio file with an RTTM of the same name beside it", folder.display());
        }
    }
    // Results are files named after them.
    recordings.sort_by(|a, b| a.stem.cmp(&b.stem));
    if let Some(pair) = recordings.windows(2).find(|pair| pair[0].stem == pair[1].stem) {
        bail!("{} and {} have the same name", pair[0].audio.display(), pair[1].audio.display());
    }
    recordings.sort_by(|a, b| (&a.group, &a.stem).cmp(&(&b.group, &b.stem)));
    Ok(recordings)
}

fn below(
    folder: &Path,
    only: &str,
    sources: &Sources,
    recordings: &mut Vec<Recording>,
) -> anyhow::Result<()> {
    let groups = groups(folder)?;
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let name = folder.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
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
                None => name.clone(),
            };
            let origin = sources.of(&stem, &name);
            recordings.push(Recording {
                reference: score::read(&reference)?,
                audio: path,
                stem,
                group,
                origin,
            });
        }
    }
    Ok(())
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
