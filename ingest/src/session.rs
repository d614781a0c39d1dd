//! Session: a browser's pass, made of an API token and kept in a cookie. It holds no token: its signature tells by which token it was made.
//! It ends with that token, by itself, or when its browser signs out: that alone is noted.

use crate::config::tokens::Token;
use chrono::{DateTime, Utc};
use hmac::{Hmac, Mac};
use sha2::Sha256;
use sqlx::PgPool;
use std::sync::Arc;
use tokio::sync::OnceCell;
use uuid::Uuid;

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

/// A session, as its pass tells of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Session {
    /// Id.
    pub id: Uuid,
    /// Time at which it ends, to the second.
    pub ends: DateTime<Utc>,
}

impl Session {
    /// A new one that is over at `ends`.
    pub fn until(ends: DateTime<Utc>) -> Self {
        let ends = DateTime::from_timestamp(ends.timestamp(), 0).unwrap_or(ends);
        Self { id: Uuid::new_v4(), ends }
    }

    /// The pass for whoever brought `token`: the second of the end, the id and the signature, with points between.
    pub fn pass(&self, key: &[u8], token: &Token) -> String {
        let signature = hex::encode(self.signature(key, token).finalize().into_bytes());
        format!("{}.{}.{signature}", self.ends.timestamp(), self.id.simple())
    }

    /// The session of `pass` and the token that it was made of, if that is one of `tokens` and it is not over `now`.
    pub fn find<'a>(
        key: &[u8],
        tokens: &'a [Token],
        pass: &str,
        now: DateTime<Utc>,
    ) -> Option<(Self, &'a Token)> {
        let mut parts = pass.split('.');
        let (ends, id, given) = (parts.next()?, parts.next()?, parts.next()?);
        let ends = DateTime::from_timestamp(ends.parse().ok()?, 0)?;
        let (session, given) = (Self { id: id.parse().ok()?, ends }, hex::decode(given).ok()?);
        if parts.next().is_some() || session.is_over(now) {
            return None;
        }
        let token = tokens.iter().find(|token| session.signature(key, token).verify_slice(&given).is_ok());
        token.map(|token| (session, token))
    }

    /// True where the session has ended by `now`.
    pub fn is_over(&self, now: DateTime<Utc>) -> bool {
        now >= self.ends
    }

    fn signature(&self, key: &[u8], token: &Token) -> Hmac<Sha256> {
        let mut signature = <Hmac<Sha256> as Mac>::new_from_slice(key)
            .unwrap_or_else(|_| unreachable!("any length is a key"));
        signature.update(token.digest().as_slice());
        signature.update(&self.ends.timestamp().to_be_bytes());
        signature.update(self.id.as_bytes());
        signature
    }

    /// True where its browser has signed out.
    pub async fn is_ended(&self, pool: &PgPool) -> Result<bool, sqlx::Error> {
        let ended = sqlx::query_scalar!("SELECT id FROM ended_sessions WHERE id = $1", self.id);
        Ok(ended.fetch_optional(pool).await?.is_some())
    }

    /// Ends it for good, for every process.
    pub async fn end(&self, pool: &PgPool) -> Result<(), sqlx::Error> {
        sqlx::query!(
            "INSERT INTO ended_sessions (id, ends_at) VALUES ($1, $2) ON CONFLICT DO NOTHING",
            self.id,
            self.ends
        )
        .execute(pool)
        .await?;
        Ok(())
    }
}

/// Forgets the ended sessions whose time has come: their passes are worth nothing without that.
pub(crate) async fn forget(pool: &PgPool) -> Result<(), sqlx::Error> {
    sqlx::query!("DELETE FROM ended_sessions WHERE ends_at < now()").execute(pool).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeDelta;

    fn tokens() -> Vec<Token> {
        ["a", "b"].map(|name| Token::new(name, name.as_bytes())).to_vec()
    }

    #[test]
    fn a_pass_leads_back_to_its_token_until_it_ends_or_the_token_does() {
        let (tokens, now) = (tokens(), Utc::now());
        let session = Session::until(now + TimeDelta::days(7));
        let pass = session.pass(b"key", &tokens[1]);
        let found = |tokens: &[Token], now| {
            Session::find(b"key", tokens, &pass, now).map(|(session, token)| (session, token.name.clone()))
        };
        assert_eq!(found(&tokens, now), Some((session, "b".to_owned())));
        assert_eq!(found(&tokens, session.ends), None);
        assert_eq!(found(&tokens[..1], now), None);
        assert!(Session::find(b"another", &tokens, &pass, now).is_none());
        assert_ne!(Session::until(session.ends).pass(b"key", &tokens[1]), pass, "each is another one");
    }

    #[test]
    fn what_was_changed_is_no_pass() {
        let (tokens, now) = (tokens(), Utc::now());
        let session = Session::until(now + TimeDelta::days(7));
        let pass = session.pass(b"key", &tokens[0]);
        let [ends, id, signature] = pass.split('.').collect::<Vec<_>>()[..] else { panic!("{pass}") };
        let other = Uuid::new_v4().simple();
        for wrong in [
            "",
            "..",
            ends,
            &format!("{ends}.{signature}"),
            &format!("{ends}0.{id}.{signature}"),
            &format!("{ends}.{other}.{signature}"),
            &format!("{ends}.{id}.{}", &signature[2..]),
            &format!("{ends}.{id}."),
            &format!("{pass}.1"),
            &format!("9223372036854775807.{id}.00"),
        ] {
            assert!(Session::find(b"key", &tokens, wrong, now).is_none(), "{wrong}");
        }
    }
}
