//! Measured: what a matcher measures.

use metrics::Unit;
use service_kit::metric::Metric;

/// All of it, besides what every service measures.
pub const ALL: &[Metric] = &[
    Metric::counter("throughline_chunks_matched_total", Unit::Count, "Chunks matched, in order."),
    Metric::counter("throughline_recordings_completed_total", Unit::Count, "Recordings completed."),
    Metric::counter("throughline_recordings_failed_total", Unit::Count, "Recordings that failed."),
    Metric::histogram(
        "throughline_finalise_seconds",
        Unit::Seconds,
        "Time that the last look over a whole recording took.",
    ),
    Metric::histogram(
        "throughline_match_confidence",
        Unit::Count,
        "How sure the speakers of completed recordings are: a probability for each piece of speech.",
    ),
    Metric::counter(
        "throughline_dead_letters_total",
        Unit::Count,
        "Messages that failed for good, by queue.",
    ),
    Metric::counter(
        "throughline_broker_wipes_total",
        Unit::Count,
        "How often RabbitMQ had lost all messages.",
    ),
];
