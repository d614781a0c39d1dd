//! Admin: /healthz, /readyz and /metrics, the same for every service.

use crate::shutdown::Shutdown;
use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use futures::future::BoxFuture;
use metrics_exporter_prometheus::PrometheusHandle;
use std::net::SocketAddr;
use std::sync::Arc;

/// Says why a service is not ready; `Ok` when it is.
pub type Readiness = Arc<dyn Fn() -> BoxFuture<'static, Result<(), String>> + Send + Sync>;

/// Routes of the admin pages.
pub fn routes(metrics: PrometheusHandle, readiness: Readiness) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "alive\n" }))
        .route(
            "/readyz",
            get(move || async move {
                match readiness().await {
                    Ok(()) => (StatusCode::OK, "ready\n".to_owned()),
                    Err(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {why}\n")),
                }
            }),
        )
        .route("/metrics", get(move || async move { metrics.render() }))
}

/// Serves `router` until shutdown; logs the address it got. Without its pages a service counts as dead to whoever supervises
/// it, so an error here asks for shutdown.
pub async fn serve(address: SocketAddr, router: Router, shutdown: Shutdown) -> anyhow::Result<()> {
    let served = try_serve(address, router, shutdown.clone()).await;
    if served.is_err() {
        shutdown.ask();
    }
    served
}

async fn try_serve(address: SocketAddr, router: Router, shutdown: Shutdown) -> anyhow::Result<()> {
    let listener = tokio::net::TcpListener::bind(address)
        .await
        .map_err(|error| anyhow::anyhow!("cannot listen on {address}: {error}"))?;
    tracing::info!(address = %listener.local_addr()?, "listening");
    axum::serve(listener, router).with_graceful_shutdown(async move { shutdown.asked().await }).await?;
    Ok(())
}
