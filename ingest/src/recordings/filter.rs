//! Filter: which recordings a list shows.

use chrono::{DateTime, Utc};
use uuid::Uuid;

/// Selection of the recordings that a list shows; a field that is not given does not restrict it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Filter {
    /// Older in the list than this one.
    pub before: Option<Uuid>,
    /// In one of these states.
    pub states: Option<Vec<String>>,
    /// With this in the title, in whatever case.
    pub title: Option<String>,
    /// Uploaded later than this.
    pub created_after: Option<DateTime<Utc>>,
    /// Uploaded earlier than this.
    pub created_before: Option<DateTime<Utc>>,
}

impl Filter {
    /// The pattern that titles must be LIKE.
    pub fn title_pattern(&self) -> Option<String> {
        let part = self.title.as_deref().filter(|part| !part.is_empty())?;
        let escape = |c: char| if matches!(c, '\\' | '%' | '_') { vec!['\\', c] } else { vec![c] };
        Some(format!("%{}%", part.chars().flat_map(escape).collect::<String>()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_means_something_in_a_pattern_stands_for_itself() {
        let pattern = |title: &str| Filter { title: Some(title.into()), ..Filter::default() }.title_pattern();
        assert_eq!(pattern("50%_a\\b").as_deref(), Some(r"%50\%\_a\\b%"));
        assert_eq!(pattern(""), None);
    }
}
