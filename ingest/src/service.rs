//! Service: the parts of ingest, wired and started by hand in this one place.

use crate::config::Config;
use crate::context::Context;
use crate::operations::history;
use crate::{
    announcements, decode, gauges, heartbeats, http, measured, nesting, outbox, thread, token_file, upkeep,
    webhooks,
};
use anyhow::Context as _;
use diarization::installation;
use diarization::manifest::Manifest;
use metrics_exporter_prometheus::PrometheusHandle;
use service_kit::admin;
use service_kit::broker::Broker;
use service_kit::heartbeat::{self, Heartbeat};
use service_kit::metric;
use service_kit::paused_queues;
use service_kit::shutdown::Shutdown;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

/// A running ingest.
pub struct Service {
    /// Address that the API got.
    pub address: SocketAddr,
    /// Address that health and metrics got.
    pub admin_address: SocketAddr,
    parts: JoinSet<anyhow::Result<()>>,
    shutdown: Shutdown,
    broker: Broker,
}

/// Runs ingest until shutdown is asked for and what is in hand is finished.
pub async fn run(config: Config, shutdown: Shutdown, metrics: PrometheusHandle) -> anyhow::Result<()> {
    metric::describe(measured::ALL);
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
        service_kit::nesting::check(nesting::of(&config))?;
        let budget = decode::budget(Duration::from_secs(config.decode_seconds))
            .context("THROUGHLINE_DECODE_SECONDS")?;
        let manifest = Manifest::read(&config.models.clone().unwrap_or_else(installation::models))?;
        let tokens =
            if config.tokens.any() { Some(watch::Sender::new(config.tokens.read()?.into())) } else { None };
        let in_force = tokens.as_ref().map(watch::Sender::subscribe);
        let context = Arc::new(Context::open(&config, manifest.model_version, in_force, shutdown.clone())?);
        let broker = context.broker.clone();
        let listener = TcpListener::bind(config.listen)
            .await
            .with_context(|| format!("cannot listen on {}", config.listen))?;
        let address = listener.local_addr()?;
        tracing::info!(%address, model_version = context.model_version, "listening");

        let mut parts = JoinSet::new();
        // Past the address: what the log says first is where the API is.
        let admin = admin::bind(&config.admin, admin::INGEST_PORTS).await?;
        let admin_address = admin.local_addr()?;
        let readiness = http::readiness(context.clone());
        let operator = admin::routes(metrics, readiness.clone());
        parts.spawn(admin::serve_on(admin, operator, shutdown.clone()));
        let (router, asked) = (http::router(context.clone(), admin::health(readiness)), shutdown.clone());
        parts.spawn(http::serve::serve(listener, router, config.limits, asked));
        if let Some(sender) = tokens {
            parts.spawn(token_file::watch(config.tokens, sender, shutdown.clone()));
        }
        let keeper = context.clone();
        parts.spawn(async move {
            keeper.gate.keep(&keeper.watch, &keeper.shutdown).await;
            // A part that ends on its own takes the service down.
            keeper.shutdown.asked().await;
            Ok(())
        });
        let sender = context.clone();
        spawn(&mut parts, &context, async move { thread::on_its_own(|| outbox::run(sender)).await? });
        let follower = context.clone();
        spawn(&mut parts, &context, async move {
            paused_queues::follow(&follower.reads, &follower.pauses, &follower.shutdown).await;
            Ok(())
        });
        spawn(&mut parts, &context, heartbeats::run(context.clone()));
        spawn(&mut parts, &context, announcements::run(context.clone()));
        spawn(&mut parts, &context, gauges::run(context.clone()));
        spawn(&mut parts, &context, history::run(context.clone()));
        let (this, alive) =
            (Heartbeat::of_this_process("ingest", env!("CARGO_PKG_VERSION")), context.clone());
        parts.spawn(async move {
            heartbeat::during(&alive.broker, &Notify::new(), || this.clone(), alive.shutdown.asked()).await;
            Ok(())
        });
        let teller = context.clone();
        spawn(
            &mut parts,
            &context,
            async move { thread::on_its_own(|| webhooks::sender::run(teller)).await? },
        );
        let keeper = context.clone();
        spawn(&mut parts, &context, async move { thread::on_its_own(|| upkeep::run(keeper)).await? });
        let decoder = context.clone();
        spawn(&mut parts, &context, async move {
            thread::on_its_own(move || decode::run(decoder, budget)).await?
        });
        Ok(Self { address, admin_address, parts, shutdown, broker })
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

/// Adds a part that begins once the database's schema fits.
fn spawn(
    parts: &mut JoinSet<anyhow::Result<()>>,
    context: &Arc<Context>,
    part: impl Future<Output = anyhow::Result<()>> + Send + 'static,
) {
    let context = context.clone();
    parts
        .spawn(async move { if context.gate.passed(&context.shutdown).await { part.await } else { Ok(()) } });
}

/// A service that is dropped, as by a test that fails, stops too: the runtime waits for the threads of its parts.
impl Drop for Service {
    fn drop(&mut self) {
        self.shutdown.ask();
    }
}
