//! Service: the matcher's tasks, wired together.

use crate::config::Config;
use crate::database::Database;
use crate::{dead_letters, handler, measured, nesting, reconcile};
use metrics_exporter_prometheus::PrometheusHandle;
use service_kit::broker::Broker;
use service_kit::budget::Budget;
use service_kit::consumer::{self, Subscription};
use service_kit::delivery::Delivery;
use service_kit::heartbeat::{self, Heartbeat};
use service_kit::metric;
use service_kit::pauses::Pauses;
use service_kit::schema::Gate;
use service_kit::shutdown::Shutdown;
use service_kit::surroundings::Surroundings;
use service_kit::{admin, paused_queues, topology, transaction};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::{Notify, oneshot};

/// Longest that taking in an analysis and moving its recording may take; finalising a day of speech is by far the longest.
pub(crate) const MATCH_WITHIN: Duration = Duration::from_secs(15 * 60);

/// Runs the matcher until shutdown is asked for; what is in hand is finished first. Dropping the future stops it where it
/// stands, as a crash would.
///
/// It runs on one thread of its own: transactions are async closures, and of futures that hold those the compiler cannot
/// yet tell that they may move between threads (rust-lang/rust#102211).
pub async fn run(config: Config, shutdown: Shutdown, metrics: PrometheusHandle) -> anyhow::Result<()> {
    metric::describe(measured::ALL);
    let runtime = Handle::current();
    let (_wanted, dropped) = oneshot::channel::<()>();
    tokio::task::spawn_blocking(move || {
        runtime.block_on(async {
            tokio::select! {
                biased;
                _ = dropped => Ok(()),
                served = Box::pin(serve(config, shutdown, metrics)) => served,
            }
        })
    })
    .await?
}

async fn serve(config: Config, shutdown: Shutdown, metrics: PrometheusHandle) -> anyhow::Result<()> {
    service_kit::nesting::check(nesting::of(&config))?;
    let pool =
        transaction::pool(&config.database.database_url, config.database.database_connections, "matcher")?;
    let watch = transaction::pool(&config.database.database_url, 1, "matcher readiness")?;
    let database = Database::new(pool.clone(), shutdown.clone()).watched_by(watch.clone());
    let gate = Gate::default();
    let broker = Broker::new(&config.broker.amqp_url, "matcher");
    let pages = admin::routes(metrics, readiness(&database, &broker));
    let budget = Budget::of(&[("matching", MATCH_WITHIN)])?;
    let pauses = Pauses::unknown();
    let subscription = |queue: &str, pauses: Pauses| Subscription {
        queue: queue.to_owned(),
        budget,
        surroundings: Surroundings::default(),
        pauses,
        // It goes on while publishing is blocked, so that the analyses that wait can go away.
        sends_on: false,
    };
    let matching = subscription(topology::MATCH, pauses.clone());
    // Dead letters are taken at any time: operators must see them.
    let dead = subscription(topology::DEAD, Pauses::none());
    let serving = admin::serve(&config.admin, admin::MATCHER_PORTS, pages, shutdown.clone());
    let match_one = async |delivery: Delivery| handler::handle(&database, delivery).await;
    let bury_one = async |delivery: Delivery| dead_letters::handle(&database, delivery).await;
    let this = Heartbeat::of_this_process("matcher", env!("CARGO_PKG_VERSION"));
    // Nothing is taken before the database has what it takes: messages wait on their queue, and no attempt is counted.
    let at_work = async {
        if gate.passed(&shutdown).await {
            tokio::join!(
                Box::pin(consumer::run(&broker, &matching, &shutdown, match_one)),
                Box::pin(consumer::run(&broker, &dead, &shutdown, bury_one)),
                Box::pin(reconcile::run(
                    &database,
                    &broker,
                    config.reconcile_every(),
                    config.republish_after()
                )),
                paused_queues::follow(&pool, &pauses, &shutdown),
            );
        }
    };
    let working = async { tokio::join!(serving, gate.keep(&watch, &shutdown), at_work) };
    let (served, ..) = heartbeat::during(&broker, &Notify::new(), || this.clone(), working).await;
    broker.close().await;
    served
}

fn readiness(database: &Database, broker: &Broker) -> admin::Readiness {
    let (database, broker) = (database.clone(), broker.clone());
    Arc::new(move || {
        let (database, broker) = (database.clone(), broker.clone());
        Box::pin(async move {
            // First what somebody has to do something about.
            database.ready().await?;
            broker.check().await
        })
    })
}
