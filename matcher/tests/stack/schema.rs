//! Schema: what operators were given holds, and migrations go both ways.

use crate::bench::{Bench, interview};
use crate::scene::Scene;
use service_kit::schema::MIGRATIONS;

/// The check that operators were first given, verbatim.
const OPERATORS_CHECK: &str = "
SELECT r.title, se.speaker_label, array_length(se.embedding_vector::real[], 1) AS embedding_dims
FROM speaker_embeddings se JOIN recordings r ON r.id = se.recording_id
ORDER BY r.created_at DESC LIMIT 10;";

#[tokio::test]
async fn the_operators_check_lists_the_speakers_of_a_recording() {
    let bench = Bench::open().await;
    let scene = Scene::of_three_voices(16);
    let recording = bench.recording(&scene, &interview()).await;
    for chunk in 0..3 {
        bench.take(recording, &scene, chunk).await;
    }
    bench.tell_decoded(recording, &scene).await;
    let mut rows: Vec<(String, String, i32)> =
        sqlx::query_as(OPERATORS_CHECK).fetch_all(&bench.pool).await.expect("the check runs");
    rows.sort();
    let row = |label: &str| ("Interview".to_owned(), label.to_owned(), 16);
    assert_eq!(rows, [row("Interviewer"), row("Respondent"), row("Respondent2")]);
    bench.close().await;
}

#[tokio::test]
async fn migrations_go_down_and_up_again() {
    let bench = Bench::open().await;
    let tables = "SELECT count(*) FROM pg_tables
                  WHERE tablename IN ('recordings', 'chunks', 'outbox', 'inbox', 'turns', 'speaker_embeddings', 'dead_letters')";
    let count = async || sqlx::query_scalar::<_, i64>(tables).fetch_one(&bench.pool).await.expect("counts");
    assert_eq!(count().await, 7);
    MIGRATIONS.undo(&bench.pool, 0).await.expect("goes down");
    assert_eq!(count().await, 0);
    MIGRATIONS.run(&bench.pool).await.expect("goes up again");
    assert_eq!(count().await, 7);
    bench.close().await;
}
