//! Auth: who calls, by an API token or by a browser's session, and that no other site calls through a browser.

use super::problem::ApiError;
use super::session::{bearer_of, pass_of};
use crate::config::tokens;
use crate::context::Context;
use crate::session;
use axum::extract::{Request, State};
use axum::http::header::{HOST, ORIGIN};
use axum::http::{HeaderMap, Method};
use axum::middleware::Next;
use axum::response::Response;
use std::sync::Arc;
use std::time::SystemTime;

/// Who calls: the name of the token, empty where none is set.
#[derive(Clone, Debug, Default)]
pub(crate) struct Caller(pub String);

/// Lets through what brings a token or a session, and everything where no tokens are set; but nothing that changes anything and that
/// another site's page has sent.
pub(crate) async fn check(
    State(context): State<Arc<Context>>,
    mut request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let headers = request.headers();
    let given = bearer_of(headers);
    // A page cannot know the token. All else a browser adds by itself.
    if given.is_none() && !request.method().is_safe() && is_of_another_site(headers) {
        return Err(ApiError::CrossSite);
    }
    let mut caller = Caller::default();
    // To end a session nothing is needed: it may be one that is over.
    let ends_session = request.method() == Method::DELETE && request.uri().path() == "/v1/session";
    if let Some(known) = context.tokens.as_ref().filter(|_| !ends_session) {
        let known = known.borrow().clone();
        let token = match (given, pass_of(headers)) {
            (Some(given), _) => tokens::find(&known, given),
            (None, Some(pass)) => {
                session::find(context.session_key.get(&context.reads).await?, &known, pass, SystemTime::now())
            }
            (None, None) => None,
        };
        caller.0.clone_from(&token.ok_or(ApiError::Unauthorized)?.name);
    }
    request.extensions_mut().insert(caller);
    Ok(next.run(request).await)
}

/// Whether a browser says that another site's page has sent this. Those that are no browsers say nothing.
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
