//! HTTP: the routes, and what holds for all of them.

mod audio;
mod auth;
mod body;
mod change;
mod checks;
mod corrections;
mod dead_letters;
mod events;
mod explained;
mod file_name;
mod form;
mod guard;
mod json;
pub(crate) mod key;
mod matches;
mod meter;
mod openapi;
mod operations;
mod options;
mod pace;
mod pages;
mod problem;
pub(crate) mod query;
mod recordings;
pub(crate) mod serve;
mod session;
mod shown;
mod speakers;
mod stream;
mod turns;
mod tus;
mod upload;
mod waveform;
mod webhooks;

#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use {body::Sink, meter::Meter, options::Options, upload::Incoming};

use crate::context::Context;
use axum::Router;
use axum::extract::{DefaultBodyLimit, MatchedPath, Request};
use axum::http::{Method, Uri};
use axum::middleware::{self, Next};
use axum::response::Response;
use metrics_exporter_prometheus::PrometheusHandle;
pub(crate) use options::ChannelsWanted;
pub(crate) use problem::ApiError;
use service_kit::admin::{self, Readiness};
use std::sync::Arc;
use std::time::{Duration, Instant};
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// How long the database and the broker have to answer a readiness check.
const READY_WITHIN: Duration = Duration::from_secs(3);

/// The whole API with the operator's pages.
pub(crate) fn router(context: Arc<Context>, metrics: PrometheusHandle) -> Router {
    let (v1, document) = v1(&context).split_for_parts();
    let operator = admin::routes(metrics, readiness(context.clone()));
    v1.with_state(context)
        .merge(openapi::routes(&document))
        .merge(operator)
        .merge(pages::routes())
        .method_not_allowed_fallback(async |method: Method, uri: Uri| {
            ApiError::Method(shown::shown(method.as_str()), shown::shown(uri.path()))
        })
        .fallback(pages::nothing)
        .layer(middleware::from_fn(guard::bound))
        .layer(middleware::from_fn(guard::no_smuggling))
        .layer(middleware::from_fn(measure))
}

/// The API proper, and the document of it.
fn v1(context: &Arc<Context>) -> OpenApiRouter<Arc<Context>> {
    OpenApiRouter::with_openapi(openapi::Document::openapi())
        .routes(routes!(recordings::list, upload::upload))
        .routes(routes!(recordings::show, recordings::delete, recordings::edit))
        .routes(routes!(turns::turns))
        .routes(routes!(matches::matches))
        .routes(routes!(audio::audio))
        .routes(routes!(waveform::waveform))
        .routes(routes!(change::reprocess))
        .routes(routes!(change::cancel))
        .routes(routes!(events::events))
        .routes(routes!(session::begin, session::end))
        .routes(routes!(speakers::speakers))
        .routes(routes!(corrections::list, corrections::correct))
        .routes(routes!(corrections::undo))
        .routes(routes!(checks::check))
        .routes(routes!(dead_letters::list))
        .routes(routes!(dead_letters::show, dead_letters::drop))
        .routes(routes!(dead_letters::replay))
        .routes(routes!(dead_letters::replay_many))
        .routes(routes!(operations::overview))
        .routes(routes!(operations::history))
        .routes(routes!(operations::pause))
        .routes(routes!(operations::resume))
        .merge(tus::routes())
        .routes(routes!(webhooks::list, webhooks::create))
        .routes(routes!(webhooks::show, webhooks::delete))
        .routes(routes!(webhooks::ping))
        .routes(routes!(webhooks::deliveries))
        .route_layer(middleware::from_fn_with_state(context.clone(), auth::check))
        // The upload counts for itself, against its own limit.
        .layer(DefaultBodyLimit::disable())
}

async fn measure(request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str).to_owned();
    // A method is whatever a client writes; a label for each would let anybody fill the memory.
    let known = [
        Method::GET,
        Method::POST,
        Method::DELETE,
        Method::HEAD,
        Method::OPTIONS,
        Method::PUT,
        Method::PATCH,
    ];
    let method = known.into_iter().find(|known| known == request.method());
    let method = method.map_or_else(|| "other".to_owned(), |method| method.to_string());
    let started = Instant::now();
    let response = next.run(request).await;
    let status = response.status().as_u16().to_string();
    metrics::histogram!("throughline_http_request_seconds", "method" => method, "route" => route, "status" => status)
        .record(started.elapsed().as_secs_f64());
    response
}

fn readiness(context: Arc<Context>) -> Readiness {
    Arc::new(move || {
        let context = context.clone();
        Box::pin(async move {
            context.surroundings.check()?;
            let database = sqlx::query("SELECT 1").execute(&context.pool);
            match tokio::time::timeout(READY_WITHIN, database).await {
                Ok(Ok(_)) => {}
                Ok(Err(error)) => return Err(format!("database: {error}")),
                Err(_) => return Err("database: no answer".to_owned()),
            }
            let broker = async {
                if context.broker.is_connected().await {
                    Ok(())
                } else {
                    context.broker.channel().await.map(|_| ())
                }
            };
            match tokio::time::timeout(READY_WITHIN, broker).await {
                Ok(outcome) => outcome.map_err(|error| format!("broker: {error}")),
                Err(_) => Err("broker: no answer".to_owned()),
            }
        })
    })
}
