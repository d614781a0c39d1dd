//! HTTP: the routes, and what holds for all of them.

mod audio;
mod audit;
mod auth;
mod body;
mod change;
mod changing;
mod checks;
mod corrections;
mod dead_letters;
mod events;
mod explained;
mod file_name;
mod form;
pub(crate) mod guard;
mod host;
mod json;
pub(crate) mod key;
mod matches;
mod meter;
mod openapi;
mod operations;
mod options;
mod pace;
mod pages;
mod parameter;
mod peer;
mod problem;
pub(crate) mod query;
mod recordings;
mod scope;
pub(crate) mod serve;
mod session;
mod shown;
mod speakers;
mod stream;
mod turns;
pub(crate) mod tus;
pub(crate) mod underway;
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
pub(crate) use options::ChannelsWanted;
pub(crate) use problem::ApiError;
use service_kit::admin::Readiness;
use service_kit::schema;
use std::sync::Arc;
use std::time::{Duration, Instant};
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Longest wait for each answer of the database and of the broker in a readiness check.
const READY_WITHIN: Duration = Duration::from_secs(3);

/// The whole API with the pages; and of the `operator`'s what tells whether it is well, for what stands before it.
pub(crate) fn router(context: Arc<Context>, operator: Router) -> Router {
    let (v1, document) = v1(&context).split_for_parts();
    let host = middleware::from_fn_with_state(context.clone(), host::check);
    v1.with_state(context)
        .merge(openapi::routes(&document))
        .merge(operator)
        .merge(pages::routes())
        .method_not_allowed_fallback(async |method: Method, uri: Uri| {
            ApiError::Method(shown::shown(method.as_str()), shown::shown(uri.path()))
        })
        .fallback(pages::nothing)
        .layer(middleware::from_fn(guard::bound))
        .layer(host)
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
        .routes(routes!(session::show, session::begin, session::end))
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
        .routes(routes!(audit::list))
        .merge(tus::routes())
        .routes(routes!(webhooks::list, webhooks::create))
        .routes(routes!(webhooks::show, webhooks::delete))
        .routes(routes!(webhooks::ping))
        .routes(routes!(webhooks::deliveries))
        .route_layer(middleware::from_fn_with_state(context.clone(), audit::note))
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

/// Outcome of `trying`; an error that names `what` where there was no answer in time.
async fn within<T>(what: &str, trying: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    match tokio::time::timeout(READY_WITHIN, trying).await {
        Ok(outcome) => outcome,
        Err(_) => Err(format!("{what}: no answer within {} s", READY_WITHIN.as_secs())),
    }
}

/// Tries what requests need, each within a time: a connection for readiness alone tells whether the database is away or everybody
/// waits; then reading, and changing, as a request does it.
pub(crate) fn readiness(context: Arc<Context>) -> Readiness {
    Arc::new(move || {
        let context = context.clone();
        Box::pin(async move {
            within("the database", schema::check(&context.watch)).await?;
            context.surroundings.check()?;
            let read = async {
                let read = sqlx::query("SELECT 1").execute(&context.reads).await;
                read.map_err(|error| format!("nothing can be read from the database: {error}"))
            };
            within("reading from the database", read).await?;
            let pool = context.pool.clone();
            let work = async move || sqlx::query("SELECT 1").execute(&pool).await;
            let change = async {
                let done = context.changes.run_in_turn(work).await.map_err(|error| error.to_string())?;
                done.map_err(|error| format!("nothing can be changed in the database: {error}"))
            };
            within("changing what is in the database", change).await?;
            match tokio::time::timeout(READY_WITHIN, context.broker.check()).await {
                Ok(outcome) => outcome.map_err(|why| format!("broker: {why}")),
                Err(_) => Err("broker: no answer".to_owned()),
            }
        })
    })
}
