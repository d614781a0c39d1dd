//! Metric: the names, units and meanings of what Prometheus reads. Each program declares its own at its start, and dashboards and alerts
//! may name nothing else.

use metrics::Unit;

/// Description of one metric, for Prometheus.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// Name, as Prometheus knows it.
    pub name: &'static str,
    /// Kind: counter, gauge or histogram.
    pub kind: Kind,
    /// Unit.
    pub unit: Unit,
    /// Meaning, for its HELP line.
    pub help: &'static str,
}

/// Behaviour of a metric over time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows, from the start of its process.
    Counter,
    /// Goes up and down.
    Gauge,
    /// A distribution, in buckets.
    Histogram,
}

impl Metric {
    /// One that only grows.
    pub const fn counter(name: &'static str, unit: Unit, help: &'static str) -> Self {
        Self { name, kind: Kind::Counter, unit, help }
    }

    /// One that goes up and down.
    pub const fn gauge(name: &'static str, unit: Unit, help: &'static str) -> Self {
        Self { name, kind: Kind::Gauge, unit, help }
    }

    /// A distribution.
    pub const fn histogram(name: &'static str, unit: Unit, help: &'static str) -> Self {
        Self { name, kind: Kind::Histogram, unit, help }
    }
}

/// Gives `metrics` their HELP lines. Counters are there from the start, at 0, but for those that there is one of for each of something: so
/// that the first time that something happens is seen as well.
pub fn describe(metrics: &[Metric]) {
    for Metric { name, kind, unit, help } in metrics {
        match kind {
            Kind::Counter => {
                metrics::describe_counter!(*name, *unit, *help);
                if !help.contains(", by ") {
                    metrics::counter!(*name).absolute(0);
                }
            }
            Kind::Gauge => metrics::describe_gauge!(*name, *unit, *help),
            Kind::Histogram => metrics::describe_histogram!(*name, *unit, *help),
        }
    }
}

/// Metrics of every service.
pub const COMMON: &[Metric] = &[
    Metric::gauge("throughline_build_info", Unit::Count, "1, with the service and its release as labels."),
    Metric::gauge(
        "throughline_broker_connected",
        Unit::Count,
        "1 while there are the connections to RabbitMQ, else 0.",
    ),
    Metric::gauge(
        "throughline_broker_blocked",
        Unit::Count,
        "1 while RabbitMQ takes nothing from a connection (a memory or disk alarm), else 0, by connection: publishing, consuming.",
    ),
    Metric::counter("throughline_broker_connections_total", Unit::Count, "Connections made to RabbitMQ."),
    Metric::counter(
        "throughline_broker_reconnects_total",
        Unit::Count,
        "Subscriptions that were lost and made again, by queue.",
    ),
    Metric::histogram(
        "throughline_message_seconds",
        Unit::Seconds,
        "Time from a message's delivery to what became of it, by queue and outcome.",
    ),
    Metric::gauge(
        "throughline_held_back",
        Unit::Count,
        "1 while the message in hand of a queue waits for what is away (a store, a database), else 0.",
    ),
    Metric::histogram(
        "throughline_transaction_seconds",
        Unit::Seconds,
        "Time that a transaction took, with all its attempts, by name.",
    ),
    Metric::counter(
        "throughline_transaction_retries_total",
        Unit::Count,
        "Transactions that were tried again, by name.",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_what_kind_of_metric_they_are() {
        for metric in COMMON {
            assert_eq!(metric.kind == Kind::Counter, metric.name.ends_with("_total"), "{}", metric.name);
            assert!(metric.name.starts_with("throughline_") && metric.help.ends_with('.'), "{}", metric.name);
        }
    }
}
