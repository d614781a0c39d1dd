//! Admin: /healthz, /readyz and /metrics, the same for every service.

use crate::config::AdminConfig;
use crate::shutdown::Shutdown;
use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use futures::future::BoxFuture;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use metrics_exporter_prometheus::PrometheusHandle;
use std::net::Ipv4Addr;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// Ports of which a service takes the first free one where it is not told its address; several of a kind may run on one machine.
pub const WORKER_PORTS: Range<u16> = 9101..9111;
/// The same of matchers.
pub const MATCHER_PORTS: Range<u16> = 9111..9121;
/// The same of ingest.
pub const INGEST_PORTS: Range<u16> = 9121..9131;

/// Connections at once, how long the head of a request may take, and one request in all.
const CONNECTIONS: usize = 64;
const HEAD_WITHIN: Duration = Duration::from_secs(3);
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// Says why a service is not ready; `Ok` when it is.
pub type Readiness = Arc<dyn Fn() -> BoxFuture<'static, Result<(), String>> + Send + Sync>;

/// Routes of the admin pages.
pub fn routes(metrics: PrometheusHandle, readiness: Readiness) -> Router {
    health(readiness).route("/metrics", get(move || async move { metrics.render() }))
}

/// Those that tell whether a service is well.
pub fn health(readiness: Readiness) -> Router {
    Router::new().route("/healthz", get(|| async { "alive\n" })).route(
        "/readyz",
        get(move || async move {
            match readiness().await {
                Ok(()) => (StatusCode::OK, "ready\n".to_owned()),
                Err(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {why}\n")),
            }
        }),
    )
}

/// Takes the address that `config` names; without one, the first of `ports` on loopback that is free.
pub async fn bind(config: &AdminConfig, ports: Range<u16>) -> anyhow::Result<TcpListener> {
    if let Some(address) = config.admin_listen {
        let bound = TcpListener::bind(address).await;
        return bound.map_err(|error| {
            anyhow::anyhow!("cannot listen on {address}: {error} (THROUGHLINE_ADMIN_LISTEN)")
        });
    }
    for port in ports.clone() {
        if let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await {
            return Ok(listener);
        }
    }
    let any = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    tracing::warn!(
        address = %any.local_addr()?,
        "the ports from {} on are taken; health and metrics are where nobody looks for them: set THROUGHLINE_ADMIN_LISTEN",
        ports.start
    );
    Ok(any)
}

/// Serves `router` until shutdown; logs the address it got. Without its pages a service counts as dead to whoever supervises
/// it, so an error here asks for shutdown.
pub async fn serve(
    config: &AdminConfig,
    ports: Range<u16>,
    router: Router,
    shutdown: Shutdown,
) -> anyhow::Result<()> {
    match bind(config, ports).await {
        Ok(listener) => serve_on(listener, router, shutdown).await,
        Err(error) => {
            shutdown.ask();
            Err(error)
        }
    }
}

/// The same on an address that is taken already.
pub async fn serve_on(listener: TcpListener, router: Router, shutdown: Shutdown) -> anyhow::Result<()> {
    tracing::info!(address = %listener.local_addr()?, what = "health and metrics", "listening");
    let slots = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        let slot = tokio::select! {
            slot = slots.clone().acquire_owned() => slot?,
            () = shutdown.asked() => break,
        };
        let stream = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shutdown.asked() => break,
        };
        match stream {
            Ok((stream, _)) => {
                let router = router.clone();
                connections.spawn(async move {
                    // Clients go away as they like.
                    let _ = tokio::time::timeout(ANSWER_WITHIN, answer(stream, router)).await;
                    drop(slot);
                });
            }
            Err(error) => {
                tracing::warn!(error = error.to_string(), "a connection could not be taken");
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
        }
        while connections.try_join_next().is_some() {}
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
    Ok(())
}

/// Answers one request: whoever looks again connects again.
async fn answer(stream: TcpStream, router: Router) -> Result<(), hyper::Error> {
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WITHIN)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router))
        .await
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::SocketAddr;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    async fn ask(address: SocketAddr) -> String {
        let mut stream = TcpStream::connect(address).await.expect("connects");
        stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: any.example\r\n\r\n").await.expect("asks");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("answers");
        answer
    }

    #[tokio::test]
    async fn heads_that_never_end_keep_nobody_waiting_for_long() {
        let router = Router::new().route("/healthz", get(|| async { "alive\n" }));
        let config = AdminConfig { admin_listen: Some((Ipv4Addr::LOCALHOST, 0).into()) };
        let listener = bind(&config, 0..0).await.expect("a port");
        let (address, shutdown) = (listener.local_addr().expect("an address"), Shutdown::default());
        let serving = tokio::spawn(serve_on(listener, router, shutdown.clone()));
        let mut open = Vec::new();
        for _ in 0..CONNECTIONS + 10 {
            let mut stream = TcpStream::connect(address).await.expect("connects");
            stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: loc").await.expect("sends");
            open.push(stream);
        }
        let answer = tokio::time::timeout(HEAD_WITHIN * 3, ask(address)).await.expect("is answered");
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("alive\n"), "{answer}");
        shutdown.ask();
        tokio::time::timeout(HEAD_WITHIN * 3, serving)
            .await
            .expect("stops")
            .expect("no panic")
            .expect("ends well");
    }

    #[tokio::test]
    async fn without_an_address_the_next_port_is_taken_and_with_one_only_that() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
        let address = taken.local_addr().expect("an address");
        let refused = bind(&AdminConfig { admin_listen: Some(address) }, 0..0).await.expect_err("is taken");
        assert!(refused.to_string().contains("THROUGHLINE_ADMIN_LISTEN"), "{refused}");
        let ports = address.port()..address.port().saturating_add(40);
        let other = bind(&AdminConfig { admin_listen: None }, ports).await.expect("one is free");
        let port = other.local_addr().expect("an address").port();
        assert!(port != address.port());
    }
}
