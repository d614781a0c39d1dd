//! Reference set: how it is stored between one chunk and the next.

use diarization::matching::ReferenceSet;
use serde::{Deserialize, Serialize};

/// To be raised whenever what a stored set holds, or means, has changed.
const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Stored<Set> {
    version: u32,
    set: Set,
}

/// The set in `text`; nothing where another release of the matcher wrote it, in a way that this one does not know.
pub fn read(text: &str) -> Option<ReferenceSet> {
    let stored: Stored<ReferenceSet> = serde_json::from_str(text).ok()?;
    (stored.version == VERSION).then_some(stored.set)
}

/// What is stored of `set`, to be written as JSON.
pub fn stored(set: &ReferenceSet) -> impl Serialize + '_ {
    Stored { version: VERSION, set }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_is_read_as_it_was_stored_and_none_of_another_release() {
        let set = ReferenceSet::default();
        let text = serde_json::to_string(&stored(&set)).expect("writes");
        assert_eq!(read(&text), Some(set));
        assert_eq!(read(&text.replace("\"version\":1", "\"version\":0")), None);
        assert_eq!(read(r#"{"heard": [], "speakers": 0, "speech": 0.0, "longest": 0.0}"#), None);
    }
}
