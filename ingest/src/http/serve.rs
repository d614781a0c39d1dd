//! Serve: connections, of which there are so many at most, and whose clients must make progress.

use super::pace::Patience;
use super::peer::{Peer, Shares};
use super::problem::{ApiError, PROBLEM_JSON};
use super::stream::PatientStream;
use crate::config::LimitsConfig;
use axum::Router;
use axum::extract::Extension;
use axum::response::IntoResponse;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use service_kit::shutdown::Shutdown;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// Largest head of a request, in bytes, and most headers in it.
const LARGEST_HEAD: usize = 64 << 10;
const MOST_HEADERS: usize = 64;
/// Wait before the next try when no connection can be taken, as when there are no more file descriptors.
const BREATH: Duration = Duration::from_millis(500);
/// Clients over their share that are told so at once, and how long each has to hear it; more are hung up on without a word.
const TOLD_AT_ONCE: usize = 256;
const TOLD_WITHIN: Duration = Duration::from_secs(1);

/// Serves until shutdown, then until the connections have answered what they were asked.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    limits: LimitsConfig,
    shutdown: Shutdown,
) -> anyhow::Result<()> {
    let slots = Arc::new(Semaphore::new(limits.max_connections as usize));
    let (shares, telling) =
        (Shares::new(limits.max_connections_per_address), Arc::new(Semaphore::new(TOLD_AT_ONCE)));
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        // Beyond the limit they wait in the system's queue.
        let slot = tokio::select! {
            slot = slots.clone().acquire_owned() => slot?,
            () = shutdown.asked() => break,
        };
        let (stream, peer) = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, address)) => (stream, Peer(address.ip())),
                Err(error) => {
                    tracing::warn!(error = error.to_string(), "a connection could not be taken");
                    tokio::time::sleep(BREATH).await;
                    continue;
                }
            },
            () = shutdown.asked() => break,
        };
        // Proxies hold the connections of many.
        let share = if peer.is_one_of(&limits.proxies.0) { None } else { Some(shares.take(peer.0)) };
        if matches!(share, Some(None)) {
            metrics::counter!("throughline_connections_turned_away_total").increment(1);
            if let Ok(turn) = telling.clone().try_acquire_owned() {
                connections.spawn(async move {
                    let _ = tokio::time::timeout(TOLD_WITHIN, tell(stream)).await;
                    drop(turn);
                });
            }
            continue;
        }
        let (router, limits, shutdown) = (router.clone(), limits.clone(), shutdown.clone());
        connections.spawn(async move {
            connection(stream, peer, router, &limits, &shutdown).await;
            drop((slot, share));
        });
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
    Ok(())
}

/// Says that the client's address holds as many connections as one may, once it asks for something.
async fn tell(mut stream: TcpStream) -> std::io::Result<()> {
    let answer = ApiError::ManyConnections.into_response();
    let body = axum::body::to_bytes(answer.into_body(), 1 << 16).await.unwrap_or_default();
    let head = format!(
        "HTTP/1.1 429 Too Many Requests\r\ncontent-type: {PROBLEM_JSON}\r\nretry-after: 5\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let mut rest = [0; 4096];
    let _ = stream.read(&mut rest).await?;
    stream.write_all(&[head.as_bytes(), &body].concat()).await?;
    stream.shutdown().await?;
    // What was sent must be taken: a connection that is closed over it takes the answer along.
    while stream.read(&mut rest).await? > 0 {}
    Ok(())
}

async fn connection(
    stream: TcpStream,
    peer: Peer,
    router: Router,
    limits: &LimitsConfig,
    shutdown: &Shutdown,
) {
    // Answers are written whole; waiting to fill a packet only delays them.
    let _ = stream.set_nodelay(true);
    let patience = Patience { silence: limits.silence(), least: limits.min_bytes_per_second };
    let stream = TokioIo::new(PatientStream::new(stream, patience));
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head())
        .max_buf_size(LARGEST_HEAD)
        .max_headers(MOST_HEADERS)
        .serve_connection(stream, TowerToHyperService::new(router.layer(Extension(peer))));
    let mut serving = std::pin::pin!(serving);
    let ended = tokio::select! {
        ended = serving.as_mut() => ended,
        () = shutdown.asked() => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = ended {
        // Clients go away as they like.
        tracing::debug!(error = error.to_string(), "a connection ended early");
    }
}
