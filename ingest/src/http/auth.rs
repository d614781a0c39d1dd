//! Auth: the API tokens, and who brought one.

use super::problem::ApiError;
use crate::config::tokens;
use crate::context::Context;
use axum::extract::{Request, State};
use axum::http::header::AUTHORIZATION;
use axum::middleware::Next;
use axum::response::Response;
use std::sync::Arc;

/// Who calls: the name of the token, empty where none is set.
#[derive(Clone, Debug, Default)]
pub(crate) struct Caller(pub String);

/// Lets through what brings a token, and everything where none is set.
pub(crate) async fn check(
    State(context): State<Arc<Context>>,
    mut request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let mut caller = Caller::default();
    if let Some(known) = &context.tokens {
        let known = known.borrow().clone();
        let given = request.headers().get(AUTHORIZATION).and_then(|value| bearer(value.as_bytes()));
        let token = given.and_then(|given| tokens::find(&known, given)).ok_or(ApiError::Unauthorized)?;
        caller.0.clone_from(&token.name);
    }
    request.extensions_mut().insert(caller);
    Ok(next.run(request).await)
}

/// The token of an `Authorization: Bearer TOKEN` header; the word in any case.
fn bearer(header: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = header.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then(|| token.trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_bearer_token_is_taken() {
        assert_eq!(bearer(b"Bearer abc"), Some(&b"abc"[..]));
        assert_eq!(bearer(b"bearer  abc "), Some(&b"abc"[..]));
        assert_eq!(bearer(b"Basic abc"), None);
        assert_eq!(bearer(b"Bear"), None);
    }
}
