//! Changes: reprocessing and deleting.

use crate::stack::{Stack, interview};
use reqwest::StatusCode;
use serde_json::{Value, json};
use service_kit::messages::ChunkJob;
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
    assert_eq!(body, json!({ "id": id, "state": "queued", "run": 2 }));
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
    // The decoder takes one job at a time: when it has failed the next one, it is done with this one.
    let next = stack.upload("", b"not audio".to_vec()).await;
    stack.recording_when(next["id"].as_str().expect("an id"), |r| r["state"] == "failed").await;
    assert!(stack.files().iter().all(|file| !file.to_string_lossy().contains(id)), "{:?}", stack.files());
    assert_eq!(stack.count("SELECT count(*) FROM chunks").await, 0);
    stack.stop().await;
}
