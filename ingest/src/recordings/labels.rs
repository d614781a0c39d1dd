//! Labels: what the speakers of a recording are called now.

use diarization::labels::LabelScheme;
use std::collections::BTreeMap;

/// The names that are shown, and those of the recording's scheme for whoever has no turn.
#[derive(Debug)]
pub(crate) struct Labels {
    shown: BTreeMap<usize, String>,
    scheme: LabelScheme,
}

impl Labels {
    /// From the names in the recording's turns.
    pub fn new(shown: impl IntoIterator<Item = (i32, String)>, scheme: LabelScheme) -> Self {
        let number = |(speaker, label)| (usize::try_from(speaker).unwrap_or_default(), label);
        Self { shown: shown.into_iter().map(number).collect(), scheme }
    }

    /// Label of the speaker.
    pub fn label(&self, speaker: usize) -> String {
        self.shown.get(&speaker).cloned().unwrap_or_else(|| self.scheme.label(speaker))
    }
}
