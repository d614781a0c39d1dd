//! Traces: a recording is one trace, from the uploader's own span to the last commit.

use pipeline_tests::Stack;
use pipeline_tests::collector::{CollectedSpan, Collector};
use pipeline_tests::recordings::accepted;
use std::collections::{HashMap, HashSet};

const UPLOADERS_TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const UPLOADERS_SPAN: &str = "b7ad6b7169203331";
/// Kinds of spans, as OTLP numbers them.
const PRODUCER: i32 = 4;
const CONSUMER: i32 = 5;
/// Steps that must be seen of a recording, each as service and name.
const STEPS: [(&str, &str); 8] = [
    ("ingest", "upload"),
    ("ingest", "decode"),
    ("ingest", "store chunk"),
    ("worker", "analyse chunk"),
    ("throughline-matcher", "inbox"),
    ("throughline-matcher", "advance"),
    ("throughline-matcher", "finalise"),
    ("throughline-matcher", "commit"),
];

fn hex(id: &[u8]) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_is_one_trace_through_all_services() {
    let collector = Collector::start().await;
    let mut stack = Stack::start_traced(1, 1, 1, Some(collector.endpoint())).await;
    let traceparent = format!("00-{UPLOADERS_TRACE}-{UPLOADERS_SPAN}-01");
    let upload =
        stack.upload(&crate::interview(), &[("chunk_blocks", "2")]).header("traceparent", traceparent);
    let id = accepted(upload.send().await.expect("an answer")).await;
    stack.completed(id).await;
    // Spans are sent when a service stops, at the latest.
    stack.stop().await;

    let spans = collector.spans();
    let known: HashSet<String> =
        spans.iter().map(|span| hex(&span.id)).chain([UPLOADERS_SPAN.to_owned()]).collect();
    let of_step = |(service, name): (&str, &str)| -> Vec<&CollectedSpan> {
        spans.iter().filter(|span| span.service.ends_with(service) && span.name == name).collect()
    };
    for step in STEPS {
        let found = of_step(step);
        assert!(!found.is_empty(), "no span {step:?} among {spans:#?}");
        for span in found {
            assert_eq!(hex(&span.trace), UPLOADERS_TRACE, "{span:?} is of another trace");
            assert!(!span.parent.is_empty(), "{span:?} has no parent");
        }
    }
    for span in &spans {
        let parent = hex(&span.parent);
        assert!(parent.is_empty() || known.contains(&parent), "the parent of {span:?} was never collected");
    }
    assert_eq!(of_step(("worker", "analyse chunk")).len(), 2);
    assert_eq!(of_step(("throughline-matcher", "commit")).len(), 1);
    let upload = of_step(("ingest", "upload"))[0];
    assert_eq!(hex(&upload.parent), UPLOADERS_SPAN);
    must_be_connected(&spans);
    must_follow_the_conventions(&spans);

    // Chunks come with a message each; what matches them knows of all.
    let arrivals: HashSet<&Vec<u8>> =
        of_step(("throughline-matcher", "inbox")).iter().map(|it| &it.id).collect();
    let linked: HashSet<&Vec<u8>> =
        of_step(("throughline-matcher", "advance")).iter().flat_map(|it| &it.links).collect();
    assert_eq!(arrivals.len(), 2);
    assert_eq!(linked, arrivals, "what was matched is linked with the arrivals of its chunks");
}

/// From every span of the recording's trace the parents lead to the uploader's.
fn must_be_connected(spans: &[CollectedSpan]) {
    let parents: HashMap<String, String> =
        spans.iter().map(|span| (hex(&span.id), hex(&span.parent))).collect();
    for span in spans.iter().filter(|span| hex(&span.trace) == UPLOADERS_TRACE) {
        let (mut at, mut steps) = (hex(&span.id), 0);
        while at != UPLOADERS_SPAN {
            at = parents
                .get(&at)
                .unwrap_or_else(|| panic!("{span:?} hangs on {at}, which was never collected"))
                .clone();
            steps += 1;
            assert!(steps < spans.len() + 2, "{span:?} is its own ancestor");
        }
    }
}

/// OpenTelemetry's conventions for messaging: every message has a span of its producer, and one of its consumer under that.
fn must_follow_the_conventions(spans: &[CollectedSpan]) {
    let by_id: HashMap<&Vec<u8>, &CollectedSpan> = spans.iter().map(|span| (&span.id, span)).collect();
    let of_kind = |kind: i32| spans.iter().filter(move |span| span.kind == kind);
    let text = |span: &CollectedSpan, key: &str| span.attributes.get(key).cloned().unwrap_or_default();
    for (kind, name, operation) in [(PRODUCER, "publish", "send"), (CONSUMER, "process", "process")] {
        // Decoding, two chunks, two analyses, and the notice of the decoder.
        assert_eq!(of_kind(kind).count(), 6, "spans of kind {kind}");
        for span in of_kind(kind) {
            let destination = text(span, "messaging.destination.name");
            assert!(destination.starts_with("throughline."), "{span:?}");
            assert_eq!(span.name, format!("{name} {destination}"));
            assert_eq!(text(span, "messaging.system"), "rabbitmq");
            assert_eq!(text(span, "messaging.operation.name"), name);
            assert_eq!(text(span, "messaging.operation.type"), operation);
        }
    }
    for consumer in of_kind(CONSUMER) {
        let producer = by_id.get(&consumer.parent).unwrap_or_else(|| panic!("nobody sent {consumer:?}"));
        assert_eq!(producer.kind, PRODUCER, "{producer:?}");
        assert_eq!(
            text(producer, "messaging.destination.name"),
            text(consumer, "messaging.destination.name")
        );
    }
}
