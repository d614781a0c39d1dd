//! Telemetry: logs, traces and metrics of a service, and the trace context that travels with messages.

use crate::delivery::string;
use crate::metric;
use lapin::types::{AMQPValue, FieldTable, LongString};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::{TraceContextExt, TracerProvider as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use std::collections::{BTreeMap, HashMap};
use std::io::IsTerminal;
use std::time::Duration;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

/// Buckets for durations: from a fast query to a long job, in seconds.
const SECONDS_BUCKETS: [f64; 14] =
    [0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0];
/// Buckets for the stages of a chunk, in seconds: a fetch from a disk nearby takes a millisecond, the models take seconds, and finer steps
/// lie where a chunk of usual length spends its time on a CPU and on a GPU.
const STAGE_BUCKETS: [f64; 18] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 1.5, 2.5, 4.0, 6.0, 10.0, 20.0, 60.0, 300.0,
];
const STAGE_METRICS: [&str; 2] = ["throughline_stage_seconds", "throughline_inference_seconds"];
/// Buckets for probabilities; finer where most of them are.
const PROBABILITY_BUCKETS: [f64; 12] = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0];
const UPKEEP_EVERY: Duration = Duration::from_secs(5);
const TRACE_HEADERS: [&str; 2] = ["traceparent", "tracestate"];

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Keeps telemetry going; flushes it when dropped.
pub struct Telemetry {
    traces: Option<SdkTracerProvider>,
    metrics: PrometheusHandle,
}

impl Telemetry {
    /// Starts logs, metrics and, if `otlp_endpoint` names a collector, traces. Once per process.
    pub fn start(
        service: &'static str,
        format: LogFormat,
        otlp_endpoint: Option<&str>,
    ) -> anyhow::Result<Self> {
        // A channel that the broker closes is an answer, as to whether a queue is there; whoever asked says what it means.
        let filter = EnvFilter::try_from_env("THROUGHLINE_LOG")
            .unwrap_or_else(|_| EnvFilter::new("info,lapin=warn,lapin::channel=off,symphonia=warn"));
        let lines =
            tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(are_colours_wanted());
        let lines = match format {
            LogFormat::Text => lines.with_target(false).boxed(),
            LogFormat::Json => lines.json().flatten_event(true).boxed(),
        };
        let traces = otlp_endpoint.map(|endpoint| exporter(service, endpoint)).transpose()?;
        let spans = traces.as_ref().map(|t| tracing_opentelemetry::layer().with_tracer(t.tracer(service)));
        tracing_subscriber::registry().with(filter).with(lines).with(spans).try_init()?;
        let mut metrics = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), &SECONDS_BUCKETS)?
            .set_buckets_for_metric(Matcher::Suffix("_confidence".into()), &PROBABILITY_BUCKETS)?;
        for metric in STAGE_METRICS {
            metrics = metrics.set_buckets_for_metric(Matcher::Full(metric.into()), &STAGE_BUCKETS)?;
        }
        let metrics = metrics.install_recorder()?;
        metric::describe(metric::COMMON);
        metrics::gauge!("throughline_build_info", "service" => service, "version" => env!("CARGO_PKG_VERSION")).set(1.0);
        // Without upkeep, what nobody scrapes would grow for good. A thread, since a service may not have its runtime yet.
        let upkeep = metrics.clone();
        std::thread::Builder::new().name("metrics".into()).spawn(move || {
            loop {
                std::thread::sleep(UPKEEP_EVERY);
                upkeep.run_upkeep();
            }
        })?;
        Ok(Self { traces, metrics })
    }

    /// The page that Prometheus reads.
    pub fn metrics(&self) -> PrometheusHandle {
        self.metrics.clone()
    }
}

impl Drop for Telemetry {
    fn drop(&mut self) {
        if let Some(Err(error)) = self.traces.take().map(|t| t.shutdown()) {
            tracing::warn!(%error, "the last spans were not exported");
        }
    }
}

/// Colours are for eyes: in a file or a journal they would stand as codes. Nobody has them who does not want any (no-color.org).
fn are_colours_wanted() -> bool {
    std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

fn exporter(service: &'static str, endpoint: &str) -> anyhow::Result<SdkTracerProvider> {
    use opentelemetry_otlp::WithExportConfig;
    let url = format!("{}/v1/traces", endpoint.trim_end_matches('/'));
    let exporter = opentelemetry_otlp::SpanExporter::builder().with_http().with_endpoint(url).build()?;
    let resource = Resource::builder().with_service_name(service).build();
    Ok(SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource).build())
}

/// Trace context of the current span (W3C `traceparent`, `tracestate`); empty without a collector.
pub fn current_context() -> BTreeMap<String, String> {
    let mut carrier = HashMap::new();
    TraceContextPropagator::new().inject_context(&Span::current().context(), &mut carrier);
    carrier.into_iter().collect()
}

/// Makes `span` part of the trace that `trace` names.
pub fn continue_trace(span: &Span, trace: &BTreeMap<String, String>) {
    if trace.is_empty() {
        return;
    }
    let carrier: HashMap<String, String> = trace.clone().into_iter().collect();
    // Without a collector there is no layer to take the parent, and nothing to tell.
    let _ = span.set_parent(TraceContextPropagator::new().extract(&carrier));
}

/// Links `span` with the span that `trace` names: what it does is done for that one too.
pub fn link(span: &Span, trace: &BTreeMap<String, String>) {
    let carrier: HashMap<String, String> = trace.clone().into_iter().collect();
    let context = TraceContextPropagator::new().extract(&carrier);
    span.add_link(context.span().span_context().clone());
}

/// AMQP headers that carry `trace`.
pub(crate) fn headers(trace: &BTreeMap<String, String>) -> FieldTable {
    let mut table = FieldTable::default();
    for (key, value) in trace {
        table.insert(key.as_str().into(), AMQPValue::LongString(LongString::from(value.as_str())));
    }
    table
}

/// Trace context in AMQP headers.
pub(crate) fn trace_of(headers: &FieldTable) -> BTreeMap<String, String> {
    TRACE_HEADERS
        .iter()
        .filter_map(|key| Some(((*key).to_owned(), string(headers.inner().get(*key)?)?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    /// Set in the process that only logs.
    const LOGS: &str = "THROUGHLINE_TEST_LOGS";

    #[test]
    fn lines_that_go_to_a_file_have_no_colour_codes() {
        if std::env::var_os(LOGS).is_some() {
            let _telemetry = Telemetry::start("test", LogFormat::Text, None).expect("starts");
            tracing::warn!(answer = 42, "a line for a file");
            return;
        }
        // Logs are set up once per process, and this one is the tests'.
        let this = std::env::current_exe().expect("has a name");
        let name = "telemetry::tests::lines_that_go_to_a_file_have_no_colour_codes";
        let output = Command::new(this).args(["--exact", name, "--nocapture"]).env(LOGS, "1").output();
        let told = String::from_utf8(output.expect("starts").stderr).expect("UTF-8");
        assert!(told.contains("WARN a line for a file answer=42") && !told.contains('\u{1b}'), "{told:?}");
    }

    #[test]
    fn the_trace_context_survives_the_headers_and_nothing_else_is_taken() {
        let trace = BTreeMap::from([(
            "traceparent".to_owned(),
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned(),
        )]);
        let mut table = headers(&trace);
        table.insert("x-other".into(), AMQPValue::Boolean(true));
        assert_eq!(trace_of(&table), trace);
    }
}
