//! The bounded list of damage notes a stream collects for the user.

/// More notes than this tell a user nothing new, and a hostile file must not grow the list for ever.
const MAX_NOTES: usize = 20;

/// Notes in the order the damage was met.
#[derive(Debug, Default)]
pub(super) struct Warnings {
    notes: Vec<String>,
}

impl Warnings {
    /// Adds a note; after [`MAX_NOTES`] one last line says that more was left out.
    pub(super) fn push(&mut self, note: String) {
        match self.notes.len().cmp(&MAX_NOTES) {
            std::cmp::Ordering::Less => self.notes.push(note),
            std::cmp::Ordering::Equal => self.notes.push("there is further damage, not listed here".into()),
            std::cmp::Ordering::Greater => {}
        }
    }

    /// The notes so far.
    pub(super) fn notes(&self) -> &[String] {
        &self.notes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endless_run_of_damage_fills_the_list_only_to_its_limit() {
        let mut warnings = Warnings::default();
        for n in 0..10_000 {
            warnings.push(format!("note {n}"));
        }
        assert_eq!(warnings.notes().len(), MAX_NOTES + 1);
    }
}
