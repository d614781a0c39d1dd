//! Tokens: who may call the API. Only digests are kept, so a token can be checked and not printed.
//!
//! SHA-256 without salt or rounds is enough for tokens that `throughline token` makes: 32 random bytes cannot be guessed.

use anyhow::{Context, bail};
use clap::Args;
use sha2::{Digest, Sha256};
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use subtle::ConstantTimeEq;

/// Name of the one token that is set without a file.
const ONLY: &str = "default";
/// Longest name of a token.
const LONGEST_NAME: usize = 80;

/// The tokens that calls of /v1 may bring.
#[derive(Args, Clone, Debug)]
pub struct TokensConfig {
    /// Token that calls of /v1 must bring as `Authorization: Bearer TOKEN`.
    #[arg(long, env = "THROUGHLINE_API_TOKEN", hide_env_values = true)]
    pub api_token: Option<PlainToken>,
    /// The SHA-256 of such a token in hex, so that the token itself is nowhere kept; `throughline token` makes both.
    #[arg(long, env = "THROUGHLINE_API_TOKEN_SHA256", hide_env_values = true, conflicts_with = "api_token")]
    pub api_token_sha256: Option<TokenDigest>,
    /// File with more of them, a line `NAME SHA256` each. It is read again when it changes, so tokens are added and taken
    /// back without a restart.
    #[arg(long, env = "THROUGHLINE_API_TOKENS_FILE")]
    pub api_tokens_file: Option<PathBuf>,
}

impl TokensConfig {
    /// Whether calls must bring a token.
    pub fn any(&self) -> bool {
        self.api_token.is_some() || self.api_token_sha256.is_some() || self.api_tokens_file.is_some()
    }

    /// All of them, the file read as it is now.
    pub fn read(&self) -> anyhow::Result<Vec<Token>> {
        let plain = self.api_token.as_ref().map(|token| token.0.clone());
        let only = plain.or_else(|| self.api_token_sha256.clone());
        let mut all: Vec<Token> =
            only.into_iter().map(|digest| Token { name: ONLY.to_owned(), digest }).collect();
        if let Some(path) = &self.api_tokens_file {
            all.extend(
                read_file(path)
                    .with_context(|| format!("THROUGHLINE_API_TOKENS_FILE, {}", path.display()))?,
            );
        }
        Ok(all)
    }
}

/// One token, by the name that the operator gave it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Name, for the log and to keep the callers apart.
    pub name: String,
    digest: TokenDigest,
}

impl Token {
    /// Its digest.
    pub(crate) fn digest(&self) -> &[u8; 32] {
        &self.digest.0
    }

    /// The token `plain` under that name.
    #[cfg(test)]
    pub(crate) fn new(name: &str, plain: &[u8]) -> Self {
        Self { name: name.to_owned(), digest: TokenDigest::of(plain) }
    }
}

/// Which of `tokens` was given. The time taken tells nothing: digests are compared, all of them and all of their bytes.
pub fn find<'a>(tokens: &'a [Token], given: &[u8]) -> Option<&'a Token> {
    let given = TokenDigest::of(given);
    tokens.iter().fold(
        None,
        |found, token| {
            if bool::from(token.digest.0.ct_eq(&given.0)) { Some(token) } else { found }
        },
    )
}

/// The SHA-256 of a token.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenDigest([u8; 32]);

impl TokenDigest {
    fn of(token: &[u8]) -> Self {
        Self(Sha256::digest(token).into())
    }
}

impl fmt::Debug for TokenDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenDigest(…)")
    }
}

impl FromStr for TokenDigest {
    type Err = BadToken;

    fn from_str(text: &str) -> Result<Self, BadToken> {
        let mut digest = [0; 32];
        hex::decode_to_slice(text, &mut digest).map_err(|_| BadToken::Digest)?;
        Ok(Self(digest))
    }
}

/// A token that was given itself.
#[derive(Clone, Debug)]
pub struct PlainToken(TokenDigest);

/// A setting that is no token.
#[derive(Debug, thiserror::Error)]
pub enum BadToken {
    /// The token cannot be sent in a header.
    #[error(
        "the API token must be printable ASCII characters without blanks, and not empty; leave the variable unset for no token"
    )]
    Plain,
    /// The digest is none.
    #[error("a token's SHA-256 has 64 hexadecimal digits; `throughline token` makes a token and its digest")]
    Digest,
}

impl FromStr for PlainToken {
    type Err = BadToken;

    fn from_str(token: &str) -> Result<Self, BadToken> {
        if token.is_empty() || !token.chars().all(|c| c.is_ascii_graphic()) {
            return Err(BadToken::Plain);
        }
        Ok(Self(TokenDigest::of(token.as_bytes())))
    }
}

fn read_file(path: &Path) -> anyhow::Result<Vec<Token>> {
    parse(&std::fs::read_to_string(path)?)
}

/// Lines `NAME SHA256`; blank ones and those from `#` on are passed over.
fn parse(text: &str) -> anyhow::Result<Vec<Token>> {
    let mut tokens: Vec<Token> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let number = index + 1;
        let [name, digest] = line.split_whitespace().collect::<Vec<_>>()[..] else {
            bail!("line {number} is not NAME SHA256");
        };
        if name.len() > LONGEST_NAME || name == ONLY {
            bail!("line {number}: a token's name has up to {LONGEST_NAME} characters and is not '{ONLY}'");
        }
        if tokens.iter().any(|token| token.name == name) {
            bail!("line {number}: the name '{name}' is given twice");
        }
        let digest = digest.parse().with_context(|| format!("line {number}"))?;
        tokens.push(Token { name: name.to_owned(), digest });
    }
    Ok(tokens)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "1ec1c26b50d5d3c58d9583181af8076655fe00756bf7285940ba3670f99fcba0"; // of "s3cret"

    fn name<'a>(tokens: &'a [Token], given: &[u8]) -> Option<&'a str> {
        find(tokens, given).map(|token| token.name.as_str())
    }

    #[test]
    fn a_token_is_known_by_its_digest_and_never_printed() {
        let plain: PlainToken = "s3cret".parse().expect("a token");
        assert_eq!(plain.0, DIGEST.parse().expect("a digest"));
        let tokens = parse(&format!("# who\n\ncalls {DIGEST}\nother {}\n", "0".repeat(64))).expect("parses");
        assert_eq!(name(&tokens, b"s3cret"), Some("calls"));
        for wrong in [&b"s3cre"[..], b"", b"s3crets", DIGEST.as_bytes()] {
            assert_eq!(name(&tokens, wrong), None);
        }
        assert!(!format!("{plain:?} {tokens:?}").contains("1ec1"), "{tokens:?}");
    }

    #[test]
    fn what_is_no_token_is_refused_with_the_line() {
        assert!("".parse::<PlainToken>().is_err() && "two words".parse::<PlainToken>().is_err());
        assert!("s3cret".parse::<TokenDigest>().is_err());
        for (text, word) in [
            ("calls\n", "line 1"),
            ("\ncalls 12\n", "line 2"),
            (&*format!("a {DIGEST}\na {DIGEST}"), "twice"),
            (&*format!("default {DIGEST}"), "not 'default'"),
        ] {
            let error = format!("{:#}", parse(text).expect_err("is refused"));
            assert!(error.contains(word), "{error}");
        }
    }
}
