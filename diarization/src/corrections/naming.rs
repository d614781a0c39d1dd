//! Naming: what corrected speakers are called. No two are called the same.

use super::corrected::Corrected;
use crate::labels::in_rttm;
use std::collections::BTreeSet;

impl Corrected {
    /// Gives `speaker` a name. Whoever has it by an earlier correction loses it: that happens only where a merge between the two no longer
    /// applies.
    pub(super) fn name(&mut self, speaker: usize, name: &str) {
        self.names.retain(|_, other| in_rttm(other) != in_rttm(name));
        self.names.insert(speaker, name.to_owned());
    }

    /// The speakers who have speech, in the order in which they are shown, with what they are called. A name that a person gave
    /// stands; whom the recording's own scheme would call the same gets the next free name of it.
    pub fn speakers(&self) -> Vec<(usize, String)> {
        let heard = self.heard();
        let given: BTreeSet<String> = self.names.values().map(|name| in_rttm(name)).collect();
        let scheme = |index: usize| self.labelled.labels.label(index);
        let mut spare = self.labelled.order.len();
        // The speaker at `index` of the scheme, or past it one whom only a person has told apart.
        let mut label_of = |index: Option<usize>, speaker: usize| {
            let given_name = self.names.get(&speaker).cloned();
            given_name
                .or_else(|| index.map(scheme).filter(|label| !given.contains(&in_rttm(label))))
                .unwrap_or_else(|| {
                    loop {
                        let label = scheme(spare);
                        spare += 1;
                        if !given.contains(&in_rttm(&label)) {
                            break label;
                        }
                    }
                })
        };
        let mut speakers = Vec::new();
        for (index, &speaker) in self.labelled.order.iter().enumerate() {
            speakers.push((speaker, label_of(Some(index), speaker)));
        }
        for speaker in self.labelled.cast.len()..self.next_speaker {
            speakers.push((speaker, label_of(None, speaker)));
        }
        speakers.retain(|(speaker, _)| heard.contains(speaker));
        speakers
    }
}
