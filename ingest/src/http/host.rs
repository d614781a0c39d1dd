//! Host: every request must call the service by one of its names, so that no other site's page reaches it under a name of its own.

use super::problem::ApiError;
use super::shown::shown;
use crate::context::Context;
use axum::extract::{Request, State};
use axum::http::header::HOST;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, Uri, Version};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::sync::Arc;

/// Asked by probes, which send whatever address they know.
const OF_PROBES: [&str; 2] = ["/healthz", "/readyz"];

/// Lets through what is sent to a name of ours.
pub(crate) async fn check(State(context): State<Arc<Context>>, request: Request, next: Next) -> Response {
    if !OF_PROBES.contains(&request.uri().path()) {
        match named(request.uri(), request.headers(), request.version()) {
            Ok(named) => {
                if let Some(other) = named.iter().find(|host| !context.hosts.allow(host)) {
                    return ApiError::OtherHost(shown(other.host())).into_response();
                }
            }
            Err(error) => return error.into_response(),
        }
    }
    next.run(request).await
}

/// Everything that a request calls us by: the header, and the authority of an address that is given whole.
fn named(uri: &Uri, headers: &HeaderMap, version: Version) -> Result<Vec<Authority>, ApiError> {
    let mut named: Vec<Authority> = uri.authority().cloned().into_iter().collect();
    let mut hosts = headers.get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (Some(host), None) => {
            let host = host.to_str().ok().and_then(|host| host.parse().ok());
            named.push(host.ok_or(ApiError::BadHost)?);
        }
        // No browser is so old.
        (None, None) if version <= Version::HTTP_10 => {}
        _ => return Err(ApiError::BadHost),
    }
    Ok(named)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn names(uri: &'static str, hosts: &[&'static str], version: Version) -> Option<Vec<String>> {
        let hosts = hosts.iter().map(|host| (HOST, HeaderValue::from_static(host)));
        let mut headers = HeaderMap::new();
        for (name, host) in hosts {
            headers.append(name, host);
        }
        let named = named(&Uri::from_static(uri), &headers, version).ok()?;
        Some(named.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn every_name_that_is_sent_counts_and_one_must_be() {
        let now = Version::HTTP_11;
        assert_eq!(names("/", &["a:8080"], now), Some(vec!["a:8080".to_owned()]));
        assert_eq!(names("http://b/", &["a"], now), Some(vec!["b".to_owned(), "a".to_owned()]));
        assert_eq!((names("/", &[], now), names("/", &["a", "a"], now)), (None, None));
        assert_eq!((names("/", &[""], now), names("/", &["a b"], now)), (None, None));
        assert_eq!(names("/", &[], Version::HTTP_10), Some(Vec::new()));
    }
}
