//! Sources: where a recording comes from: a corpus, a show, a call centre. What is chosen on one source is tried on others, since
//! voices, lines and habits of one are alike.

use anyhow::{Context, bail};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// File of a folder that names the sources of its recordings.
pub const FILE: &str = "SOURCES.tsv";
/// Between the sources of a recording put together from several.
const AND: char = '+';

/// A source, or several where a recording was put together from them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Source {
    /// In the order of their names; at least one.
    parts: Vec<String>,
}

impl Source {
    /// The source `text`; with `+` between them, several.
    pub fn new(text: &str) -> Self {
        let mut parts: Vec<String> = text.split(AND).map(|part| part.trim().to_owned()).collect();
        parts.sort();
        parts.dedup();
        Self { parts }
    }

    /// Label under which its recordings are counted. All recordings of several sources together count as one more source.
    pub fn label(&self) -> &str {
        match self.parts.as_slice() {
            [only] => only,
            _ => "several",
        }
    }

    /// True if a speaker may occur in both sources.
    pub fn shares_with(&self, other: &Self) -> bool {
        self.parts.iter().any(|part| other.parts.contains(part))
    }
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.parts.join(&AND.to_string()))
    }
}

/// Entry of a list on a recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Source of the recording.
    pub source: Source,
    /// Kind of recording: a call, an interview, a meeting, …; empty where the list names none.
    pub kind: String,
    /// Recordings whose voices must not be put together with those of this recording.
    pub apart: Apart,
}

/// With which other recordings the voices of one must not be put together, since some could be the same.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Apart {
    /// None: names are names of people, the same for the same.
    #[default]
    FromNone,
    /// These.
    From(Vec<String>),
    /// All: it is itself put together from others.
    FromAll,
}

/// Recordings by name.
#[derive(Clone, Debug, Default)]
pub struct Sources(BTreeMap<String, Origin>);

impl Sources {
    /// Those of the list `named`, or else of the lists in `folders`.
    pub fn find(named: Option<&Path>, folders: &[PathBuf]) -> anyhow::Result<Self> {
        let lists: Vec<PathBuf> = match named {
            Some(list) => vec![list.to_owned()],
            None => folders.iter().map(|folder| folder.join(FILE)).filter(|list| list.is_file()).collect(),
        };
        let mut sources = Self::default();
        for list in lists {
            let text =
                std::fs::read_to_string(&list).with_context(|| format!("cannot read {}", list.display()))?;
            sources.0.extend(parse(&text).with_context(|| list.display().to_string())?.0);
        }
        Ok(sources)
    }

    /// Origin of `stem`; where no list names it, its source is `folder`.
    pub fn of(&self, stem: &str, folder: &str) -> Origin {
        self.0.get(stem).cloned().unwrap_or_else(|| Origin {
            source: Source::new(folder),
            kind: String::new(),
            apart: Apart::FromNone,
        })
    }
}

/// A list: a line of headings, then stem, source, kind and, if need be, whom it must be kept apart from, with tabs between.
fn parse(text: &str) -> anyhow::Result<Sources> {
    let mut sources = BTreeMap::new();
    for line in text.lines().skip(1).filter(|line| !line.trim().is_empty()) {
        let cells: Vec<&str> = line.split('\t').map(str::trim).collect();
        let (stem, source, kind, apart) = match cells[..] {
            [stem, source, kind] => (stem, source, kind, ""),
            [stem, source, kind, apart] => (stem, source, kind, apart),
            _ => bail!("a line must be stem, source and kind with tabs between, not '{line}'"),
        };
        if stem.is_empty() || source.is_empty() {
            bail!("stem and source must not be empty, as in '{line}'");
        }
        let apart = match apart {
            "" => Apart::FromNone,
            "*" => Apart::FromAll,
            stems => Apart::From(stems.split(',').map(|stem| stem.trim().to_owned()).collect()),
        };
        let origin = Origin { source: Source::new(source), kind: kind.to_owned(), apart };
        if sources.insert(stem.to_owned(), origin).is_some() {
            bail!("'{stem}' is named twice");
        }
    }
    Ok(Sources(sources))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_says_source_and_kind_and_what_it_does_not_name_is_of_its_folder() {
        let list =
            "stem\tsource\tkind\tapart\na\tcalls\tcall\t\nb\tshow\tbroadcast\n\nc\tcalls\tcall\ta, d\n";
        let sources = parse(list).expect("a list");
        assert_eq!(sources.of("a", "x").source.label(), "calls");
        assert_eq!(sources.of("b", "x").kind, "broadcast");
        assert_eq!(sources.of("c", "x").apart, Apart::From(vec!["a".into(), "d".into()]));
        assert_eq!((sources.of("d", "x").source.label(), sources.of("d", "x").kind.as_str()), ("x", ""));
    }

    #[test]
    fn a_list_that_cannot_be_understood_is_refused() {
        let complaint =
            |line: &str| parse(&format!("stem\tsource\tkind\n{line}")).expect_err("bad").to_string();
        assert!(complaint("a calls").contains("with tabs between, not 'a calls'"));
        assert!(complaint("a\t\tcall").contains("must not be empty"));
        assert!(complaint("a\tx\tcall\na\ty\tcall").contains("'a' is named twice"));
    }

    #[test]
    fn recordings_of_several_sources_share_voices_with_each_of_them() {
        let both = Source::new("b+a");
        assert_eq!((both.label(), both.to_string().as_str()), ("several", "a+b"));
        assert!(both.shares_with(&Source::new("a")) && Source::new("b").shares_with(&both));
        assert!(!both.shares_with(&Source::new("c")) && !both.shares_with(&Source::new("several")));
    }
}
