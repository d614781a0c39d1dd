//! Pages: what people look at, embedded in the program.
//!
//! Files are served under a name that changes with their content, so that browsers keep them for ever; the pages themselves are
//! asked for each time. No page holds data: they get it from the API, which asks for a token where one is set.

use super::parameter::Parameter;
use super::problem::ApiError;
use super::recordings::RecordingId;
use super::shown::shown;
use axum::Router;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use rust_embed::{Embed, EmbeddedFile};
use sha2::{Digest, Sha256};
use std::sync::LazyLock;
use uuid::Uuid;

/// Placeholders in a page: the folder of its files, the nonce of the styles that scripts make, and the address that was asked for.
const FILES: &str = "{{files}}";
const NONCE: &str = "{{nonce}}";
const ADDRESS: &str = "{{address}}";

#[derive(Embed)]
#[folder = "pages/"]
#[exclude = "*.md"]
struct Files;

/// Changes when any file does.
static VERSION: LazyLock<String> = LazyLock::new(|| {
    let mut names: Vec<_> = Files::iter().collect();
    names.sort();
    let mut hash = Sha256::new();
    for name in names {
        hash.update(name.as_bytes());
        hash.update(Files::get(&name).map_or([0; 32], |file| file.metadata.sha256_hash()));
    }
    hex::encode(&hash.finalize()[..8])
});

/// The pages and their files.
pub(crate) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new()
        .route("/", get(async || page("index.html")))
        .route("/recordings/{id}", get(recording))
        .route("/operations", get(async || page("operations.html")))
        .route("/files/{version}/{*path}", get(file))
}

async fn recording(uri: Uri, headers: HeaderMap, id: Result<RecordingId, ApiError>) -> Response {
    match id {
        Ok(_) => page("recording.html").into_response(),
        Err(_) if wants_page(&headers) => missing(&uri),
        Err(error) => error.into_response(),
    }
}

/// The answer where there is nothing at an address: a page to a browser, a problem document to all others.
pub(crate) async fn nothing(uri: Uri, headers: HeaderMap) -> Response {
    if wants_page(&headers) { missing(&uri) } else { ApiError::Route(shown(uri.path())).into_response() }
}

/// True where HTML is named among the accepted types. Browsers name it when they show a page; other clients do not.
fn wants_page(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let mut kinds = accepted.flat_map(|value| value.split(',')).filter_map(|kind| kind.split(';').next());
    kinds.any(|kind| kind.trim().eq_ignore_ascii_case("text/html"))
}

fn missing(uri: &Uri) -> Response {
    let address = in_html(&shown(uri.path()));
    match filled("missing.html", &address) {
        Ok(page) => (StatusCode::NOT_FOUND, page).into_response(),
        Err(error) => error.into_response(),
    }
}

/// `text` as it stands in HTML, where all of it is text.
fn in_html(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn page(name: &'static str) -> Result<Response, ApiError> {
    filled(name, "")
}

fn filled(name: &'static str, address: &str) -> Result<Response, ApiError> {
    let file = Files::get(name).ok_or_else(|| ApiError::Route(name.to_owned()))?;
    let nonce = Uuid::new_v4().simple().to_string();
    let html = String::from_utf8_lossy(&file.data)
        .replace(FILES, &format!("/files/{}", *VERSION))
        .replace(NONCE, &nonce)
        .replace(ADDRESS, address);
    let policy = format!(
        "default-src 'self'; style-src 'self' 'nonce-{nonce}'; img-src 'self' data:; object-src 'none'; base-uri 'none'; \
         form-action 'self'; frame-ancestors 'none'"
    );
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, &policy),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
        // The nonce is new each time.
        (header::CACHE_CONTROL, "no-store"),
    ];
    Ok((headers, html).into_response())
}

/// One file. Of another version, as during an upgrade, whatever there is, not to be kept.
async fn file(
    Parameter((version, path)): Parameter<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let file = (!path.ends_with(".html")).then(|| Files::get(&path)).flatten();
    let file = file.ok_or_else(|| ApiError::Route(shown(&path)))?;
    let tag = format!("\"{}\"", hex::encode(file.metadata.sha256_hash()));
    let kept = if version == *VERSION { "public, max-age=31536000, immutable" } else { "no-cache" };
    let always = [
        (header::ETAG, tag.clone()),
        (header::CACHE_CONTROL, kept.to_owned()),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
    ];
    let known = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if known.split(',').any(|known| known.trim() == tag) {
        return Ok((StatusCode::NOT_MODIFIED, always).into_response());
    }
    Ok((always, [(header::CONTENT_TYPE, kind(&file))], file.data).into_response())
}

fn kind(file: &EmbeddedFile) -> String {
    let kind = file.metadata.mimetype();
    if kind.starts_with("text/") { format!("{kind}; charset=utf-8") } else { kind.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_that_a_page_names_is_there() {
        for page in ["index.html", "recording.html", "operations.html", "missing.html"] {
            let html = Files::get(page).unwrap_or_else(|| panic!("{page} is missing"));
            let html = String::from_utf8_lossy(&html.data).into_owned();
            let named: Vec<&str> =
                html.split("\"{{files}}/").skip(1).filter_map(|rest| rest.split('"').next()).collect();
            assert!(named.len() > 2, "{page} names {named:?}");
            for name in named {
                assert!(Files::get(name).is_some(), "{page} names {name}");
            }
            assert!(
                !html.contains("<style") && !html.contains(" style=") && !html.contains(" onclick="),
                "{page}"
            );
        }
    }

    #[test]
    fn only_whoever_names_html_gets_a_page_where_there_is_nothing() {
        let wants = |accept: &str| {
            let value = accept.parse().expect("a value");
            wants_page(&HeaderMap::from_iter([(header::ACCEPT, value)]))
        };
        assert!(wants("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"));
        assert!(wants("application/json, Text/HTML;q=0.5"));
        assert!(!wants("*/*") && !wants("application/json") && !wants_page(&HeaderMap::new()));
    }

    #[test]
    fn scripts_and_styles_have_the_type_without_which_browsers_do_not_run_them() {
        for (name, wanted) in [
            ("js/api.js", "text/javascript; charset=utf-8"),
            ("css/base.css", "text/css; charset=utf-8"),
            ("icon.svg", "image/svg+xml"),
        ] {
            let file = Files::get(name).unwrap_or_else(|| panic!("{name} is missing"));
            assert_eq!(kind(&file), wanted);
        }
    }
}
