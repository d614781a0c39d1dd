//! Hanging: an inference that does not end is an attempt like any other; its worker says so and ends, for another to take its place.

use pipeline_tests::command::{succeeds, throughline};
use pipeline_tests::{Stack, Supervisor, oracle};

/// Less than twenty blocks take on any core, and far more than the trial with which a worker starts.
const PATIENCE: (&str, &str) = ("THROUGHLINE_INFERENCE_SECONDS", "6");

#[tokio::test(flavor = "multi_thread")]
async fn an_inference_that_does_not_end_is_tried_five_times_and_then_a_dead_letter() {
    let mut stack = Stack::start(0, 1, 1).await;
    let mut workers = Supervisor::start(&mut stack, 1, &[PATIENCE], None);
    let sample = oracle::sample("interview_20min.opus");
    let id = stack.submit(&sample, &[("chunk_blocks", "20")]).await;
    let failed = workers
        .until(&mut stack, "the recording fails", async |stack| {
            Some(stack.recording(id).await).filter(|it| it["state"] == "failed")
        })
        .await;
    assert_eq!(failed["failure"], "chunk 0 could not be analysed after 5 attempts", "{failed}");
    let ends = workers.ends();
    // The fifth may still be on its way out.
    assert!((4..=5).contains(&ends.len()), "{ends:#?}");
    for (status, words) in ends {
        assert_eq!(status.code(), Some(1), "{words}");
        assert!(words.contains("an inference hangs") && words.contains("start it again"), "{words}");
    }
    let letters: Vec<(i64, serde_json::Value)> =
        sqlx::query_as("SELECT id, attempts FROM dead_letters").fetch_all(&stack.pool).await.expect("reads");
    let [(letter, attempts)] = letters.as_slice() else { panic!("{letters:?}") };
    let attempts = attempts.as_array().expect("a list");
    assert_eq!(attempts.len(), 5, "{attempts:?}");
    for attempt in attempts {
        assert_eq!(attempt["reason"], "the inference did not end within 6 s", "{attempt}");
        assert!(attempt["by"].as_str().is_some_and(|by| by.starts_with("worker@")), "{attempt}");
    }
    workers.stop().await;

    let letter = letter.to_string();
    let shown = succeeds(&stack, &["dead-letters", "show", &letter]).await;
    assert!(shown.contains("gave up after 5 attempts; the last: the inference did not end"), "{shown}");
    assert!(succeeds(&stack, &["dead-letters", "drop", &letter]).await.contains("dropped"));
    let (refusal, succeeded) = throughline(&stack, &["dead-letters", "show", &letter]).await;
    assert!(!succeeded && refusal.contains("there is no dead letter"), "{refusal}");
    let (refusal, succeeded) =
        throughline(&stack, &["dead-letters", "replay", "--recording", &id.to_string()]).await;
    assert!(!succeeded && refusal.contains("has no dead letters"), "{refusal}");
    // Dropping a letter leaves its recording as it was.
    assert_eq!(stack.recording(id).await["state"], "failed");
    stack.stop().await;
}
