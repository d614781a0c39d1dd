//! Corrections: what a person said of a result holds when the recording is processed again, and is gone without a trace when it is taken back.

use crate::{STEM, interview, interview_oracle};
use pipeline_tests::Stack;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

const OPTIONS: [(&str, &str); 2] = [("labels", "interview"), ("chunk_blocks", "1")];

/// Answer to a call about the corrections of a recording.
async fn call(stack: &Stack, id: Uuid, method: Method, path: &str, body: Option<Value>) -> Value {
    let request = stack.request(method, &format!("/{id}/corrections{path}"));
    let request = match body {
        Some(body) => request.json(&body),
        None => request,
    };
    let answer = request.send().await.expect("an answer");
    let status = answer.status();
    let body: Value = answer.json().await.expect("JSON");
    assert_eq!(status, StatusCode::OK, "{body}");
    body
}

async fn correct(stack: &Stack, id: Uuid, body: Value) -> Value {
    call(stack, id, Method::POST, "", Some(body)).await
}

/// Processes the recording again, from the file or from what is stored.
async fn reprocess(stack: &mut Stack, id: Uuid, body: Value) {
    let again = stack.request(Method::POST, &format!("/{id}/reprocess")).json(&body);
    let answer = again.send().await.expect("an answer");
    assert_eq!(answer.status(), StatusCode::ACCEPTED, "{:?}", answer.text().await);
    stack.completed(id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_person_corrected_holds_when_the_recording_is_processed_again_until_it_is_taken_back() {
    let mut stack = Stack::start(1, 1, 1).await;
    let id = stack.submit(&interview(), &OPTIONS).await;
    stack.completed(id).await;
    let turns = stack.turns(id).await;
    let by_respondent = |turn: &&Value| turn["speaker"] == "Respondent";
    let length =
        |turn: &&Value| turn["end_frame"].as_i64().zip(turn["first_frame"].as_i64()).map(|(b, a)| b - a);
    let all = || turns["turns"].as_array().into_iter().flatten().filter(by_respondent);
    let moved = all().max_by_key(length).expect("the respondent speaks");
    correct(&stack, id, json!({ "kind": "rename", "speaker": "Interviewer", "name": "Ann Lee" })).await;
    let said = json!({
        "kind": "move", "first_frame": moved["first_frame"], "end_frame": moved["end_frame"], "speaker": "Respondent",
        "to": { "new": "Bob" }
    });
    correct(&stack, id, said).await;
    let (corrected, voices) = (stack.turns(id).await, stack.voices(id).await);
    let labels: Vec<&str> = voices.iter().map(|voice| voice.label.as_str()).collect();
    assert_eq!(labels, ["Ann Lee", "Respondent", "Bob"]);

    for again in [json!({ "analyse": "always" }), json!({ "analyse": "auto" })] {
        reprocess(&mut stack, id, again.clone()).await;
        assert_eq!(stack.turns(id).await["turns"], corrected["turns"], "{again}");
        let after = stack.voices(id).await;
        for (new, old) in after.iter().zip(&voices) {
            assert_eq!((&new.label, &new.bits, new.seconds), (&old.label, &old.bits, old.seconds), "{again}");
        }
        let kept = call(&stack, id, Method::GET, "", None).await;
        let applied: Vec<&Value> =
            kept["corrections"].as_array().into_iter().flatten().map(|it| &it["applied"]).collect();
        assert_eq!(applied, [true, true]);
    }
    // One speaker is asked for: who was moved is still somebody else.
    reprocess(&mut stack, id, json!({ "num_speakers": 1 })).await;
    let labels: Vec<String> = stack.voices(id).await.into_iter().map(|voice| voice.label).collect();
    assert_eq!(labels, ["Ann Lee", "Bob"]);

    reprocess(&mut stack, id, json!({ "num_speakers": null })).await;
    for left in [1, 0] {
        let kept = call(&stack, id, Method::DELETE, &format!("/{}", left + 1), None).await;
        assert_eq!(kept["corrections"].as_array().map(Vec::len), Some(left));
    }
    stack.must_equal(id, STEM, &interview_oracle().await).await;
    stack.stop().await;
}
