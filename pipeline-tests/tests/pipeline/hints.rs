//! Hints: what an uploader knows of the number of speakers holds from the upload to the turns.

use crate::{STEM, interview};
use diarization::diarize::Settings;
use diarization::hints::Hints;
use pipeline_tests::{Stack, oracle};
use reqwest::StatusCode;
use serde_json::Value;
use std::collections::BTreeSet;

/// Labels in the turns of a recording.
fn labels(turns: &Value) -> BTreeSet<String> {
    let turns = turns["turns"].as_array().into_iter().flatten();
    turns.filter_map(|turn| turn["speaker"].as_str().map(str::to_owned)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exact_number_a_least_and_a_most_are_each_obeyed_and_what_cannot_be_is_refused() {
    let mut stack = Stack::start(1, 1, 1).await;
    // Two people speak in it.
    let asked =
        [("num_speakers", 3, 3), ("min_speakers", 4, 4), ("max_speakers", 1, 1), ("max_speakers", 5, 2)];
    for (option, number, found) in asked {
        let id = stack.submit(&interview(), &[(option, &number.to_string()), ("chunk_blocks", "1")]).await;
        let recording = stack.completed(id).await;
        assert_eq!(
            recording["speakers"].as_array().map(Vec::len),
            Some(found),
            "{option} {number}: {recording}"
        );
        assert_eq!(labels(&stack.turns(id).await).len(), found, "{option} {number}");
        let of = |name: &str| (option == name).then_some(number);
        let hints =
            Hints::new(of("num_speakers"), of("min_speakers"), of("max_speakers"), Default::default());
        let settings = Settings { hints: hints.expect("hold"), ..Settings::default() };
        stack.must_equal(id, STEM, &oracle::diarize(&interview(), settings).await).await;
    }
    for impossible in
        [[("min_speakers", "3"), ("max_speakers", "2")], [("num_speakers", "2"), ("max_speakers", "3")]]
    {
        let refused = stack.upload(&interview(), &impossible).send().await.expect("an answer");
        assert_eq!(refused.status(), StatusCode::BAD_REQUEST, "{impossible:?}");
    }
    stack.stop().await;
}
