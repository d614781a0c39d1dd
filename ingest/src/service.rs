//! Service: the parts of ingest, wired and started by hand in this one place.

use crate::config::Config;
use crate::context::Context;
use crate::outbox::{self, Wake};
use crate::{decode, http, thread};
use anyhow::Context as _;
use diarization::installation;
use diarization::manifest::Manifest;
use metrics_exporter_prometheus::PrometheusHandle;
use service_kit::broker::Broker;
use service_kit::object_store::Objects;
use service_kit::shutdown::Shutdown;
use service_kit::transaction;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// A running ingest.
pub struct Service {
    /// Address that the API got.
    pub address: SocketAddr,
    parts: JoinSet<anyhow::Result<()>>,
    shutdown: Shutdown,
    broker: Broker,
}

/// Runs ingest until shutdown is asked for and what is in hand is finished.
pub async fn run(config: Config, shutdown: Shutdown, metrics: PrometheusHandle) -> anyhow::Result<()> {
    Service::start(config, shutdown, metrics).await?.finished().await
}

impl Service {
    /// Starts the API, the decoder and the outbox; returns once the address is bound. The broker and the database may
    /// come later.
    pub async fn start(
        config: Config,
        shutdown: Shutdown,
        metrics: PrometheusHandle,
    ) -> anyhow::Result<Self> {
        config.check()?;
        let manifest = Manifest::read(&config.models.clone().unwrap_or_else(installation::models))?;
        let broker = Broker::new(&config.broker.amqp_url, "ingest");
        let context = Arc::new(Context {
            pool: transaction::pool(
                &config.database.database_url,
                config.database.database_connections,
                "throughline-ingest",
            )
            .context("THROUGHLINE_DATABASE_URL")?,
            broker: broker.clone(),
            objects: Objects::open(&config.store.object_store)?,
            shutdown: shutdown.clone(),
            wake: Wake::default(),
            model_version: manifest.model_version,
            api_token: config.api_token,
            max_upload_bytes: config.max_upload_bytes,
            max_hours: config.max_hours,
            chunk_blocks: config.chunk_blocks,
        });
        let listener = TcpListener::bind(config.listen)
            .await
            .with_context(|| format!("cannot listen on {}", config.listen))?;
        let address = listener.local_addr()?;
        tracing::info!(%address, model_version = context.model_version, "listening");

        let mut parts = JoinSet::new();
        let (router, asked) = (http::router(context.clone(), metrics), shutdown.clone());
        parts.spawn(async move {
            let serve =
                axum::serve(listener, router).with_graceful_shutdown(async move { asked.asked().await });
            Ok(serve.await?)
        });
        let sender = context.clone();
        parts.spawn(async move { thread::on_its_own(|| outbox::run(sender)).await? });
        parts.spawn(async move { thread::on_its_own(|| decode::run(context)).await? });
        Ok(Self { address, parts, shutdown, broker })
    }

    /// Returns when every part has ended after shutdown. A part that ends on its own takes the service down, so that
    /// whoever supervises it starts a whole one.
    pub async fn finished(mut self) -> anyhow::Result<()> {
        let mut outcome = Ok(());
        while let Some(ended) = self.parts.join_next().await {
            let ended = ended.context("a part of the service panicked").and_then(|result| result);
            if ended.is_err() && outcome.is_ok() {
                outcome = ended;
            }
            self.shutdown.ask();
        }
        self.broker.close().await;
        outcome
    }
}

/// A service that is dropped, as by a test that fails, stops too: the runtime waits for the threads of its parts.
impl Drop for Service {
    fn drop(&mut self) {
        self.shutdown.ask();
    }
}
