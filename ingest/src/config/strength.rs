//! Strength: whether a token can be guessed. Digests are fast to try, by the thousand million in a second.

use std::collections::BTreeMap;

/// Fewest characters of a token that is given itself.
const SHORTEST: usize = 20;
/// Least that it must take to guess one, in bits, by how often each of its characters stands in it. 20 random letters and digits have some
/// 80, a token of `throughline token` has 240.
const LEAST_BITS: f64 = 60.0;
/// Tokens that people set to try something out.
const USUAL: [&str; 24] = [
    "",
    "admin",
    "api-token",
    "apitoken",
    "changeme",
    "change-me",
    "default",
    "demo",
    "example",
    "hello",
    "key",
    "letmein",
    "password",
    "password123",
    "pass",
    "root",
    "secret",
    "test",
    "test123",
    "throughline",
    "token",
    "123456",
    "12345678",
    "hunter2",
];

/// Reason for which a token is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Weakness {
    /// Too few characters.
    #[error(
        "the API token has {0} characters, and whoever tries enough of them would find it; take one of at least 20 random characters: `throughline token` makes one"
    )]
    Short(usize),
    /// Always the same ones.
    #[error(
        "the API token repeats few characters, and whoever tries enough of them would find it; take a random one: `throughline token` makes one"
    )]
    Repeating,
    /// A digest of what everybody tries first.
    #[error(
        "this is the SHA-256 of '{0}', which everybody tries first; take a random token: `throughline token` makes one with its SHA-256"
    )]
    Usual(&'static str),
}

/// Reason for which `token` is too weak; none where it is strong enough.
pub fn weakness(token: &str) -> Option<Weakness> {
    if token.len() < SHORTEST {
        return Some(Weakness::Short(token.len()));
    }
    (bits(token) < LEAST_BITS).then_some(Weakness::Repeating)
}

/// Reason for which a token of which only the digest is known is too weak. `digest` makes the digest of a plain token.
pub fn weakness_of_digest<D: PartialEq>(known: &D, digest: impl Fn(&str) -> D) -> Option<Weakness> {
    USUAL.into_iter().find(|usual| digest(usual) == *known).map(Weakness::Usual)
}

/// Shannon's entropy of the whole text.
fn bits(text: &str) -> f64 {
    let mut counts = BTreeMap::<char, f64>::new();
    for character in text.chars() {
        *counts.entry(character).or_default() += 1.0;
    }
    let length = text.chars().count() as f64;
    counts.values().map(|count| count * (length / count).log2()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_that_can_be_guessed_are_refused_and_random_ones_are_not() {
        for good in [
            "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            "123e4567e89b12d3a456426614174000",
            "kQ7vXw2mZp9RtB4nLs8H",
            "T0b7uQv1Yx5eW9aK3cZ2Rg==",
        ] {
            assert_eq!(weakness(good), None, "{good}");
        }
        assert_eq!(weakness("s3cret"), Some(Weakness::Short(6)));
        assert_eq!(weakness("kQ7vXw2mZp9RtB4nLs8"), Some(Weakness::Short(19)));
        for poor in [
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            "abababababababababababababababab",
            "00000000000000000000001",
        ] {
            assert_eq!(weakness(poor), Some(Weakness::Repeating), "{poor}");
        }
        let digest = |text: &str| text.len();
        assert_eq!(weakness_of_digest(&0, digest), Some(Weakness::Usual("")));
        assert_eq!(weakness_of_digest(&64, digest), None);
    }
}
