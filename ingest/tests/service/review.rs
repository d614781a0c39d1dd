//! Review: a person gives turns another shape, checks them off, and calls the recording otherwise.

use crate::corrections::{completed, corrected, get, labels, take_back, talk};
use crate::stack::{Stack, problem};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

async fn turns(stack: &Stack, id: Uuid) -> Vec<Value> {
    get(stack, id, "turns").await["turns"].as_array().cloned().unwrap_or_default()
}

/// The names that a correction takes, of a turn as it is shown.
fn of(turn: &Value, kind: &str) -> Value {
    json!({ "kind": kind, "first_frame": turn["first_frame"], "end_frame": turn["end_frame"], "speaker": turn["speaker"] })
}

/// `body` with `more` fields.
fn with(mut body: Value, more: Value) -> Value {
    for (name, value) in more.as_object().into_iter().flatten() {
        body[name] = value.clone();
    }
    body
}

async fn send(stack: &Stack, method: Method, path: &str, body: &Value) -> reqwest::Response {
    stack.http.request(method, stack.url(path)).json(body).send().await.expect("answers")
}

async fn check(stack: &Stack, id: Uuid, turn: &Value, checked: bool) -> reqwest::Response {
    let mut body = with(of(turn, ""), json!({ "checked": checked }));
    body.as_object_mut().expect("an object").remove("kind");
    send(stack, Method::PUT, &format!("/v1/recordings/{id}/checks"), &body).await
}

fn seconds(turn: &Value, key: &str) -> f64 {
    turn[key].as_f64().expect("seconds")
}

#[tokio::test(flavor = "multi_thread")]
async fn turns_are_split_shortened_removed_and_added_and_all_of_it_is_taken_back() {
    let stack = Stack::start(&[]).await;
    let id = completed(&stack, &talk(3, 16)).await;
    let before = turns(&stack, id).await;
    let (first, second, third) = (&before[4], &before[7], &before[11]);
    let middle = (seconds(first, "start") + seconds(first, "end")) / 2.0;
    corrected(&stack, id, &with(of(first, "split"), json!({ "at": middle }))).await;
    let now = turns(&stack, id).await;
    assert_eq!(now.len(), before.len() + 1);
    assert!((seconds(&now[4], "end") - middle).abs() < 0.01 && now[4]["end"] == now[5]["start"]);
    assert_eq!((&now[4]["speaker"], &now[5]["end"]), (&first["speaker"], &first["end"]));

    let end = seconds(second, "end") - 0.5;
    corrected(&stack, id, &with(of(second, "border"), json!({ "edge": "end", "at": end }))).await;
    corrected(&stack, id, &of(third, "remove")).await;
    let added = json!({ "kind": "add", "start": seconds(third, "start"), "end": seconds(third, "end"), "speaker": { "new": "Zoe" } });
    let all = corrected(&stack, id, &added).await;
    let now = turns(&stack, id).await;
    assert!((seconds(&now[8], "end") - end).abs() < 0.01);
    let zoe =
        json!([&now[12]["first_frame"], &now[12]["end_frame"], &now[12]["speaker"], &now[12]["corrected"]]);
    assert_eq!(zoe, json!([third["first_frame"], third["end_frame"], "Zoe", true]));
    assert_eq!(labels(&get(&stack, id, "speakers").await), ["SPEAKER_00", "SPEAKER_01", "SPEAKER_02", "Zoe"]);

    // What is listed can be said again, as a page does that offers to redo.
    let said = all["corrections"].as_array().expect("a list").clone();
    let kinds: Vec<&Value> = said.iter().map(|it| &it["kind"]).collect();
    assert_eq!(kinds, ["split", "border", "remove", "add"]);
    for it in said.iter().rev() {
        assert_eq!(
            take_back(&stack, id, it["number"].as_i64().expect("a number")).await.status(),
            StatusCode::OK
        );
    }
    assert_eq!(turns(&stack, id).await, before);
    for mut it in said {
        for shown in ["number", "applied", "created_at"] {
            it.as_object_mut().expect("an object").remove(shown);
        }
        corrected(&stack, id, &it).await;
    }
    assert_eq!(turns(&stack, id).await, now);
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn shapes_that_cannot_be_are_refused_with_the_reason() {
    let stack = Stack::start(&[]).await;
    let id = completed(&stack, &talk(1, 16)).await;
    let turn = &turns(&stack, id).await[2];
    for (body, word) in [
        (with(of(turn, "split"), json!({ "at": seconds(turn, "start") })), "0.1 s or longer"),
        (with(of(turn, "border"), json!({ "edge": "start", "at": turn["start"] })), "that border already"),
        (with(of(turn, "border"), json!({ "edge": "end", "at": 60.5 })), "ends at 6"),
        (json!({ "kind": "add", "start": 1e300, "end": 2e300, "speaker": "SPEAKER_00" }), "0.1 s or longer"),
        (json!({ "kind": "add", "start": 0, "end": 3600, "speaker": "SPEAKER_00" }), "ends at 6"),
        (
            json!({ "kind": "add", "start": turn["start"], "end": turn["end"], "speaker": turn["speaker"] }),
            "speaks there already",
        ),
        (json!({ "kind": "add", "start": 1, "end": 2, "speaker": "Bob" }), "no speaker 'Bob'"),
    ] {
        let answer = send(&stack, Method::POST, &format!("/v1/recordings/{id}/corrections"), &body).await;
        let told = problem(answer, StatusCode::UNPROCESSABLE_ENTITY, "bad-correction").await;
        assert!(told.contains(word), "{body}: {told}");
    }
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_checked_stays_so_under_a_new_name_and_not_under_another_speaker() {
    let stack = Stack::start(&[]).await;
    let id = completed(&stack, &talk(2, 16)).await;
    let before = turns(&stack, id).await;
    let (one, other) = (&before[2], &before[5]);
    for (turn, count) in [(one, 1), (one, 1), (other, 2)] {
        let noted: Value = check(&stack, id, turn, true).await.json().await.expect("is JSON");
        assert_eq!(noted, json!({ "checked": count }));
    }
    let checked = async || -> Vec<Value> {
        let all = turns(&stack, id).await.into_iter().filter(|turn| turn["checked"] == true);
        all.map(|turn| turn["first_frame"].clone()).collect()
    };
    assert_eq!(checked().await, [one["first_frame"].clone(), other["first_frame"].clone()]);
    corrected(&stack, id, &json!({ "kind": "rename", "speaker": one["speaker"], "name": "Ann" })).await;
    assert_eq!(checked().await.len(), 2, "a name says nothing of whose a turn is");
    let now = turns(&stack, id).await;
    let other = now.iter().find(|turn| turn["first_frame"] == other["first_frame"]).expect("is there");
    let to = now.iter().map(|turn| &turn["speaker"]).find(|label| **label != other["speaker"]);
    corrected(&stack, id, &with(of(other, "move"), json!({ "to": to }))).await;
    assert_eq!(checked().await, [one["first_frame"].clone()], "what was moved was not checked there");
    let now = turns(&stack, id).await;
    let again = now.iter().find(|turn| turn["first_frame"] == one["first_frame"]).expect("is there");
    assert_eq!(check(&stack, id, again, false).await.status(), StatusCode::OK);
    assert_eq!(checked().await, Vec::<Value>::new());
    let longer = with(again.clone(), json!({ "end_frame": again["end_frame"].as_i64().unwrap_or(0) + 1 }));
    assert_eq!(check(&stack, id, &longer, true).await.status(), StatusCode::NOT_FOUND);
    assert_eq!(check(&stack, Uuid::now_v7(), again, true).await.status(), StatusCode::NOT_FOUND);
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_gets_another_title() {
    let stack = Stack::start(&[]).await;
    let id = completed(&stack, &talk(1, 16)).await;
    let path = format!("/v1/recordings/{id}");
    let before: Value = stack.get(&path).send().await.expect("answers").json().await.expect("is JSON");
    let now = send(&stack, Method::PATCH, &path, &json!({ "title": " A better\nname " })).await;
    assert_eq!(now.status(), StatusCode::OK);
    let now: Value = now.json().await.expect("is JSON");
    assert_eq!(now["title"], "A better name");
    assert_ne!(now["revision"], before["revision"]);
    for (body, status) in [
        (json!({ "title": "  " }), StatusCode::BAD_REQUEST),
        (json!({ "title": "x".repeat(301) }), StatusCode::BAD_REQUEST),
        (json!({}), StatusCode::BAD_REQUEST),
        (json!({ "title": "x", "state": "failed" }), StatusCode::BAD_REQUEST),
    ] {
        assert_eq!(send(&stack, Method::PATCH, &path, &body).await.status(), status, "{body}");
    }
    let other = format!("/v1/recordings/{}", Uuid::now_v7());
    assert_eq!(
        send(&stack, Method::PATCH, &other, &json!({ "title": "x" })).await.status(),
        StatusCode::NOT_FOUND
    );
    stack.stop().await;
}
