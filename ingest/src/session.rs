//! Session: a browser's pass, made of an API token and kept in a cookie. It holds no token and is kept nowhere: its signature tells by
//! which token it was made, and it ends with that token, or by itself.

use crate::config::tokens::Token;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use sqlx::PgPool;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::OnceCell;

/// How long a session lasts.
pub(crate) const LASTS: Duration = Duration::from_secs(7 * 24 * 3600);

/// The key that sessions are signed with, read when it is first needed: the same for every process on a database.
#[derive(Clone, Debug, Default)]
pub struct SessionKey(Arc<OnceCell<Vec<u8>>>);

impl SessionKey {
    /// The key.
    pub(crate) async fn get(&self, pool: &PgPool) -> Result<&[u8], sqlx::Error> {
        let read = || async { sqlx::query_scalar!("SELECT key FROM session_key").fetch_one(pool).await };
        self.0.get_or_try_init(read).await.map(Vec::as_slice)
    }
}

/// A pass for whoever brought `token`, until `ends`: the second of its end, a point, and the signature.
pub(crate) fn make(key: &[u8], token: &Token, ends: SystemTime) -> String {
    let ends = ends.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    format!("{ends}.{}", hex::encode(signature(key, token, ends).finalize().into_bytes()))
}

/// The token that `pass` was made of, if that is one of `tokens` and the pass has not ended `now`.
pub(crate) fn find<'a>(key: &[u8], tokens: &'a [Token], pass: &str, now: SystemTime) -> Option<&'a Token> {
    let (ends, given) = pass.split_once('.')?;
    let (ends, given) = (ends.parse().ok()?, hex::decode(given).ok()?);
    if now >= UNIX_EPOCH.checked_add(Duration::from_secs(ends))? {
        return None;
    }
    tokens.iter().find(|token| signature(key, token, ends).verify_slice(&given).is_ok())
}

fn signature(key: &[u8], token: &Token, ends: u64) -> Hmac<Sha256> {
    let mut signature =
        <Hmac<Sha256> as Mac>::new_from_slice(key).unwrap_or_else(|_| unreachable!("any length is a key"));
    signature.update(token.digest().as_slice());
    signature.update(&ends.to_be_bytes());
    signature
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens() -> Vec<Token> {
        ["a", "b"].map(|name| Token::new(name, name.as_bytes())).to_vec()
    }

    #[test]
    fn a_pass_leads_back_to_its_token_until_it_ends_or_the_token_does() {
        let (tokens, now) = (tokens(), SystemTime::now());
        let pass = make(b"key", &tokens[1], now + LASTS);
        let name = |tokens: &[Token], pass: &str, now| {
            find(b"key", tokens, pass, now).map(|token| token.name.clone())
        };
        assert_eq!(name(&tokens, &pass, now).as_deref(), Some("b"));
        assert_eq!(name(&tokens, &pass, now + LASTS + Duration::from_secs(1)), None);
        assert_eq!(name(&tokens[..1], &pass, now), None);
        assert!(find(b"another", &tokens, &pass, now).is_none());
    }

    #[test]
    fn what_was_changed_is_no_pass() {
        let (tokens, now) = (tokens(), SystemTime::now());
        let pass = make(b"key", &tokens[0], now + LASTS);
        let (ends, signature) = pass.split_once('.').expect("has a point");
        for wrong in [
            "",
            ".",
            ends,
            &format!("{ends}0.{signature}"),
            &format!("{ends}.{}", &signature[2..]),
            &format!("{ends}."),
        ] {
            assert!(find(b"key", &tokens, wrong, now).is_none(), "{wrong}");
        }
        assert!(find(b"key", &tokens, "18446744073709551615.00", now).is_none());
    }
}
