//! Session: the cookie by which a browser calls the API, got for a token.

use super::auth::{Access, Caller};
use super::openapi::Usual;
use super::problem::ApiError;
use super::query::NoQuery;
use crate::config::tokens::{self, Token};
use crate::context::Context;
use crate::session::Session;
use axum::Json;
use axum::extract::{Extension, State};
use axum::http::header::{AUTHORIZATION, CACHE_CONTROL, COOKIE, SET_COOKIE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// Name of the cookie.
pub(crate) const NAME: &str = "throughline-session";

/// The pass that a request brings, if it does.
pub(crate) fn pass_of(headers: &HeaderMap) -> Option<&str> {
    let cookies = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find_map(|(name, value)| (name == NAME).then_some(value))
}

/// The token of an `Authorization: Bearer TOKEN` header; the word in any case.
pub(crate) fn bearer_of(headers: &HeaderMap) -> Option<&[u8]> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.as_bytes().split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then(|| token.trim_ascii())
}

/// `HttpOnly`: no script reads it. `SameSite=Strict`: no other site's page sends it.
fn cookie(headers: &HeaderMap, pass: &str, seconds: i64) -> String {
    let proto = headers.get("x-forwarded-proto").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let proto = proto.split(',').next().unwrap_or_default().trim();
    let secure = if proto.eq_ignore_ascii_case("https") { "; Secure" } else { "" };
    format!("{NAME}={pass}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}")
}

/// Who calls, as `GET /v1/session` shows it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Who {
    /// Whether the service has tokens; where it has none, anybody may do everything.
    tokens: bool,
    /// Name of the token; empty where there are none.
    caller: String,
    /// What it may be used for: some of `read`, `write` and `operate`.
    scopes: Vec<&'static str>,
    /// Whether a session is called with, which can be ended.
    signed_in: bool,
    /// When the session is over.
    ends_at: Option<DateTime<Utc>>,
}

/// Show who calls
#[utoipa::path(
    get, path = "/v1/session", tag = "session",
    responses((status = 200, description = "Who calls, and what the token is good for", body = Who), Usual)
)]
pub(crate) async fn show(
    State(context): State<Arc<Context>>,
    Extension(caller): Extension<Caller>,
    Extension(access): Extension<Access>,
    NoQuery: NoQuery,
) -> Response {
    let who = Who {
        tokens: context.tokens.is_some(),
        caller: caller.0,
        scopes: access.scopes.words(),
        signed_in: access.session.is_some(),
        ends_at: access.session.map(|session| session.ends),
    };
    ([(CACHE_CONTROL, "no-store")], Json(who)).into_response()
}

/// Begin a browser's session
///
/// For a token, a cookie that takes its place until it is ended, for seven days unless the operator says otherwise, or until the token is
/// taken back. Where the service has no tokens, none is needed and none is set.
#[utoipa::path(
    post, path = "/v1/session", tag = "session",
    responses(
        (status = 204, description = "The session has begun", headers(("Set-Cookie" = Option<String>, description = "The session"))),
        Usual
    )
)]
pub(crate) async fn begin(
    State(context): State<Arc<Context>>,
    headers: HeaderMap,
    NoQuery: NoQuery,
) -> Result<Response, ApiError> {
    let Some(known) = &context.tokens else { return Ok(StatusCode::NO_CONTENT.into_response()) };
    let known = known.borrow().clone();
    let token =
        bearer_of(&headers).and_then(|given| tokens::find(&known, given)).ok_or(ApiError::Unauthorized)?;
    let lasts = TimeDelta::hours(context.session_hours.into());
    let pass = Session::until(Utc::now() + lasts).pass(context.session_key.get(&context.reads).await?, token);
    let set = cookie(&headers, &pass, lasts.num_seconds());
    Ok((StatusCode::NO_CONTENT, [(SET_COOKIE, set)]).into_response())
}

/// End the browser's session
///
/// It is worth nothing from then on, whoever may have a copy of the cookie. No token is needed for that.
#[utoipa::path(
    delete, path = "/v1/session", tag = "session", security(()),
    responses(
        (status = 204, description = "It has ended, and the browser forgets it", headers(("Set-Cookie" = String, description = "An empty one"))),
        Usual
    )
)]
pub(crate) async fn end(
    State(context): State<Arc<Context>>,
    headers: HeaderMap,
    NoQuery: NoQuery,
) -> Result<Response, ApiError> {
    if let Some((session, _)) = session_of(&context, &headers).await? {
        session.end(&context.pool).await?;
    }
    Ok((StatusCode::NO_CONTENT, [(SET_COOKIE, cookie(&headers, "", 0))]).into_response())
}

/// The session that a request brings and the token that it was made of, where both are in force.
pub(crate) async fn session_of(
    context: &Context,
    headers: &HeaderMap,
) -> Result<Option<(Session, Token)>, ApiError> {
    let (Some(known), Some(pass)) = (&context.tokens, pass_of(headers)) else { return Ok(None) };
    let known = known.borrow().clone();
    let key = context.session_key.get(&context.reads).await?;
    let Some((session, token)) = Session::find(key, &known, pass, Utc::now()) else { return Ok(None) };
    let ended = session.is_ended(&context.reads).await?;
    Ok((!ended).then(|| (session, token.clone())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn only_a_bearer_token_is_taken() {
        let bearer = |value: &'static str| {
            let headers = HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_static(value))]);
            bearer_of(&headers).map(<[u8]>::to_vec)
        };
        assert_eq!(bearer("Bearer abc").as_deref(), Some(&b"abc"[..]));
        assert_eq!(bearer("bearer  abc ").as_deref(), Some(&b"abc"[..]));
        assert_eq!(bearer("Basic abc"), None);
        assert_eq!(bearer("Bear"), None);
    }

    #[test]
    fn the_cookie_is_found_among_others_and_is_secure_behind_https() {
        let cookies = HeaderValue::from_static("a=b; throughline-session=1.ff; c=d");
        let mut headers = HeaderMap::from_iter([(COOKIE, cookies)]);
        assert_eq!(pass_of(&headers), Some("1.ff"));
        assert_eq!(pass_of(&HeaderMap::new()), None);
        assert!(!cookie(&headers, "1.ff", 5).contains("Secure"));
        headers.insert("x-forwarded-proto", HeaderValue::from_static("https, http"));
        let set = cookie(&headers, "1.ff", 5);
        assert_eq!(set, "throughline-session=1.ff; Path=/; Max-Age=5; HttpOnly; SameSite=Strict; Secure");
    }
}
