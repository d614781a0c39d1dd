//! Measured: what a worker measures.

use metrics::Unit;
use service_kit::metric::Metric;

/// All of it, besides what every service measures.
pub const ALL: &[Metric] = &[
    Metric::counter("throughline_chunks_analysed_total", Unit::Count, "Chunks analysed."),
    Metric::counter("throughline_audio_analysed_seconds_total", Unit::Seconds, "Seconds of audio analysed."),
    Metric::histogram(
        "throughline_inference_seconds",
        Unit::Seconds,
        "Time that the analysis of a chunk took.",
    ),
    Metric::histogram(
        "throughline_stage_seconds",
        Unit::Seconds,
        "Time that a stage of a chunk took: fetch, segmentation, features, embedding, publish.",
    ),
];
