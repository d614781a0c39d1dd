//! Changes: reprocessing and deleting. (Cancelling is in `cancelling.rs`.)

use crate::stack::{Stack, interview, problem};
use reqwest::StatusCode;
use serde_json::{Value, json};
use service_kit::messages::{ChunkJob, RecordingDecoded};
use service_kit::topology;

#[tokio::test(flavor = "multi_thread")]
async fn reprocessing_starts_a_new_run_and_keeps_the_voices_until_it_is_done() {
    let stack = Stack::start(&[]).await;
    let accepted = stack.upload("?chunk_blocks=2", interview()).await;
    let id = accepted["id"].as_str().expect("an id");
    let version = stack.decoded(id).await["model_version"].as_str().expect("a version").to_owned();
    stack.drain::<ChunkJob>(&topology::chunk_queue(&version, diarization::analysis::CONFIGURATION)).await;
    for sql in [
        "INSERT INTO turns SELECT id, 0, 10, 0, 'Ann', false FROM recordings",
        "INSERT INTO matches SELECT id, 0, 10, 0, 0, 0.5, 0.9 FROM recordings",
        "INSERT INTO inbox SELECT id, 0, 'm', 'c', 'x' FROM recordings",
        "INSERT INTO speaker_embeddings SELECT id, 0, 'Ann', 'm', '[1,0]', 3.5 FROM recordings",
        "UPDATE recordings SET state = 'completed', completed_at = now(), next_chunk = 2, reference_set = 'x',
                               model_version = 'an older one', warnings = '{damaged}'",
    ] {
        sqlx::query(sql).execute(&stack.pool).await.expect("runs");
    }
    let completed = stack.recording(id).await;
    assert_eq!(completed["speakers"], json!([{ "label": "Ann", "speech_seconds": 3.5 }]));

    let answer = stack.post(&format!("/v1/recordings/{id}/reprocess")).send().await.expect("answers");
    assert_eq!(answer.status(), StatusCode::ACCEPTED);
    let body: Value = answer.json().await.expect("is JSON");
    assert_eq!(body, json!({ "id": id, "state": "queued", "run": 2, "analyses": "anew" }));
    let recording = stack.decoded(id).await;
    assert_eq!((&recording["run"], &recording["state"]), (&json!(2), &json!("processing")));
    assert_eq!((&recording["model_version"], &recording["completed_at"]), (&json!(version), &Value::Null));
    assert_eq!(
        (&recording["chunks"], &recording["warnings"]),
        (&json!({ "done": 0, "total": 2 }), &json!([]))
    );
    let jobs: Vec<ChunkJob> =
        stack.drain(&topology::chunk_queue(&version, diarization::analysis::CONFIGURATION)).await;
    assert_eq!(jobs.iter().map(|job| (job.run, job.chunk)).collect::<Vec<_>>(), [(2, 0), (2, 1)]);
    assert_eq!(stack.count("SELECT count(*) FROM inbox").await, 0);
    // What the run before found stays readable until the new one replaces it.
    assert_eq!(stack.count("SELECT count(*) FROM turns").await, 1);
    assert_eq!(stack.count("SELECT count(*) FROM matches").await, 1);
    assert_eq!(stack.count("SELECT count(*) FROM speaker_embeddings").await, 1);
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_analysed_is_used_again_with_other_settings_unless_models_or_the_caller_want_otherwise() {
    let stack = Stack::start(&[]).await;
    let accepted = stack.upload("?chunk_blocks=2&min_speakers=2&labels=interview", interview()).await;
    let id = accepted["id"].as_str().expect("an id");
    let version = stack.decoded(id).await["model_version"].as_str().expect("a version").to_owned();
    let chunks = topology::chunk_queue(&version, diarization::analysis::CONFIGURATION);
    stack.drain::<ChunkJob>(&chunks).await;
    stack.drain::<RecordingDecoded>(topology::MATCH).await;
    let analysed = "INSERT INTO inbox SELECT r.id, c.chunk, r.model_version, r.configuration, 'x'
                    FROM recordings r JOIN chunks c ON c.recording_id = r.id ON CONFLICT DO NOTHING";
    let completed = "UPDATE recordings SET state = 'completed', completed_at = now(), next_chunk = 2, reference_set = 'x',
                                           warnings = '{damaged}'";
    for sql in [analysed, completed] {
        sqlx::query(sql).execute(&stack.pool).await.expect("runs");
    }
    let reprocess = async |body: Value| {
        let answer = stack.post(&format!("/v1/recordings/{id}/reprocess")).json(&body).send().await;
        answer.expect("answers")
    };
    let refused =
        problem(reprocess(json!({ "max_speakers": 1 })).await, StatusCode::BAD_REQUEST, "bad-option").await;
    assert!(refused.contains("at least 2 speakers and at most 1"), "{refused}");
    let refused =
        problem(reprocess(json!({ "speakers": 1 })).await, StatusCode::BAD_REQUEST, "bad-body").await;
    assert!(refused.contains("unknown field `speakers`"), "{refused}");

    let answer: Value =
        reprocess(json!({ "num_speakers": 1, "threshold": 0.6 })).await.json().await.expect("is JSON");
    assert_eq!(answer, json!({ "id": id, "state": "queued", "run": 2, "analyses": "reused" }));
    stack.sent().await;
    let recording = stack.recording(id).await;
    assert_eq!(recording["chunks"], json!({ "done": 0, "total": 2 }));
    assert_eq!(recording["warnings"], json!(["damaged"]));
    let settings = &recording["settings"];
    assert_eq!((&settings["min_speakers"], &settings["max_speakers"]), (&json!(1), &json!(1)));
    assert_eq!((&settings["threshold"], &settings["labels"]), (&json!(0.6), &json!("interview")));
    // The matcher is told, and nobody else.
    let told = stack.drain::<RecordingDecoded>(topology::MATCH).await;
    assert_eq!(told.iter().map(|told| told.run).collect::<Vec<_>>(), [2]);
    assert_eq!(stack.drain::<ChunkJob>(&chunks).await.len(), 0);
    assert_eq!(stack.count("SELECT count(*) FROM recordings WHERE reference_set IS NULL").await, 1);

    for (sql, body) in [
        ("SELECT 1", json!({ "analyse": "always" })),
        ("UPDATE recordings SET model_version = 'an older one'", json!({})),
        ("DELETE FROM inbox WHERE chunk = 1", json!({})),
    ] {
        sqlx::query(analysed).execute(&stack.pool).await.expect("inserts");
        sqlx::query(sql).execute(&stack.pool).await.expect("runs");
        let answer: Value = reprocess(body).await.json().await.expect("is JSON");
        assert_eq!(answer["analyses"], "anew", "{sql}");
        stack.decoded(id).await;
        assert_eq!(stack.drain::<ChunkJob>(&chunks).await.len(), 2, "{sql}");
    }
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_failed_is_analysed_anew_and_a_completed_one_uses_its_analyses_again() {
    let stack = Stack::start(&[]).await;
    let accepted = stack.upload("?chunk_blocks=2", interview()).await;
    let id = accepted["id"].as_str().expect("an id");
    let version = stack.decoded(id).await["model_version"].as_str().expect("a version").to_owned();
    let chunks = topology::chunk_queue(&version, diarization::analysis::CONFIGURATION);
    let analysed = "INSERT INTO inbox SELECT r.id, c.chunk, r.model_version, r.configuration, 'x'
                    FROM recordings r JOIN chunks c ON c.recording_id = r.id";
    // All chunks are analysed; the first time, by what made the recording fail.
    for (ended, analyses, ordered) in [
        ("UPDATE recordings SET state = 'failed', failure = 'its analyses are broken'", "anew", 2),
        ("UPDATE recordings SET state = 'completed', completed_at = now(), next_chunk = 2", "reused", 0),
    ] {
        stack.drain::<ChunkJob>(&chunks).await;
        for sql in [analysed, ended] {
            sqlx::query(sql).execute(&stack.pool).await.expect("runs");
        }
        let answer = stack.post(&format!("/v1/recordings/{id}/reprocess")).send().await.expect("answers");
        let body: Value = answer.json().await.expect("is JSON");
        assert_eq!(body["analyses"], analyses);
        stack.decoded(id).await;
        assert_eq!(stack.drain::<ChunkJob>(&chunks).await.len(), ordered, "{analyses}");
        let kept = stack.count("SELECT count(*) FROM inbox").await;
        assert_eq!(kept, 2 - ordered as i64, "{analyses}");
        assert_eq!(stack.recording(id).await["failure"], Value::Null);
    }
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deleting_removes_rows_and_objects_and_a_second_time_there_is_nothing() {
    let stack = Stack::start(&[]).await;
    let kept = stack.upload("", b"not audio, but kept".to_vec()).await;
    let accepted = stack.upload("", interview()).await;
    let id = accepted["id"].as_str().expect("an id");
    stack.decoded(id).await;
    sqlx::query(
        "INSERT INTO speaker_embeddings SELECT id, 0, 'Ann', 'm', '[1,0]', 3.5 FROM recordings WHERE id = $1",
    )
    .bind(id.parse::<uuid::Uuid>().expect("an id"))
    .execute(&stack.pool)
    .await
    .expect("inserts");
    let address = stack.url(&format!("/v1/recordings/{id}"));
    let answer = stack.http.delete(&address).send().await.expect("answers");
    assert_eq!(answer.status(), StatusCode::NO_CONTENT);
    let rows = "SELECT (SELECT count(*) FROM recordings) + (SELECT count(*) FROM chunks)
                     + (SELECT count(*) FROM speaker_embeddings)";
    assert_eq!(stack.count(rows).await, 1);
    let left = stack.object(&format!("recordings/{}/upload", kept["id"].as_str().expect("an id")));
    assert_eq!(stack.files(), [left]);
    let again = stack.http.delete(&address).send().await.expect("answers");
    assert_eq!(again.status(), StatusCode::NOT_FOUND);
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_deleted_while_it_is_decoded_leaves_nothing() {
    let stack = Stack::start(&[]).await;
    let accepted = stack.upload("?chunk_blocks=1", interview()).await;
    let id = accepted["id"].as_str().expect("an id");
    stack.recording_when(id, |r| r["state"] == "processing").await;
    let answer = stack.http.delete(stack.url(&format!("/v1/recordings/{id}"))).send().await.expect("answers");
    assert_eq!(answer.status(), StatusCode::NO_CONTENT);
    stack.consumed(topology::DECODE).await;
    stack.files_become(0).await;
    assert_eq!(stack.count("SELECT count(*) FROM chunks").await, 0);
    stack.stop().await;
}
