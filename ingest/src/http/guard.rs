//! Guard: what holds for every request before its handler sees it.

use super::problem::ApiError;
use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::time::Duration;

/// Largest body of all but uploads, and largest that is passed over where none is wanted.
pub(crate) const LARGEST_UNWANTED: u64 = 64 << 10;
/// Longest time of a request other than an upload: a little more than a transaction waits for a database that is away.
pub(crate) const ANSWER_WITHIN: Duration = Duration::from_secs(150);

/// The addresses that take bodies.
pub(crate) const UPLOADS: &str = "/v1/recordings";
pub(crate) const RESUMABLE: &str = "/v1/uploads";
pub(crate) const RESUMABLE_ONE: &str = "/v1/uploads/{id}";

fn is_upload(request: &Request) -> bool {
    let route = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    match route {
        Some(UPLOADS | RESUMABLE) => request.method() == Method::POST,
        // A POST that stands for a PATCH, too.
        Some(RESUMABLE_ONE) => request.method() == Method::PATCH || request.method() == Method::POST,
        _ => false,
    }
}

/// Refuses large bodies where none is wanted, and bounds the time of all requests but uploads, which have their own limits.
pub(crate) async fn bound(request: Request, next: Next) -> Response {
    if is_upload(&request) {
        return next.run(request).await;
    }
    let length = request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    if length.and_then(|length| length.parse().ok()).is_some_and(|bytes: u64| bytes > LARGEST_UNWANTED) {
        return ApiError::UnwantedBody.into_response();
    }
    match tokio::time::timeout(ANSWER_WITHIN, next.run(request)).await {
        Ok(response) => response,
        Err(_) => ApiError::Overdue(ANSWER_WITHIN.as_secs()).into_response(),
    }
}

/// Ends the connection after a body that was sent in chunks. Where a request says both how long it is and that it comes in
/// chunks, the server goes by the chunks; whoever stands before it may not, and would take what follows for another
/// client's (RFC 9112, 6.1).
pub(crate) async fn no_smuggling(request: Request, next: Next) -> Response {
    let chunked = request.headers().contains_key(header::TRANSFER_ENCODING);
    let mut response = next.run(request).await;
    if chunked {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}
