//! Tokens: who may call the API. Only digests are kept, so a token can be checked and not printed.
//!
//! SHA-256 without salt or rounds is enough for tokens that `throughline token` makes: 32 random bytes cannot be guessed.

use super::scopes::Scopes;
use super::strength::{Weakness, weakness, weakness_of_digest};
use anyhow::{Context, anyhow};
use clap::Args;
use sha2::{Digest, Sha256};
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use subtle::ConstantTimeEq;

/// Name of the one token that is set without a file.
const ONLY: &str = "default";
/// Longest name of a token.
const LONGEST_NAME: usize = 80;

/// The tokens that calls of /v1 may bring.
#[derive(Args, Clone, Debug)]
pub struct TokensConfig {
    /// Token that calls of /v1 must bring as `Authorization: Bearer TOKEN`; it may do everything. At least 20 random characters.
    #[arg(long, env = "THROUGHLINE_API_TOKEN", hide_env_values = true)]
    pub api_token: Option<PlainToken>,
    /// The SHA-256 of such a token in hex, so that the token itself is nowhere kept; `throughline token` makes both.
    #[arg(long, env = "THROUGHLINE_API_TOKEN_SHA256", hide_env_values = true, conflicts_with = "api_token")]
    pub api_token_sha256: Option<TokenDigest>,
    /// File with more of them, a line `NAME SHA256` or `NAME SHA256 SCOPES` each; the scopes are some of `read,write,operate`, and all of them
    /// where none are given. What changes in it holds within a second; without the file none of its tokens is taken.
    #[arg(long, env = "THROUGHLINE_API_TOKENS_FILE")]
    pub api_tokens_file: Option<PathBuf>,
    /// Hours after which a browser's session is over.
    #[arg(long, env = "THROUGHLINE_SESSION_HOURS", default_value_t = 168, value_parser = clap::value_parser!(u32).range(1..=8760))]
    pub session_hours: u32,
}

impl TokensConfig {
    /// True where calls must bring a token.
    pub fn any(&self) -> bool {
        self.api_token.is_some() || self.api_token_sha256.is_some() || self.api_tokens_file.is_some()
    }

    /// Those that are set without a file.
    pub(crate) fn without_file(&self) -> Vec<Token> {
        let plain = self.api_token.as_ref().map(|token| token.0.clone());
        let only = plain.or_else(|| self.api_token_sha256.clone());
        let only = only.map(|digest| Token { name: ONLY.to_owned(), digest, scopes: Scopes::ALL });
        only.into_iter().collect()
    }

    /// All of them, the file read as it is now.
    pub fn read(&self) -> anyhow::Result<Vec<Token>> {
        let mut all = self.without_file();
        if let Some(path) = &self.api_tokens_file {
            let file = || format!("THROUGHLINE_API_TOKENS_FILE, {}", path.display());
            let (tokens, refused) = parse(&std::fs::read_to_string(path).with_context(file)?);
            if let Some(line) = refused.into_iter().next() {
                return Err(line.context(file()));
            }
            all.extend(tokens);
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
    /// Scopes that the token has.
    pub scopes: Scopes,
}

impl Token {
    /// Its digest.
    pub(crate) fn digest(&self) -> &[u8; 32] {
        &self.digest.0
    }

    /// The token `plain` under that name.
    #[cfg(test)]
    pub(crate) fn new(name: &str, plain: &[u8]) -> Self {
        Self { name: name.to_owned(), digest: TokenDigest::of(plain), scopes: Scopes::ALL }
    }
}

/// Token of `tokens` that was given; the first, where two are the same. The time taken tells nothing: all digests are compared, and all of
/// their bytes.
pub fn find<'a>(tokens: &'a [Token], given: &[u8]) -> Option<&'a Token> {
    let given = TokenDigest::of(given);
    tokens.iter().fold(None, |found, token| {
        let is_it = bool::from(token.digest.0.ct_eq(&given.0));
        found.or(if is_it { Some(token) } else { None })
    })
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
        match weakness_of_digest(&digest, |usual| Self::of(usual.as_bytes()).0) {
            Some(weakness) => Err(weakness.into()),
            None => Ok(Self(digest)),
        }
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
    /// It can be guessed.
    #[error("{0}")]
    Weak(#[from] Weakness),
}

impl FromStr for PlainToken {
    type Err = BadToken;

    fn from_str(token: &str) -> Result<Self, BadToken> {
        if token.is_empty() || !token.chars().all(|c| c.is_ascii_graphic()) {
            return Err(BadToken::Plain);
        }
        if let Some(weakness) = weakness(token) {
            return Err(weakness.into());
        }
        Ok(Self(TokenDigest::of(token.as_bytes())))
    }
}

/// The tokens of a file, with lines `NAME SHA256` or `NAME SHA256 SCOPES`; blank ones and those from `#` on are passed over. Whoever made a
/// mistake in one line has not taken back the others: what is wrong comes beside the tokens.
pub(crate) fn parse(text: &str) -> (Vec<Token>, Vec<anyhow::Error>) {
    let (mut tokens, mut refused) = (Vec::new(), Vec::new());
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        match token(line, &tokens) {
            Ok(token) => tokens.push(token),
            Err(error) => refused.push(error.context(format!("line {}", index + 1))),
        }
    }
    (tokens, refused)
}

fn token(line: &str, others: &[Token]) -> anyhow::Result<Token> {
    let mut words = line.split_whitespace();
    let (Some(name), Some(digest), scopes, None) = (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(anyhow!("it is not NAME SHA256 or NAME SHA256 SCOPES"));
    };
    if name.len() > LONGEST_NAME || name == ONLY {
        return Err(anyhow!("a token's name has up to {LONGEST_NAME} characters and is not '{ONLY}'"));
    }
    if others.iter().any(|token| token.name == name) {
        return Err(anyhow!("the name '{name}' is given twice"));
    }
    let scopes = scopes.map_or(Ok(Scopes::ALL), str::parse)?;
    Ok(Token { name: name.to_owned(), digest: digest.parse()?, scopes })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: &str = "kQ7vXw2mZp9RtB4nLs8H";

    fn digest(token: &str) -> String {
        hex::encode(TokenDigest::of(token.as_bytes()).0)
    }

    fn name<'a>(tokens: &'a [Token], given: &[u8]) -> Option<&'a str> {
        find(tokens, given).map(|token| token.name.as_str())
    }

    #[test]
    fn a_token_is_known_by_its_digest_and_never_printed() {
        let (plain, digest): (PlainToken, _) = (PLAIN.parse().expect("a token"), digest(PLAIN));
        assert_eq!(plain.0, digest.parse().expect("a digest"));
        let (tokens, refused) = parse(&format!("# who\n\ncalls {digest}\nother {}\n", "0".repeat(64)));
        assert_eq!((name(&tokens, PLAIN.as_bytes()), refused.len()), (Some("calls"), 0));
        for wrong in [&b"kQ7vXw2mZp9RtB4nLs8"[..], b"", b"kQ7vXw2mZp9RtB4nLs8H0", digest.as_bytes()] {
            assert_eq!(name(&tokens, wrong), None);
        }
        assert!(!format!("{plain:?} {tokens:?}").contains(&digest[..4]), "{tokens:?}");
    }

    #[test]
    fn a_line_says_what_its_token_may_do_and_one_that_says_nothing_may_do_all() {
        let digest = digest(PLAIN);
        let (tokens, refused) = parse(&format!(
            "all {digest}\nsome {digest} read,write\nno {digest} reed\nno {digest} read write\n"
        ));
        let scopes: Vec<_> = tokens.iter().map(|token| (&*token.name, token.scopes.to_string())).collect();
        assert_eq!(scopes, [("all", "read,write,operate".to_owned()), ("some", "read,write".to_owned())]);
        let refused: Vec<_> = refused.iter().map(|error| format!("{error:#}")).collect();
        assert!(
            refused[0].contains("line 3: 'reed' is no scope") && refused[1].contains("line 4"),
            "{refused:?}"
        );
    }

    #[test]
    fn what_is_no_token_is_refused_with_the_line_and_the_others_hold() {
        assert!("".parse::<PlainToken>().is_err() && "two words".parse::<PlainToken>().is_err());
        assert!("s3cret".parse::<TokenDigest>().is_err());
        let (a, ours) = (digest("a"), digest(PLAIN));
        for (text, word) in [
            ("calls\n", "line 1"),
            ("\ncalls 12\n", "line 2"),
            (&*format!("a {a}\na {a}"), "twice"),
            (&*format!("default {a}"), "not 'default'"),
            (&*format!("a {}", digest("secret")), "the SHA-256 of 'secret'"),
        ] {
            let (tokens, refused) = parse(&format!("{text}\nours {ours}"));
            assert_eq!((name(&tokens, PLAIN.as_bytes()), refused.len()), (Some("ours"), 1));
            let error = format!("{:#}", refused[0]);
            assert!(error.contains(word), "{error}");
        }
    }
}
