//! Shown: what an uploader sees while a long recording is still in work.

use crate::interview_settings;
use diarization::blocks::BLOCK_FRAMES;
use diarization::evidence;
use diarization::explanation::Explanation;
use pipeline_tests::eventually::eventually;
use pipeline_tests::{Stack, oracle};
use reqwest::Method;
use serde_json::Value;

#[tokio::test(flavor = "multi_thread")]
async fn turns_of_a_long_recording_are_shown_before_it_is_completed() {
    let mut stack = Stack::start(1, 1, 1).await;
    let sample = oracle::sample("interview_20min.opus");
    let id = stack.submit(&sample, &[("labels", "interview"), ("chunk_blocks", "1")]).await;
    // The oracle has the other core meanwhile.
    let expected = tokio::spawn({
        let sample = sample.clone();
        async move { oracle::diarize(&sample, interview_settings()).await }
    });
    let shown = eventually("provisional turns are shown", async || {
        stack.must_be_alive();
        let turns = stack.turns(id).await;
        turns["turns"].as_array().is_some_and(|list| !list.is_empty()).then_some(turns)
    })
    .await;
    assert_eq!((&shown["state"], &shown["provisional"]), (&Value::from("processing"), &Value::from(true)));
    let turns = shown["turns"].as_array().expect("a list");
    assert!(turns.iter().all(|turn| turn["provisional"] == true), "{shown}");
    assert_eq!(turns[0]["speaker"], "Interviewer");
    assert!(
        turns.iter().all(|turn| turn["confidence"].as_f64().is_some_and(|p| p > 0.0 && p <= 1.0)),
        "{shown}"
    );

    // The list grows, in order, while the recording is in work.
    stack.under_way(id, 5).await;
    let later = stack.turns(id).await;
    assert!(later["turns"].as_array().expect("a list").len() > turns.len());
    let recording = stack.recording(id).await;
    assert_eq!(recording["speakers"][0]["label"], "Interviewer");

    stack.completed(id).await;
    let last = stack.turns(id).await;
    assert_eq!((&last["state"], &last["provisional"]), (&Value::from("completed"), &Value::from(false)));
    assert_eq!(last["turns"][0]["speaker"], "Interviewer");
    let expected = expected.await.expect("the oracle answers");
    stack.must_equal(id, "interview_20min", &expected).await;
    // Of every turn it can be asked why, and of every chunk.
    let label = |speaker: usize| expected.speakers[speaker].label.clone();
    let why =
        expected.choices().into_iter().map(|choice| Explanation::of(&choice.expect("has pieces"), label));
    let told = last["turns"].as_array().into_iter().flatten();
    let told: Vec<Explanation> =
        told.map(|turn| serde_json::from_value(turn.clone()).expect("is explained")).collect();
    assert_eq!(told, why.collect::<Vec<_>>());
    let matches = stack.request(Method::GET, &format!("/{id}/matches")).send().await.expect("an answer");
    let matches: Value = matches.json().await.expect("JSON");
    let found: Vec<_> = evidence::of_parts(&expected.matches, BLOCK_FRAMES)
        .iter()
        .map(|part| (part.part as u64, label(part.choice.best.speaker)))
        .collect();
    let told = matches["matches"].as_array().into_iter().flatten();
    let told: Vec<_> = told
        .map(|it| {
            (it["chunk"].as_u64().expect("a number"), it["speaker"].as_str().unwrap_or_default().to_owned())
        })
        .collect();
    assert!(found.len() > 30 && told == found, "{told:?}");
    stack.stop().await;
}
