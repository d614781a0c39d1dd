//! Auth: who calls, by an API token or by a browser's session, and that no other site calls through a browser.

use super::problem::ApiError;
use super::scope;
use super::session::{bearer_of, session_of};
use super::shown::shown;
use crate::config::scopes::Scopes;
use crate::config::tokens::{self, Token};
use crate::context::Context;
use crate::session::Session;
use axum::extract::{MatchedPath, Request, State};
use axum::http::header::{HOST, ORIGIN};
use axum::http::{HeaderMap, Method};
use axum::middleware::Next;
use axum::response::Response;
use std::sync::Arc;
use tokio::sync::watch;
use tracing::Instrument;

/// Caller: the name of the token, empty where none is set.
#[derive(Clone, Debug, Default)]
pub(crate) struct Caller(pub String);

/// Access of a caller: the scopes of the token, and the session where the call was made with one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Access {
    pub scopes: Scopes,
    pub session: Option<Session>,
}

/// The tokens in force when a request was let through; what changes from then on is news to whoever holds this.
#[derive(Clone, Debug)]
pub(crate) struct TokensThen(pub Option<watch::Receiver<Arc<Vec<Token>>>>);

impl TokensThen {
    fn of(context: &Context) -> Self {
        let mut tokens = context.tokens.clone();
        if let Some(tokens) = &mut tokens {
            tokens.mark_unchanged();
        }
        Self(tokens)
    }
}

/// Lets through what brings a token or a session that is good for it, and everything where no tokens are set; but nothing that changes
/// anything and that another site's page has sent. Every line that is logged on the way names the caller.
pub(crate) async fn check(
    State(context): State<Arc<Context>>,
    mut request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let headers = request.headers();
    // A page cannot know the token. All else a browser adds by itself.
    if bearer_of(headers).is_none() && !request.method().is_safe() && is_of_another_site(headers) {
        return Err(ApiError::CrossSite);
    }
    let route = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str);
    // Before the caller is looked for: none that is taken back meanwhile is missed.
    let tokens = TokensThen::of(&context);
    let found = caller(&context, headers).await?;
    // To end a session nothing is needed: it may be one that is over.
    let ends_session = request.method() == Method::DELETE && route == "/v1/session";
    let (caller, access) = match found {
        Some(found) => found,
        None if ends_session => (Caller::default(), Access { scopes: Scopes::ALL, session: None }),
        None => return Err(ApiError::Unauthorized),
    };
    let named = (!caller.0.is_empty()).then_some(caller.0.as_str());
    let span = tracing::info_span!("request", caller = named, method = %request.method(), path = shown(request.uri().path()));
    if let Some(scope) = scope::needed(request.method(), route).filter(|scope| !access.scopes.have(*scope)) {
        span.in_scope(|| tracing::info!(scope = scope.word(), "refused: the token is not good for it"));
        return Err(ApiError::Scope(caller.0, access.scopes.to_string(), scope.word()));
    }
    request.extensions_mut().insert(caller);
    request.extensions_mut().insert(access);
    request.extensions_mut().insert(tokens);
    Ok(next.run(request).instrument(span).await)
}

/// Caller and access of a request; `None` where tokens are set, and the request brings neither a valid one nor a session.
async fn caller(context: &Context, headers: &HeaderMap) -> Result<Option<(Caller, Access)>, ApiError> {
    let Some(known) = &context.tokens else {
        return Ok(Some((Caller::default(), Access { scopes: Scopes::ALL, session: None })));
    };
    let known = known.borrow().clone();
    let (token, session) = match bearer_of(headers) {
        Some(given) => (tokens::find(&known, given).cloned(), None),
        None => session_of(context, headers).await?.map(|(session, token)| (token, session)).unzip(),
    };
    Ok(token.map(|token| (Caller(token.name), Access { scopes: token.scopes, session })))
}

/// True where a browser says that another site's page has sent this request. Clients that are no browsers say nothing.
fn is_of_another_site(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    match (text("sec-fetch-site"), text(ORIGIN.as_str())) {
        (Some(site), _) => !matches!(site, "same-origin" | "none"),
        // Browsers of before 2023: the page's origin, without its scheme, must be who was called.
        (None, Some(origin)) => origin.split_once("://").map(|(_, host)| host) != text(HOST.as_str()),
        (None, None) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::{HeaderName, HeaderValue};

    fn of_another_site(headers: &[(&'static str, &'static str)]) -> bool {
        let pair = |(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value));
        is_of_another_site(&headers.iter().copied().map(pair).collect())
    }

    #[test]
    fn what_another_sites_page_sends_is_known_and_what_is_no_browser_passes() {
        assert!(!of_another_site(&[("host", "a:8080")]));
        for (site, other) in
            [("same-origin", false), ("none", false), ("same-site", true), ("cross-site", true)]
        {
            assert_eq!(of_another_site(&[("sec-fetch-site", site), ("host", "a")]), other, "{site}");
        }
        assert!(!of_another_site(&[("origin", "http://a:8080"), ("host", "a:8080")]));
        assert!(of_another_site(&[("origin", "http://b"), ("host", "a")]));
        assert!(of_another_site(&[("origin", "null"), ("host", "a")]));
    }
}
