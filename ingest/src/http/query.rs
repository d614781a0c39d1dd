//! Query: what stands behind the `?` of an address. Every address says what it knows; anything else is an error, so that a
//! misspelt option is never silently without effect.

use super::problem::ApiError;
use super::shown::shown;
use axum::extract::{FromRequestParts, Query as Pairs};
use axum::http::Uri;
use axum::http::request::Parts;
use std::str::FromStr;

/// Fault of a query.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum QueryError {
    #[error("the query of the address cannot be read; write it as name=value&name=value")]
    Unreadable,
    #[error("the query of the address has bytes in it that are no UTF-8; write it as UTF-8, percent-encoded")]
    NotUtf8,
    #[error("there is no option '{name}' here; there are: {}", known.join(", "))]
    Unknown { name: String, known: &'static [&'static str] },
    #[error("there is no option '{0}' here; this address takes none")]
    NoneTaken(String),
    #[error("the option '{0}' is given twice; give it once")]
    Twice(&'static str),
    #[error("the option '{0}' has a NUL character in it; leave that out")]
    Nul(&'static str),
    #[error("the option '{name}' must be {wanted}, not '{value}'")]
    Value { name: &'static str, wanted: &'static str, value: String },
}

/// A query with known names only, each at most once.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Query(Vec<(&'static str, String)>);

impl Query {
    /// The query of `uri`, which may have the options `known`.
    pub fn read(uri: &Uri, known: &'static [&'static str]) -> Result<Self, QueryError> {
        let mut read: Vec<(&'static str, String)> = Vec::new();
        for (name, value) in pairs(uri)? {
            let Some(&name) = known.iter().find(|known| **known == name) else {
                return Err(match known {
                    [] => QueryError::NoneTaken(shown(&name)),
                    known => QueryError::Unknown { name: shown(&name), known },
                });
            };
            if read.iter().any(|(other, _)| *other == name) {
                return Err(QueryError::Twice(name));
            }
            // Postgres stores no such text.
            if value.contains('\0') {
                return Err(QueryError::Nul(name));
            }
            read.push((name, value));
        }
        Ok(Self(read))
    }

    /// The option `name`, which must be `wanted`; `None` where it is not given.
    pub fn get<T: FromStr>(&self, name: &'static str, wanted: &'static str) -> Result<Option<T>, QueryError> {
        let Some((_, value)) = self.0.iter().find(|(other, _)| *other == name) else { return Ok(None) };
        value.parse().map(Some).map_err(|_| QueryError::Value { name, wanted, value: shown(value) })
    }
}

/// The query of `uri` as it is: names and values, percent-decoded.
pub(crate) fn pairs(uri: &Uri) -> Result<Vec<(String, String)>, QueryError> {
    let Pairs(pairs): Pairs<Vec<(String, String)>> =
        Pairs::try_from_uri(uri).map_err(|_| QueryError::Unreadable)?;
    // Bytes that are no UTF-8 are read as this mark, which few mean.
    let marked = |text: &str| text.contains(char::REPLACEMENT_CHARACTER);
    let meant = uri.query().is_some_and(|query| query.to_ascii_lowercase().contains("%ef%bf%bd"));
    if !meant && pairs.iter().any(|(name, value)| marked(name) || marked(value)) {
        return Err(QueryError::NotUtf8);
    }
    Ok(pairs)
}

/// An address that takes no options.
pub(crate) struct NoQuery;

impl<S: Send + Sync> FromRequestParts<S> for NoQuery {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        Query::read(&parts.uri, &[])?;
        Ok(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(uri: &'static str, known: &'static [&'static str]) -> String {
        Query::read(&Uri::from_static(uri), known).expect_err("is refused").to_string()
    }

    #[test]
    fn options_are_percent_decoded_and_typed() {
        let uri = Uri::from_static("/v1?limit=%37&before=a%20b+c");
        let query = Query::read(&uri, &["limit", "before"]).expect("reads");
        assert_eq!(query.get::<u32>("limit", "a number"), Ok(Some(7)));
        assert_eq!(query.get::<String>("before", "text"), Ok(Some("a b c".to_owned())));
        let error = query.get::<u32>("before", "a whole number").expect_err("is none").to_string();
        assert_eq!(error, "the option 'before' must be a whole number, not 'a b c'");
    }

    #[test]
    fn what_is_not_known_or_given_twice_is_refused_by_name() {
        assert_eq!(
            refusal("/?page=2", &["limit", "before"]),
            "there is no option 'page' here; there are: limit, before"
        );
        assert_eq!(refusal("/?page=2", &[]), "there is no option 'page' here; this address takes none");
        assert_eq!(
            refusal("/?limit=1&limit=1", &["limit"]),
            "the option 'limit' is given twice; give it once"
        );
        assert!(refusal("/?limit=%00", &["limit"]).contains("NUL"));
        for bytes in ["/?limit=%ff", "/?%c3=1", "/?limit=%ed%a0%80"] {
            assert!(refusal(bytes, &["limit"]).contains("UTF-8"));
        }
        assert!(Query::read(&Uri::from_static("/?limit=%EF%BF%BD"), &["limit"]).is_ok());
        assert_eq!(
            refusal("/?%0aINFO+all+is+well", &[]),
            "there is no option '\u{fffd}INFO all is well' here; this address takes none"
        );
    }
}
