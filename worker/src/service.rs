//! Service: the worker's wiring.

use crate::activity::{Activity, Identity};
use crate::config::Config;
use crate::inference::Inference;
use crate::job::{self, Worker};
use crate::kept::Kept;
use crate::measured;
use anyhow::{Context, bail};
use diarization::analysis::CONFIGURATION;
use diarization::installation;
use diarization::onnx::Models;
use metrics_exporter_prometheus::PrometheusHandle;
use service_kit::admin::{self, Readiness};
use service_kit::broker::Broker;
use service_kit::consumer::{self, Subscription};
use service_kit::control;
use service_kit::delivery::Delivery;
use service_kit::heartbeat::{self, Heartbeat};
use service_kit::metric;
use service_kit::object_store::Objects;
use service_kit::pauses::Pauses;
use service_kit::publisher::Publisher;
use service_kit::shutdown::Shutdown;
use service_kit::surroundings::Surroundings;
use service_kit::topology;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Runs a worker until shutdown; an error when it ends because it can no longer infer.
pub async fn run(config: Config, shutdown: Shutdown, metrics: PrometheusHandle) -> anyhow::Result<()> {
    metric::describe(measured::ALL);
    let inference_within = Duration::from_secs(config.inference_seconds);
    let budget = job::budget(inference_within).context("THROUGHLINE_INFERENCE_SECONDS")?;
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
        job::trial(inference).await?;
    }
    tracing::info!(model_version, threads = threads.len(), device = ?config.device, "models loaded");

    let broker = Broker::new(&config.broker.amqp_url, "worker");
    let worker = Worker {
        objects,
        publisher: Publisher::new(broker.clone()),
        model_version,
        inference_within,
        shutdown: shutdown.clone(),
        broken: AtomicBool::new(false),
        activity: Activity::since(Instant::now()),
        kept: Kept::at_most(threads.len()),
    };
    let (surroundings, pauses) = (Surroundings::default(), Pauses::unknown());
    let queue = topology::chunk_queue(&worker.model_version, CONFIGURATION);
    let subscription = Subscription {
        queue,
        budget,
        surroundings: surroundings.clone(),
        pauses: pauses.clone(),
        sends_on: true,
    };
    let readiness = readiness(broker.clone(), threads.clone(), surroundings, inference_within);
    let pages =
        admin::serve(&config.admin, admin::WORKER_PORTS, admin::routes(metrics, readiness), shutdown.clone());
    let consumers = threads.iter().map(|inference| {
        let handler = async |delivery: Delivery| worker.handle(delivery, inference).await;
        Box::pin(consumer::run(&broker, &subscription, &shutdown, handler))
    });
    let identity = Identity {
        model_version: worker.model_version.clone(),
        configuration: CONFIGURATION.to_owned(),
        device: config.device.to_string(),
        threads: config.threads.into(),
    };
    let this = Heartbeat::of_this_process("worker", env!("CARGO_PKG_VERSION"));
    let now = || Heartbeat { work: Some(worker.activity.work(&identity, Instant::now())), ..this.clone() };
    let working = async {
        let listening = control::listen(&broker, &pauses, &shutdown);
        tokio::join!(pages, futures::future::join_all(consumers), listening)
    };
    let (served, _, ()) = heartbeat::during(&broker, worker.activity.changed(), now, working).await;
    broker.close().await;
    if worker.broken.load(Ordering::Relaxed) {
        bail!("this worker could infer no more; its chunks went back to the queue: start it again");
    }
    served
}

/// Ready means connected, with a store that answers, and no inference takes suspiciously long. (That the models can infer was tried before the worker
/// took its first job.)
fn readiness(
    broker: Broker,
    threads: Vec<Inference>,
    surroundings: Surroundings,
    inference_within: Duration,
) -> Readiness {
    Arc::new(move || {
        let (broker, threads, surroundings) = (broker.clone(), threads.clone(), surroundings.clone());
        Box::pin(async move {
            broker.check().await?;
            surroundings.check()?;
            match threads.iter().filter_map(Inference::busy_for).max() {
                Some(longest) if longest > inference_within / 2 => {
                    Err(format!("an inference has been running for {longest:.0?}"))
                }
                _ => Ok(()),
            }
        })
    })
}
