//! Completion: once, whole, and again after reprocessing.

use crate::bench::{Bench, MODEL, analysed, delivery, interview};
use crate::scene::Scene;
use diarization::diarize::Settings;
use matcher::error::MatchError;
use matcher::{finalise, handler, inbox, progress};
use service_kit::messages::{ChunkAnalysed, RecordingDecoded};
use service_kit::verdict::Verdict;

#[tokio::test]
async fn the_news_that_decoding_is_done_may_come_before_or_after_the_last_analysis() {
    let bench = Bench::open().await;
    let scene = Scene::of_three_voices(16);
    let oracle = scene.oracle(&interview());
    for told_after in [0, 2, 3] {
        let recording = bench.recording(&scene, &interview()).await;
        for chunk in 0..3 {
            if chunk == told_after {
                bench.tell_decoded(recording, &scene).await;
            }
            assert_ne!(bench.state(recording).await, "completed");
            bench.take(recording, &scene, chunk).await;
        }
        if told_after == 3 {
            assert_eq!(bench.state(recording).await, "processing");
            bench.tell_decoded(recording, &scene).await;
        }
        bench.assert_is(recording, &oracle).await;
    }
    bench.close().await;
}

#[tokio::test]
async fn nothing_that_comes_again_after_completion_changes_anything() {
    let bench = Bench::open().await;
    let scene = Scene::of_three_voices(16);
    let recording = bench.recording(&scene, &interview()).await;
    for chunk in 0..3 {
        bench.take(recording, &scene, chunk).await;
    }
    bench.tell_decoded(recording, &scene).await;
    let row = "SELECT md5(r::text || (SELECT string_agg(t::text, '' ORDER BY t) FROM turns t)
                      || (SELECT string_agg(s::text, '' ORDER BY s.speaker) FROM speaker_embeddings s))
               FROM recordings r WHERE id = $1";
    let before: String = bench.value(recording, row).await;
    for chunk in [2, 0, 1] {
        bench.take(recording, &scene, chunk).await;
    }
    let told = delivery(&RecordingDecoded { recording, run: 1 });
    assert_eq!(handler::handle(&bench.database, told).await, Verdict::Done);
    assert_eq!(bench.value::<String>(recording, row).await, before);
    bench.close().await;
}

#[tokio::test]
async fn of_many_matchers_at_once_one_commits() {
    let bench = Bench::open().await;
    let scene = Scene::of_three_voices(16);
    let recording = bench.recording(&scene, &interview()).await;
    bench.decoded(recording, &scene).await;
    for chunk in 0..3 {
        inbox::keep(&bench.database, &analysed(recording, &scene, chunk)).await.expect("keeps");
    }
    let advance = || matcher::advance::advance(&bench.database, recording, 1);
    let (a, b, c) = tokio::join!(advance(), advance(), advance());
    assert!([a, b, c].into_iter().all(|ready| ready.expect("advances")));
    let finalise = || finalise::finalise(&bench.database, recording, 1);
    let (a, b, c) = tokio::join!(finalise(), finalise(), finalise());
    let committed = [a, b, c].into_iter().filter(|done| match done {
        Ok(committed) => *committed,
        Err(MatchError::Claimed) => false,
        Err(error) => panic!("{error}"),
    });
    assert_eq!(committed.count(), 1);
    bench.assert_is(recording, &scene.oracle(&interview())).await;
    bench.close().await;
}

#[tokio::test]
async fn a_recording_that_another_is_finalising_is_left_to_it_and_its_message_comes_again_in_case_it_dies() {
    let bench = Bench::open().await;
    let scene = Scene::of_three_voices(16);
    let recording = bench.recording(&scene, &interview()).await;
    let mut other = bench.pool.begin().await.expect("begins");
    sqlx::query("SELECT pg_advisory_xact_lock(hashtextextended('finalise ' || $1::text || ' 1', 0))")
        .bind(recording)
        .execute(&mut *other)
        .await
        .expect("claims");
    for chunk in 0..3 {
        bench.take(recording, &scene, chunk).await;
    }
    bench.decoded(recording, &scene).await;
    let told = || delivery(&RecordingDecoded { recording, run: 1 });
    let verdict = handler::handle(&bench.database, told()).await;
    assert!(matches!(verdict, Verdict::Later(_)), "{verdict:?}");
    assert_eq!(bench.state(recording).await, "processing");
    other.rollback().await.expect("dies");
    assert_eq!(handler::handle(&bench.database, told()).await, Verdict::Done);
    bench.assert_is(recording, &scene.oracle(&interview())).await;
    bench.close().await;
}

#[tokio::test]
async fn an_analysis_that_closes_a_gap_while_the_recording_is_finalised_is_in_the_result() {
    let bench = Bench::open().await;
    let scene = Scene::of_three_voices(16);
    let recording = bench.recording(&scene, &interview()).await;
    sqlx::query("UPDATE recordings SET allow_gaps = true").execute(&bench.pool).await.expect("allows gaps");
    bench.decoded(recording, &scene).await;
    for chunk in [0, 2] {
        inbox::keep(&bench.database, &analysed(recording, &scene, chunk)).await.expect("keeps");
    }
    sqlx::query("INSERT INTO gaps (recording_id, chunk, reason) VALUES ($1, 1, 'poison')")
        .bind(recording)
        .execute(&bench.pool)
        .await
        .expect("leaves a gap");
    assert!(matcher::advance::advance(&bench.database, recording, 1).await.expect("advances"));
    let mut late = bench.pool.begin().await.expect("begins");
    sqlx::query("SELECT id FROM recordings WHERE id = $1 FOR UPDATE")
        .bind(recording)
        .execute(&mut *late)
        .await
        .expect("locks the row");
    let close_the_gap = async {
        // The finaliser has replayed the recording with its gap, and waits for the row.
        let waits = "SELECT count(*) > 0 FROM pg_stat_activity
                     WHERE datname = current_database() AND wait_event_type = 'Lock' AND $1 = $1";
        while !bench.value::<bool>(recording, waits).await {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        let message = analysed(recording, &scene, 1);
        sqlx::query("INSERT INTO inbox (recording_id, chunk, model_version, configuration, analysis) VALUES ($1, 1, $2, $3, $4)")
            .bind(recording)
            .bind(&message.model_version)
            .bind(&message.configuration)
            .bind(&message.analysis)
            .execute(&mut *late)
            .await
            .expect("comes after all");
        sqlx::query("DELETE FROM gaps WHERE recording_id = $1")
            .bind(recording)
            .execute(&mut *late)
            .await
            .expect("closes the gap");
        late.commit().await.expect("commits");
    };
    let (finalised, ()) = tokio::join!(finalise::finalise(&bench.database, recording, 1), close_the_gap);
    assert!(finalised.expect("finalises"));
    assert_eq!(bench.state(recording).await, "completed");
    bench.assert_is(recording, &scene.oracle(&interview())).await;
    bench.close().await;
}

#[tokio::test]
async fn a_recording_that_is_read_in_pages_is_what_one_process_makes_of_it() {
    let bench = Bench::open().await;
    // 50 chunks of two blocks and one of one: two pages and a bit of a third.
    let scene = Scene::of_minutes(101, 16);
    let recording = bench.recording(&scene, &interview()).await;
    for chunk in 0..scene.chunk_count() {
        inbox::keep(&bench.database, &analysed(recording, &scene, chunk)).await.expect("keeps");
    }
    bench.tell_decoded(recording, &scene).await;
    bench.assert_is(recording, &scene.oracle(&interview())).await;
    bench.close().await;
}

#[tokio::test]
async fn a_recording_without_speech_completes_without_speakers_and_so_does_an_empty_one() {
    let bench = Bench::open().await;
    let scene = Scene::of_silence();
    let recording = bench.recording(&scene, &Settings::default()).await;
    for chunk in 0..3 {
        bench.take(recording, &scene, chunk).await;
    }
    bench.tell_decoded(recording, &scene).await;
    let empty_scene = Scene { blocks: vec![], samples: 0 };
    let empty = bench.recording(&empty_scene, &Settings::default()).await;
    bench.tell_decoded(empty, &empty_scene).await;
    for recording in [recording, empty] {
        assert_eq!(bench.state(recording).await, "completed");
        assert_eq!(bench.turns(recording, false).await, []);
        assert_eq!(bench.voices(recording).await, []);
    }
    bench.close().await;
}

#[tokio::test]
async fn reprocessing_with_another_model_replaces_the_embeddings() {
    let bench = Bench::open().await;
    let old = Scene::of_three_voices(16);
    let recording = bench.recording(&old, &interview()).await;
    for chunk in 0..3 {
        bench.take(recording, &old, chunk).await;
    }
    bench.tell_decoded(recording, &old).await;
    assert_eq!(bench.voices(recording).await[0].3, MODEL);

    sqlx::query(
        "UPDATE recordings SET run = 2, state = 'processing', completed_at = NULL, model_version = 'model-2',
                               next_chunk = 0, reference_set = NULL WHERE id = $1",
    )
    .bind(recording)
    .execute(&bench.pool)
    .await
    .expect("starts the second run");
    let new = Scene::of_three_voices(24);
    bench.take(recording, &old, 0).await;
    assert_eq!(bench.cursor(recording).await, 0, "an analysis of the first run is stale");
    for chunk in 0..3 {
        let message =
            ChunkAnalysed { run: 2, model_version: "model-2".into(), ..analysed(recording, &new, chunk) };
        assert_eq!(handler::handle(&bench.database, delivery(&message)).await, Verdict::Done);
    }
    bench.assert_is(recording, &new.oracle(&interview())).await;
    let voices = bench.voices(recording).await;
    assert!(voices.iter().all(|voice| voice.3 == "model-2" && voice.2.len() == 24));
    bench.close().await;
}

#[tokio::test]
async fn a_failed_recording_is_not_completed_behind_the_operators_back() {
    let bench = Bench::open().await;
    let scene = Scene::of_three_voices(16);
    let recording = bench.recording(&scene, &interview()).await;
    matcher::failure::fail(&bench.database, recording, 1, "the audio could not be decoded")
        .await
        .expect("fails");
    for chunk in 0..3 {
        bench.take(recording, &scene, chunk).await;
    }
    bench.tell_decoded(recording, &scene).await;
    assert_eq!((bench.state(recording).await, bench.cursor(recording).await), ("failed".to_owned(), 0));

    // What came meanwhile was kept, so that a replay starts from there.
    sqlx::query("UPDATE recordings SET state = 'processing', failure = NULL WHERE id = $1")
        .bind(recording)
        .execute(&bench.pool)
        .await
        .expect("replays");
    progress::progress(&bench.database, recording, 1).await.expect("moves");
    bench.assert_is(recording, &scene.oracle(&interview())).await;
    bench.close().await;
}
