//! Erasure: deleting a recording leaves nothing of it, whatever comes afterwards.

use crate::bench::{Bench, interview};
use crate::scene::Scene;

#[tokio::test]
async fn a_deleted_recording_leaves_no_row_behind_even_when_its_messages_still_come() {
    let bench = Bench::open().await;
    let scene = Scene::of_three_voices(16);
    let recording = bench.recording(&scene, &interview()).await;
    for chunk in 0..3 {
        bench.take(recording, &scene, chunk).await;
    }
    bench.tell_decoded(recording, &scene).await;
    sqlx::query("DELETE FROM recordings WHERE id = $1")
        .bind(recording)
        .execute(&bench.pool)
        .await
        .expect("deletes");
    for chunk in 0..3 {
        bench.take(recording, &scene, chunk).await;
    }
    let left: i64 = bench
        .value(
            recording,
            "SELECT (SELECT count(*) FROM inbox WHERE recording_id = $1) + (SELECT count(*) FROM turns WHERE recording_id = $1)
                  + (SELECT count(*) FROM matches WHERE recording_id = $1)
                  + (SELECT count(*) FROM speaker_embeddings WHERE recording_id = $1)
                  + (SELECT count(*) FROM chunks WHERE recording_id = $1)",
        )
        .await;
    assert_eq!(left, 0);
    bench.close().await;
}
