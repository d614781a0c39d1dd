//! Scopes: what a token may be used for.

use std::fmt;
use std::str::FromStr;

/// One thing that a token may be used for. None of them includes another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// See recordings, turns and audio.
    Read,
    /// Upload, correct, reprocess, cancel and delete.
    Write,
    /// Use the operator's part: the board, queues, dead letters, webhooks, and the audit of who did what.
    Operate,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Self; 3] = [Self::Read, Self::Write, Self::Operate];

    /// As it is written.
    pub fn word(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Operate => "operate",
        }
    }
}

/// All scopes that a token has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scopes([bool; 3]);

/// A word that is no scope.
#[derive(Debug, thiserror::Error)]
#[error("'{0}' is no scope; there are read, write and operate, with commas between and no blanks")]
pub struct BadScope(String);

impl Scopes {
    /// All of them.
    pub const ALL: Self = Self([true; 3]);

    /// True where `scope` is among them.
    pub fn have(self, scope: Scope) -> bool {
        self.0[scope as usize]
    }

    /// Those that are there, as they are written.
    pub fn words(self) -> Vec<&'static str> {
        Scope::ALL.into_iter().filter(|scope| self.have(*scope)).map(Scope::word).collect()
    }
}

impl FromStr for Scopes {
    type Err = BadScope;

    fn from_str(text: &str) -> Result<Self, BadScope> {
        let mut scopes = Self([false; 3]);
        for word in text.split(',') {
            let scope = Scope::ALL.into_iter().find(|scope| scope.word() == word);
            scopes.0[scope.ok_or_else(|| BadScope(word.to_owned()))? as usize] = true;
        }
        Ok(scopes)
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words().join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_read_as_they_are_written_and_none_includes_another() {
        let scopes: Scopes = "write,read".parse().expect("reads");
        assert_eq!(scopes.to_string(), "read,write");
        assert!(!scopes.have(Scope::Operate));
        let operator: Scopes = "operate".parse().expect("reads");
        assert!(operator.have(Scope::Operate) && !operator.have(Scope::Read) && !operator.have(Scope::Write));
        assert_eq!(Scopes::ALL.words(), ["read", "write", "operate"]);
        for wrong in ["", "Read", "read,", "all", "read write"] {
            assert!(wrong.parse::<Scopes>().is_err(), "{wrong}");
        }
    }
}
