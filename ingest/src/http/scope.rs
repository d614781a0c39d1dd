//! Scope: what a token must be good for, by the route and the method.

use crate::config::scopes::Scope;
use axum::http::Method;

/// Scope that `method` on `route` needs; `None` where any token will do. A route that is not listed here needs the operator's scope.
pub(crate) fn needed(method: &Method, route: &str) -> Option<Scope> {
    let mut parts = route.split('/').skip(1);
    let scope = match (parts.next(), parts.next()) {
        (Some("v1"), Some("session")) => return None,
        (Some("v1"), Some("recordings")) if method.is_safe() => Scope::Read,
        // An upload that is asked how far it is will be gone on with.
        (Some("v1"), Some("recordings" | "uploads")) => Scope::Write,
        _ => Scope::Operate,
    };
    Some(scope)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_writing_and_operating_are_told_apart_and_what_is_new_is_the_operators() {
        let id = "/v1/recordings/{id}";
        for (method, route, scope) in [
            (Method::GET, "/v1/recordings", Some(Scope::Read)),
            (Method::GET, &*format!("{id}/audio"), Some(Scope::Read)),
            (Method::HEAD, id, Some(Scope::Read)),
            (Method::POST, "/v1/recordings", Some(Scope::Write)),
            (Method::DELETE, id, Some(Scope::Write)),
            (Method::POST, &*format!("{id}/corrections"), Some(Scope::Write)),
            (Method::HEAD, "/v1/uploads/{id}", Some(Scope::Write)),
            (Method::GET, "/v1/operations", Some(Scope::Operate)),
            (Method::POST, "/v1/queues/{name}/pause", Some(Scope::Operate)),
            (Method::GET, "/v1/webhooks", Some(Scope::Operate)),
            (Method::GET, "/v1/dead-letters/{id}", Some(Scope::Operate)),
            (Method::GET, "/v1/audit", Some(Scope::Operate)),
            (Method::GET, "/v1/recordings-of-others", Some(Scope::Operate)),
            (Method::GET, "/v2/recordings", Some(Scope::Operate)),
            (Method::POST, "/v1/session", None),
        ] {
            assert_eq!(needed(&method, route), scope, "{method} {route}");
        }
    }
}
