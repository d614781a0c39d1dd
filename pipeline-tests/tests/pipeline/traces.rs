//! Traces: a recording is one trace, from the uploader's own span to the last commit.

use pipeline_tests::Stack;
use pipeline_tests::collector::{CollectedSpan, Collector};
use pipeline_tests::recordings::accepted;
use std::collections::HashSet;

const UPLOADERS_TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const UPLOADERS_SPAN: &str = "b7ad6b7169203331";
/// What must be seen of a recording, and in which service.
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
}
