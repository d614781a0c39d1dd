//! Service: the worker's wiring.

use crate::config::Config;
use crate::inference::Inference;
use crate::job::Worker;
use anyhow::Context;
use diarization::analysis::CONFIGURATION;
use diarization::blocks::{Chunk, WINDOW_SAMPLES};
use diarization::installation;
use diarization::onnx::Models;
use metrics_exporter_prometheus::PrometheusHandle;
use service_kit::admin::{self, Readiness};
use service_kit::broker::Broker;
use service_kit::consumer::{self, Delivery, Subscription};
use service_kit::object_store::Objects;
use service_kit::publisher::Publisher;
use service_kit::shutdown::Shutdown;
use service_kit::topology;
use std::sync::Arc;
use std::time::Duration;

/// An inference that takes longer makes the worker unready; the longest chunk takes some 20 s on one core.
const SLOW: Duration = Duration::from_secs(5 * 60);

/// Runs a worker until shutdown.
pub async fn run(config: Config, shutdown: Shutdown, metrics: PrometheusHandle) -> anyhow::Result<()> {
    let folder = config.models.unwrap_or_else(installation::models);
    let runtime = config.onnxruntime.unwrap_or_else(installation::onnx_runtime);
    let objects = Objects::open(&config.store.object_store)?;
    let mut threads = Vec::new();
    let mut model_version = String::new();
    for _ in 0..config.threads {
        let (folder, runtime) = (folder.clone(), runtime.clone());
        let models =
            tokio::task::spawn_blocking(move || Models::load(&folder, &runtime, config.device)).await??;
        model_version.clone_from(&models.manifest().model_version);
        threads.push(Inference::start(models).context("cannot start an inference thread")?);
    }
    // The first inference is the slow one, and a model that cannot infer should say so now.
    for inference in &threads {
        inference.analyse(Chunk { first_block: 0, blocks: 1 }, vec![0.0; WINDOW_SAMPLES]).await?;
    }
    tracing::info!(model_version, threads = threads.len(), device = ?config.device, "models loaded");

    let broker = Broker::new(&config.broker.amqp_url, "worker");
    let worker = Worker { objects, publisher: Publisher::new(broker.clone()), model_version };
    let subscription =
        Subscription { queue: topology::chunk_queue(&worker.model_version, CONFIGURATION), prefetch: 1 };
    let readiness = readiness(broker.clone(), threads.clone());
    let pages = admin::serve(config.admin.admin_listen, admin::routes(metrics, readiness), shutdown.clone());
    let consumers = threads.iter().map(|inference| {
        let handler = async |delivery: Delivery| worker.handle(delivery, inference).await;
        Box::pin(consumer::run(&broker, &subscription, &shutdown, handler))
    });
    let (served, _) = tokio::join!(pages, futures::future::join_all(consumers));
    broker.close().await;
    served
}

/// Ready means connected, and no inference takes suspiciously long. (That the models can infer was tried before the worker
/// took its first job.)
fn readiness(broker: Broker, threads: Vec<Inference>) -> Readiness {
    Arc::new(move || {
        let (broker, threads) = (broker.clone(), threads.clone());
        Box::pin(async move {
            if !broker.is_connected().await {
                return Err("not connected to RabbitMQ".to_owned());
            }
            match threads.iter().filter_map(Inference::busy_for).max() {
                Some(longest) if longest > SLOW => {
                    Err(format!("an inference has been running for {longest:.0?}"))
                }
                _ => Ok(()),
            }
        })
    })
}
