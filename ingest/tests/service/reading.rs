//! Reading: turns in both forms, provisional speakers, and the list.

use crate::stack::{Stack, problem};
use diarization::blocks::frame_start_seconds;
use diarization::export::Format;
use diarization::rttm::{self, Segment};
use reqwest::StatusCode;
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn the_list_is_filtered_by_state_title_and_time() {
    let stack = Stack::start(&[]).await;
    let mut ids = Vec::new();
    for (title, state, day) in [
        ("50% of the Interview", "queued", 1),
        ("Interview Bob", "completed", 2),
        ("a_b", "cancelled", 3),
        ("axb", "queued", 4),
    ] {
        let accepted = stack.upload("", b"not audio".to_vec()).await;
        let id = accepted["id"].as_str().expect("an id").to_owned();
        stack.recording_when(&id, |r| r["state"] == "failed").await;
        sqlx::query(
            "UPDATE recordings SET title = $2, state = $3, failure = NULL, created_at = make_timestamptz(2026, 1, $4, 12, 0, 0),
                                   completed_at = CASE WHEN $3 = 'completed' THEN now() END
             WHERE id = $1::text::uuid",
        )
        .bind(&id)
        .bind(title)
        .bind(state)
        .bind(day)
        .execute(&stack.pool)
        .await
        .expect("updates");
        ids.push(id);
    }
    for (query, found) in [
        ("state=queued", &[3, 0][..]),
        ("state=completed,cancelled", &[2, 1]),
        ("title=interview", &[1, 0]),
        ("title=50%25", &[0]),
        ("title=a_b", &[2]),
        ("created_after=2026-01-02T00:00:00Z&created_before=2026-01-03T13:00:00%2B00:00", &[2, 1]),
        ("state=queued&title=INTERVIEW", &[0]),
        ("limit=1&state=queued", &[3]),
        ("title=nothing", &[]),
    ] {
        let answer = stack.get(&format!("/v1/recordings?{query}")).send().await.expect("answers");
        let page: Value = answer.json().await.expect("is JSON");
        let shown: Vec<_> =
            page["recordings"].as_array().into_iter().flatten().map(|r| r["id"].clone()).collect();
        assert_eq!(shown, found.iter().map(|&at| json!(ids[at])).collect::<Vec<_>>(), "{query}");
        let next = if query.starts_with("limit") { json!(ids[3]) } else { Value::Null };
        assert_eq!(page["next"], next, "{query}");
    }
    for query in ["state=done", "state=queued,", "created_after=yesterday", "title=%00"] {
        let answer = stack.get(&format!("/v1/recordings?{query}")).send().await.expect("answers");
        problem(answer, StatusCode::BAD_REQUEST, "bad-option").await;
    }
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn turns_are_read_as_json_and_as_rttm() {
    let stack = Stack::start(&[]).await;
    let accepted = stack.upload("?file_name=my%20talk.wav", b"not audio".to_vec()).await;
    let id = accepted["id"].as_str().expect("an id");
    stack.recording_when(id, |r| r["state"] == "failed").await;
    sqlx::query(
        "INSERT INTO turns SELECT id, first_frame, end_frame, speaker, label, true FROM recordings,
         (VALUES (100, 200, 1, 'Bob'), (0, 50, 0, 'Ann B'), (100, 150, 0, 'Ann B')) AS t (first_frame, end_frame, speaker, label)",
    )
    .execute(&stack.pool)
    .await
    .expect("inserts");

    let path = format!("/v1/recordings/{id}/turns");
    let json: Value = stack.get(&path).send().await.expect("answers").json().await.expect("is JSON");
    assert_eq!((&json["recording"], &json["provisional"]), (&json!(id), &json!(true)));
    let first = json!({
        "start": 0.031, "end": 0.875, "speaker": "Ann B", "first_frame": 0, "end_frame": 50, "provisional": true,
        "confidence": null, "score": null, "runner_up": null, "corrected": false, "checked": false
    });
    assert_eq!(json["turns"][0], first);
    let order: Vec<i64> =
        json["turns"].as_array().into_iter().flatten().filter_map(|t| t["end_frame"].as_i64()).collect();
    assert_eq!(order, [50, 150, 200]);

    let segment = |first, end, speaker: &str| Segment {
        file: "my talk".into(),
        start_s: frame_start_seconds(first),
        duration_s: frame_start_seconds(end) - frame_start_seconds(first),
        speaker: speaker.into(),
    };
    let expected =
        rttm::write(&[segment(0, 50, "Ann B"), segment(100, 150, "Ann B"), segment(100, 200, "Bob")]);
    let by_header = stack.get(&path).header("accept", "text/rttm").send().await.expect("answers");
    assert_eq!(by_header.headers()["content-type"], "text/rttm; charset=utf-8");
    assert_eq!(by_header.text().await.expect("text"), expected);
    let by_query = stack.get(&format!("{path}?format=rttm")).send().await.expect("answers");
    assert_eq!(by_query.text().await.expect("text"), expected);
    let unknown = stack.get(&format!("{path}?format=docx")).send().await.expect("answers");
    problem(unknown, StatusCode::BAD_REQUEST, "bad-option").await;

    let speakers = stack.recording(id).await["speakers"].clone();
    assert_eq!(
        speakers,
        json!([{ "label": "Ann B", "speech_seconds": 1.688 }, { "label": "Bob", "speech_seconds": 1.688 }])
    );
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn why_a_speaker_is_shown_is_told_by_turn_and_by_chunk() {
    let stack = Stack::start(&[]).await;
    let accepted = stack.upload("?labels=Ann,Bob&chunk_blocks=1", b"not audio".to_vec()).await;
    let id = accepted["id"].as_str().expect("an id");
    stack.recording_when(id, |r| r["state"] == "failed").await;
    let unexplained = stack.get(&format!("/v1/recordings/{id}/matches")).send().await.expect("answers");
    assert_eq!(unexplained.json::<Value>().await.expect("is JSON")["matches"], json!([]));
    // One turn of two pieces, the second without a voice; one in the next block.
    let rows = "INSERT INTO turns SELECT id, first_frame, end_frame, speaker, label, false FROM recordings,
                (VALUES (0, 200, 0, 'Ann'), (3600, 3700, 1, 'Bob')) AS t (first_frame, end_frame, speaker, label);
                INSERT INTO matches SELECT id, m.* FROM recordings,
                (VALUES (0, 150, 0::smallint, 0, 0.6::real, 0.9::real, 1, 0.2::real, 0.04::real), (150, 200, 0, 0, NULL, 0.5, 1, NULL, 0.4),
                        (3600, 3700, 2, 1, 0.7, 0.99, NULL, NULL, NULL)) AS m";
    sqlx::raw_sql(rows).execute(&stack.pool).await.expect("inserts");
    let read = async |what: &str| -> Value {
        let answer = stack.get(&format!("/v1/recordings/{id}/{what}")).send().await.expect("answers");
        assert_eq!(answer.status(), StatusCode::OK);
        answer.json().await.expect("is JSON")
    };
    let turns = read("turns").await["turns"].clone();
    let why = |it: &Value| json!([it["confidence"], it["score"], it["runner_up"]]);
    let bob = json!({ "speaker": "Bob", "confidence": 0.13, "score": 0.2 });
    assert_eq!((why(&turns[0]), why(&turns[1])), (json!([0.8, 0.6, bob]), json!([0.99, 0.7, null])));
    let matches = read("matches").await;
    assert_eq!((&matches["recording"], &matches["provisional"]), (&json!(id), &json!(true)));
    assert_eq!(
        matches["matches"],
        json!([
            { "chunk": 0, "start": 0.0, "end": 59.94, "speaker": "Ann", "seconds": 3.375, "confidence": 0.8, "score": 0.6, "runner_up": bob, "corrected": false },
            { "chunk": 1, "start": 59.94, "end": 119.88, "speaker": "Bob", "seconds": 1.688, "confidence": 0.99, "score": 0.7, "runner_up": null, "corrected": false }
        ])
    );
    let unknown =
        stack.get(&format!("/v1/recordings/{}/matches", uuid::Uuid::nil())).send().await.expect("answers");
    assert_eq!(unknown.status(), StatusCode::NOT_FOUND);
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn turns_are_saved_in_the_forms_of_other_programs_under_the_name_of_the_recording() {
    let stack = Stack::start(&[]).await;
    let accepted = stack.upload("?file_name=Gespr%C3%A4ch%201.wav", b"not audio".to_vec()).await;
    let id = accepted["id"].as_str().expect("an id");
    stack.recording_when(id, |r| r["state"] == "failed").await;
    sqlx::query("INSERT INTO turns SELECT id, 0, 100, 0, 'Ann', false FROM recordings")
        .execute(&stack.pool)
        .await
        .expect("inserts");
    for format in Format::all() {
        let name = Format::names()[Format::all().position(|it| it == format).expect("is one")];
        let answer =
            stack.get(&format!("/v1/recordings/{id}/turns?format={name}")).send().await.expect("answers");
        assert_eq!(answer.status(), StatusCode::OK, "{name}");
        assert_eq!(answer.headers()["content-type"], format.media_type());
        let saved = format!("filename*=UTF-8''Gespr%C3%A4ch%201.{}", format.extension());
        assert!(answer.headers()["content-disposition"].to_str().expect("ASCII").ends_with(&saved), "{name}");
        assert!(answer.text().await.expect("text").contains("Ann"), "{name}");
    }
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_is_newest_first_and_comes_in_pages() {
    let stack = Stack::start(&[]).await;
    for title in ["first", "second", "third"] {
        stack.upload(&format!("?title={title}"), b"not audio".to_vec()).await;
    }
    let page = async |query: &str| -> Value {
        stack
            .get(&format!("/v1/recordings{query}"))
            .send()
            .await
            .expect("answers")
            .json()
            .await
            .expect("is JSON")
    };
    let titles = |page: &Value| -> Vec<String> {
        let recordings = page["recordings"].as_array().into_iter().flatten();
        recordings.filter_map(|r| r["title"].as_str().map(str::to_owned)).collect()
    };
    let newest = page("?limit=2").await;
    assert_eq!(titles(&newest), ["third", "second"]);
    let older = page(&format!("?limit=2&before={}", newest["next"].as_str().expect("a next page"))).await;
    assert_eq!((titles(&older), &older["next"]), (vec!["first".to_owned()], &Value::Null));
    stack.stop().await;
}
