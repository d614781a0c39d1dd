//! Long: a recording of two hours, put into the database as it would be after its analysis.

use crate::passes;
use pipeline_tests::{Stack, oracle};
use uuid::Uuid;

const SECONDS: i64 = 7200;
const TURNS: i32 = 4200;
const SPEAKERS: i32 = 4;
/// Frames of 16.875 ms.
const FRAMES: i32 = 426_666;

/// Thousands of turns of four speakers, some at once, each with its match, and the waveform of two hours.
async fn two_hours(stack: &mut Stack) -> Uuid {
    // A recording that is there, with its audio, becomes a long one.
    let id =
        stack.submit(&oracle::sample("interview_3min.opus"), &[("title", "A meeting of two hours")]).await;
    stack.completed(id).await;
    let run = async |statement: &'static str| {
        let query = sqlx::query(statement).bind(id).bind(TURNS).bind(SPEAKERS).bind(FRAMES);
        query.execute(&stack.pool).await.expect(statement);
    };
    for table in ["turns", "matches"] {
        let delete = sqlx::AssertSqlSafe(format!("DELETE FROM {table} WHERE recording_id = $1"));
        sqlx::query(delete).bind(id).execute(&stack.pool).await.expect("deletes");
    }
    // Each turn begins a little before the one before it ends, every seventh of them.
    run("INSERT INTO turns (recording_id, first_frame, end_frame, speaker, speaker_label, provisional)
         SELECT $1, n * ($4 / $2), n * ($4 / $2) + CASE WHEN n % 7 = 0 THEN 130 ELSE 85 END, n * 31 % 97 % $3,
                'SPEAKER_0' || n * 31 % 97 % $3, false
         FROM generate_series(0, $2 - 1) n")
    .await;
    run("INSERT INTO matches (recording_id, first_frame, end_frame, slot, speaker, score, confidence, runner_up, runner_up_score, runner_up_confidence)
         SELECT $1, n * ($4 / $2), n * ($4 / $2) + 85, 0, n * 31 % 97 % $3, 0.6, 0.5 + n % 50 * 0.01, (n * 31 % 97 + 1) % $3, 0.1, 0.05
         FROM generate_series(0, $2 - 1) n
         WHERE (n * 31 % 97 + 1) % $3 <> n * 31 % 97 % $3").await;
    let voices = "INSERT INTO speaker_embeddings (recording_id, speaker, speaker_label, model_version, embedding_vector, speech_seconds)
         SELECT $1, s, 'SPEAKER_0' || s, (SELECT model_version FROM recordings WHERE id = $1),
                (SELECT embedding_vector FROM speaker_embeddings WHERE recording_id = $1 LIMIT 1), 1500
         FROM generate_series(0, 3) s ON CONFLICT (recording_id, speaker) DO UPDATE SET speaker_label = excluded.speaker_label";
    sqlx::query(voices).bind(id).execute(&stack.pool).await.expect("voices");
    let peaks: Vec<u8> = (0..SECONDS * 20).map(|n| (60 + n * 7919 % 140) as u8).collect();
    sqlx::query("UPDATE waveforms SET peaks = $2 WHERE recording_id = $1")
        .bind(id)
        .bind(peaks)
        .execute(&stack.pool)
        .await
        .expect("peaks");
    sqlx::query("UPDATE recordings SET samples = $2, chunk_count = 25, next_chunk = 25 WHERE id = $1")
        .bind(id)
        .bind(SECONDS * 16_000)
        .execute(&stack.pool)
        .await
        .expect("length");
    id
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_of_two_hours_is_soon_in_sight() {
    let mut stack = Stack::start(1, 1, 1).await;
    let id = two_hours(&mut stack).await;
    passes(&stack, "first-view.test.mjs", &[("THROUGHLINE_LONG", id.to_string())]).await;
    stack.stop().await;
}
