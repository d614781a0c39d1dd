//! Measured: what ingest measures.

use metrics::Unit;
use service_kit::metric::Metric;

/// All of it, besides what every service measures. What is marked as of the whole is the same from every ingest process.
pub const ALL: &[Metric] = &[
    Metric::histogram(
        "throughline_http_request_seconds",
        Unit::Seconds,
        "Time that a request took, by method, route and status.",
    ),
    Metric::counter("throughline_uploads_total", Unit::Count, "Uploads accepted."),
    Metric::counter(
        "throughline_uploads_turned_away_total",
        Unit::Count,
        "Uploads turned away because too many were under way.",
    ),
    Metric::counter("throughline_upload_bytes_total", Unit::Bytes, "Bytes of uploads received."),
    Metric::counter("throughline_audio_decoded_seconds_total", Unit::Seconds, "Seconds of audio decoded."),
    Metric::counter("throughline_chunks_stored_total", Unit::Count, "Chunks stored; they wait their turn."),
    Metric::counter(
        "throughline_chunks_released_total",
        Unit::Count,
        "Chunks that had their turn: their jobs were sent.",
    ),
    Metric::counter("throughline_outbox_sent_total", Unit::Count, "Messages sent from the outbox."),
    Metric::gauge(
        "throughline_outbox_pending_messages",
        Unit::Count,
        "Messages in the outbox (of the whole).",
    ),
    Metric::gauge(
        "throughline_outbox_oldest_seconds",
        Unit::Seconds,
        "Age of the oldest message in the outbox (of the whole).",
    ),
    Metric::gauge(
        "throughline_backlog_audio_seconds",
        Unit::Seconds,
        "Seconds of audio that wait to be analysed or are in hand (of the whole).",
    ),
    Metric::gauge(
        "throughline_backlog_oldest_seconds",
        Unit::Seconds,
        "For how long the oldest of the backlog has been waiting (of the whole).",
    ),
    Metric::gauge(
        "throughline_recordings_in_work",
        Unit::Count,
        "Recordings queued or processing, by state (of the whole).",
    ),
    Metric::gauge(
        "throughline_dead_letters",
        Unit::Count,
        "Dead letters that wait for an operator (of the whole).",
    ),
    Metric::gauge("throughline_queue_messages", Unit::Count, "Messages that wait, by queue (of the whole)."),
    Metric::gauge("throughline_queue_consumers", Unit::Count, "Consumers, by queue (of the whole)."),
    Metric::gauge(
        "throughline_queue_paused",
        Unit::Count,
        "1 while a queue is paused, else 0, by queue (of the whole).",
    ),
    Metric::gauge(
        "throughline_workers_alive",
        Unit::Count,
        "Workers that give signs of life, by the queue that they work off (of the whole).",
    ),
    Metric::gauge("throughline_object_store_up", Unit::Count, "1 while the object store answers, else 0."),
    Metric::gauge(
        "throughline_erasures_pending",
        Unit::Count,
        "Recordings that are deleted and whose audio is not yet (of the whole).",
    ),
    Metric::gauge(
        "throughline_erasures_oldest_seconds",
        Unit::Seconds,
        "For how long the oldest of these has been pending (of the whole).",
    ),
    Metric::counter("throughline_erasures_total", Unit::Count, "Recordings whose audio is erased."),
    Metric::counter(
        "throughline_erasure_stragglers_total",
        Unit::Count,
        "Objects that came after their recording had been erased.",
    ),
    Metric::gauge(
        "throughline_resumable_uploads_open",
        Unit::Count,
        "Resumable uploads that are not complete yet (of the whole).",
    ),
    Metric::gauge(
        "throughline_resumable_uploads_open_bytes",
        Unit::Bytes,
        "Bytes kept of these (of the whole).",
    ),
    Metric::counter(
        "throughline_resumable_uploads_expired_total",
        Unit::Count,
        "Resumable uploads that were given up because nothing came for long.",
    ),
    Metric::histogram(
        "throughline_webhook_seconds",
        Unit::Seconds,
        "Time that a receiver took to answer an event, or not to.",
    ),
    Metric::counter(
        "throughline_webhook_attempts_total",
        Unit::Count,
        "Attempts to deliver events, by outcome.",
    ),
    Metric::counter(
        "throughline_webhook_given_up_total",
        Unit::Count,
        "Events that were not taken for a day.",
    ),
    Metric::gauge(
        "throughline_webhook_pending_events",
        Unit::Count,
        "Events that wait to be delivered (of the whole).",
    ),
    Metric::gauge(
        "throughline_webhook_oldest_seconds",
        Unit::Seconds,
        "Age of the oldest of these (of the whole).",
    ),
    Metric::counter(
        "throughline_orphans_deleted_total",
        Unit::Count,
        "Objects deleted that belonged to no recording.",
    ),
    Metric::counter(
        "throughline_chunks_cleared_total",
        Unit::Count,
        "Chunks deleted that their recordings were done with.",
    ),
];
