//! OpenAPI: the document that says what the API takes and answers, made from the handlers themselves, and the page to browse it.

use super::problem::{PROBLEM_JSON, Problem};
use super::session;
use axum::Router;
use axum::http::header;
use axum::routing::get;
use std::collections::BTreeMap;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::response::{Response, ResponseBuilder};
use utoipa::openapi::schema::{AdditionalProperties, ObjectBuilder, Schema, Type};
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{ContentBuilder, Ref, RefOr};
use utoipa::{IntoResponses, Modify, OpenApi};
use utoipa_swagger_ui::{Config, SwaggerUi};

/// Path of the document.
pub(crate) const DOCUMENT: &str = "/openapi.json";

/// The document without its paths, which the routes bring.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Throughline",
        description = "Who spoke when, in recordings of any length. Where the service has no API tokens, calls need none. Every answer that is not \
                       what was asked for is a problem document (RFC 9457). Options and JSON fields that are not known are refused.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    components(schemas(Problem)),
    modifiers(&Security),
    tags(
        (name = "recordings", description = "Uploads, and what becomes of them"),
        (name = "resumable uploads", description = "The tus protocol, version 1.0.0: uploads in pieces that may be interrupted"),
        (name = "session", description = "A cookie for browsers in place of a token"),
        (name = "webhooks", description = "Who is told what becomes of recordings"),
        (name = "dead letters", description = "What failed for good"),
        (name = "operations", description = "What operators see and do")
    )
)]
pub(crate) struct Document;

struct Security;

impl Modify for Security {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let bearer = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("An API token, as `throughline token` makes them."))
            .build();
        if let Some(components) = &mut document.components {
            components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
            let cookie = ApiKeyValue::with_description(
                session::NAME,
                "A browser's session, got by `POST /v1/session`.",
            );
            components.add_security_scheme("session", SecurityScheme::ApiKey(ApiKey::Cookie(cookie)));
        }
        let either = ["bearer", "session"].map(|scheme| SecurityRequirement::new(scheme, [""; 0]));
        document.security = Some(either.to_vec());
    }
}

/// Routes of the document and of the page.
pub(crate) fn routes<S: Clone + Send + Sync + 'static>(document: &utoipa::openapi::OpenApi) -> Router<S> {
    let mut document = document.clone();
    close(&mut document, "NewCorrection");
    let text = document.to_json().unwrap_or_default();
    let document = get(async move || ([(header::CONTENT_TYPE, "application/json")], text));
    // No outside validator: it would be told of every service.
    let config = Config::from(DOCUMENT).validator_url("none").persist_authorization(false);
    Router::new().route(DOCUMENT, document).merge(SwaggerUi::new("/docs").config(config))
}

/// Says of each form of the schema `name`, which is one of several, that it has no other fields: derived, that is said of structs alone.
fn close(document: &mut utoipa::openapi::OpenApi, name: &str) {
    let schemas = document.components.as_mut().map(|components| &mut components.schemas);
    if let Some(RefOr::T(Schema::OneOf(forms))) = schemas.and_then(|schemas| schemas.get_mut(name)) {
        for form in &mut forms.items {
            if let RefOr::T(Schema::Object(form)) = form {
                form.additional_properties = Some(Box::new(AdditionalProperties::FreeForm(false)));
            }
        }
    }
}

/// A problem, as an answer with `status`.
fn problem(status: &str, description: &str) -> (String, RefOr<Response>) {
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
    let mut response = ResponseBuilder::new().description(description).content(PROBLEM_JSON, content);
    let header = |kind: Type, description: &str| {
        HeaderBuilder::new()
            .schema(ObjectBuilder::new().schema_type(kind))
            .description(Some(description))
            .build()
    };
    response = match status {
        "401" => response.header("WWW-Authenticate", header(Type::String, "Bearer")),
        "503" => response.header("Retry-After", header(Type::Integer, "Seconds to wait")),
        _ => response,
    };
    (status.to_owned(), RefOr::T(response.build()))
}

pub(crate) fn problems(all: &[(&str, &str)]) -> BTreeMap<String, RefOr<Response>> {
    all.iter().map(|(status, description)| problem(status, description)).collect()
}

/// Problems that every call can be answered with.
pub(crate) struct Usual;

impl IntoResponses for Usual {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        problems(&[
            ("400", "What was sent cannot be used; the detail says what and why"),
            ("401", "The API token is missing or wrong"),
            ("403", "The token is not good for this, or a browser sent it for another site's page"),
            ("413", "A larger body than is taken here"),
            ("421", "It was sent to a name that is not one of this service"),
            ("500", "Our fault"),
            ("503", "Database or object store away; try again"),
        ])
    }
}

/// Problems that a call about one recording can be answered with besides.
pub(crate) struct NoRecording;

impl IntoResponses for NoRecording {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        problems(&[("404", "There is no such recording")])
    }
}

/// Problems that a call about a part of a file can be answered with besides.
pub(crate) struct NoPart;

impl IntoResponses for NoPart {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        problems(&[("416", "The range lies behind the end")])
    }
}

#[cfg(test)]
mod tests {
    use crate::Config;
    use crate::context::Context;
    use crate::http;
    use axum::body::Body;
    use axum::http::{Request, header};
    use clap::Parser;
    use hyper::service::Service;
    use hyper_util::service::TowerToHyperService;
    use service_kit::admin;
    use service_kit::shutdown::Shutdown;
    use std::collections::BTreeSet;
    use std::sync::Arc;

    /// Addresses that are not the API's: the operator's, the document's own, and the pages.
    const OTHERS: [&str; 10] = [
        "/healthz",
        "/readyz",
        "/openapi.json",
        "/docs",
        "/docs/",
        "/docs/{*rest}",
        "/",
        "/recordings/{id}",
        "/operations",
        "/files/{version}/{*path}",
    ];

    /// Of services that are not asked.
    fn context() -> Arc<Context> {
        let store = format!("--object-store=file://{}", std::env::temp_dir().display());
        let arguments = ["ingest", "--database-url=postgres://127.0.0.1:1/none", &store];
        let config = Config::try_parse_from(arguments).expect("a configuration");
        Arc::new(Context::open(&config, "m1".to_owned(), None, Shutdown::default()).expect("opens"))
    }

    /// The routes that axum's own account of the router names.
    fn routes(router: &axum::Router) -> BTreeSet<String> {
        let account = format!("{router:?}");
        let account = account.split("fallback_router").next().unwrap_or_default();
        let paths =
            account.split("RouteId(").filter_map(|part| part.split_once("): \"")?.1.split('"').next());
        paths.filter(|path| path.starts_with('/')).map(str::to_owned).collect()
    }

    #[tokio::test]
    async fn every_route_is_in_the_document_with_its_methods_and_nothing_else_is() {
        let context = context();
        let document = serde_json::to_value(http::v1(&context).get_openapi()).expect("is JSON");
        let documented = document["paths"].as_object().expect("paths");
        let router = http::router(context.clone(), admin::health(http::readiness(context)));
        let mut wanted: BTreeSet<String> = documented.keys().cloned().collect();
        wanted.extend(OTHERS.map(str::to_owned));
        assert_eq!(routes(&router), wanted);

        let service = TowerToHyperService::new(router);
        for (path, operations) in documented {
            let request = Request::builder().method("BREW").uri(path.replace(['{', '}'], ""));
            let answer =
                service.call(request.body(Body::empty()).expect("a request")).await.expect("answers");
            let allowed = answer.headers()[header::ALLOW].to_str().expect("text");
            // A HEAD that comes with a GET is nobody's own.
            let implied = |method: &&str| *method == "HEAD" && allowed.contains("GET");
            let allowed: BTreeSet<String> =
                allowed.split(',').filter(|method| !implied(method)).map(str::to_lowercase).collect();
            let named: BTreeSet<String> =
                operations.as_object().expect("operations").keys().cloned().collect();
            assert_eq!(allowed, named, "{path}");
        }
    }

    #[tokio::test]
    async fn every_operation_has_a_summary_a_tag_and_says_what_goes_wrong() {
        let document = serde_json::to_value(http::v1(&context()).get_openapi()).expect("is JSON");
        assert_eq!(document["openapi"], "3.1.0");
        for (path, operations) in document["paths"].as_object().expect("paths") {
            for (method, operation) in operations.as_object().expect("operations") {
                let of = format!("{method} {path}");
                assert!(operation["summary"].as_str().is_some_and(|text| !text.is_empty()), "{of}");
                assert!(operation["tags"].as_array().is_some_and(|tags| !tags.is_empty()), "{of}");
                for (status, response) in operation["responses"].as_object().expect("responses") {
                    let problem = &response["content"]["application/problem+json"];
                    assert_eq!(problem.is_null(), status < &"400".to_owned(), "{of} {status}");
                }
            }
        }
    }
}
