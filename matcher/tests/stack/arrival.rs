//! Arrival: whatever comes, in whatever order and however often, the result is the same.

use crate::bench::{Bench, CONFIGURATION, MODEL, analysed, delivery, first_frame, interview};
use crate::scene::{CHUNK_BLOCKS, Scene};
use diarization::diarize::Settings;
use diarization::matching::{ReferenceSet, speakers_of};
use diarization::timeline;
use matcher::{handler, reference_set};
use service_kit::messages::ChunkAnalysed;
use service_kit::verdict::Verdict;
use uuid::Uuid;

const STORED_SET: &str = "SELECT reference_set FROM recordings WHERE id = $1";

#[tokio::test]
async fn any_order_of_arrival_with_duplicates_gives_what_one_process_gives() {
    let bench = Bench::open().await;
    let scene = Scene::of_three_voices(16);
    let oracle = scene.oracle(&interview());
    assert_eq!(
        oracle.speakers.iter().map(|s| s.label.as_str()).collect::<Vec<_>>(),
        ["Interviewer", "Respondent", "Respondent2"]
    );
    for (number, order) in [
        [0, 1, 2, 2, 1, 0],
        [0, 2, 2, 1, 1, 0],
        [1, 1, 0, 0, 2, 1],
        [1, 2, 1, 0, 0, 2],
        [2, 0, 2, 0, 1, 2],
        [2, 1, 0, 1, 2, 0],
    ]
    .into_iter()
    .enumerate()
    {
        let recording = bench.recording(&scene, &interview()).await;
        for (step, chunk) in order.into_iter().enumerate() {
            if step == number {
                bench.tell_decoded(recording, &scene).await;
            }
            bench.take(recording, &scene, chunk).await;
        }
        bench.assert_is(recording, &oracle).await;
    }
    bench.close().await;
}

#[tokio::test]
async fn the_first_chunk_is_shown_while_later_ones_are_missing_and_nothing_passes_a_gap() {
    let bench = Bench::open().await;
    let scene = Scene::of_three_voices(16);
    let recording = bench.recording(&scene, &interview()).await;
    bench.take(recording, &scene, 2).await;
    assert_eq!(bench.cursor(recording).await, 0);
    assert_eq!(bench.turns(recording, true).await, []);

    bench.take(recording, &scene, 0).await;
    assert_eq!(bench.cursor(recording).await, 1);
    let shown = bench.turns(recording, true).await;
    assert!(shown.iter().all(|turn| turn.1 <= first_frame(1)), "{shown:?}");
    assert!(
        shown.iter().any(|turn| turn.3 == "Interviewer") && shown.iter().any(|turn| turn.3 == "Respondent")
    );
    assert_eq!(bench.state(recording).await, "processing");
    bench.close().await;
}

#[tokio::test]
async fn what_is_shown_provisionally_does_not_depend_on_how_chunks_arrived() {
    let bench = Bench::open().await;
    let scene = Scene::of_three_voices(16);
    let mut references = ReferenceSet::default();
    let choices: Vec<_> = scene
        .blocks
        .iter()
        .flat_map(|block| references.match_block(&block.pieces, &Settings::default().hints))
        .collect();
    let wanted: Vec<_> = timeline::turns(&scene.blocks, &speakers_of(&choices))
        .iter()
        .map(|t| (t.first_frame as i32, t.end_frame as i32, t.speaker as i32))
        .collect();
    let across = first_frame(1);
    assert!(
        wanted.iter().any(|t| t.0 < across && across < t.1),
        "a turn goes across the border of two chunks"
    );
    for order in [[0, 1, 2], [2, 1, 0], [1, 0, 2]] {
        let recording = bench.recording(&scene, &Settings::default()).await;
        for chunk in order {
            bench.take(recording, &scene, chunk).await;
        }
        let shown: Vec<_> =
            bench.turns(recording, true).await.into_iter().map(|turn| (turn.0, turn.1, turn.2)).collect();
        assert_eq!(shown, wanted);
        let bytes: Vec<u8> = bench.value(recording, STORED_SET).await;
        assert_eq!(reference_set::read(&bytes).as_ref(), Some(&references));
    }
    bench.close().await;
}

#[tokio::test]
async fn a_recording_that_another_release_has_begun_is_matched_anew() {
    let bench = Bench::open().await;
    let scene = Scene::of_three_voices(16);
    let recording = bench.recording(&scene, &interview()).await;
    let mut references = ReferenceSet::default();
    let hints = interview().hints;
    let choices: Vec<_> =
        scene.blocks.iter().flat_map(|block| references.match_block(&block.pieces, &hints)).collect();
    let wanted = timeline::turns(&scene.blocks, &speakers_of(&choices));
    bench.take(recording, &scene, 0).await;
    bench.take(recording, &scene, 1).await;
    let of_another = r"UPDATE recordings SET reference_set = '\x82a5'";
    sqlx::query(of_another).execute(&bench.pool).await.expect("updates");
    bench.take(recording, &scene, 2).await;
    assert_eq!(bench.cursor(recording).await, 3);
    let bytes: Vec<u8> = bench.value(recording, STORED_SET).await;
    assert_eq!(reference_set::read(&bytes), Some(references), "it knows what the first chunks said");
    let shown: Vec<_> =
        bench.turns(recording, true).await.into_iter().map(|turn| (turn.0, turn.1, turn.2)).collect();
    let wanted = wanted.iter().map(|t| (t.first_frame as i32, t.end_frame as i32, t.speaker as i32));
    assert_eq!(shown, wanted.collect::<Vec<_>>());
    let count: i64 = bench.value(recording, "SELECT count(*) FROM matches WHERE recording_id = $1").await;
    assert_eq!(count as usize, choices.iter().flatten().count());
    bench.tell_decoded(recording, &scene).await;
    bench.assert_is(recording, &scene.oracle(&interview())).await;
    bench.close().await;
}

#[tokio::test]
async fn more_chunks_than_fit_one_transaction_are_matched_all_the_same() {
    let bench = Bench::open().await;
    let mut scene = Scene::of_silence();
    let last = scene.blocks.pop().expect("has blocks");
    while scene.blocks.len() < 20 * CHUNK_BLOCKS {
        let silent =
            diarization::analysis::BlockAnalysis { block: scene.blocks.len(), ..scene.blocks[0].clone() };
        scene.blocks.push(silent);
    }
    scene.blocks.push(diarization::analysis::BlockAnalysis { block: scene.blocks.len(), ..last });
    scene.samples += (scene.blocks.len() - 5) * diarization::blocks::BLOCK_SAMPLES;
    let recording = bench.recording(&scene, &Settings::default()).await;
    bench.decoded(recording, &scene).await;
    for chunk in (0..scene.chunk_count()).rev() {
        bench.take(recording, &scene, chunk).await;
    }
    assert_eq!((bench.cursor(recording).await, bench.state(recording).await), (21, "completed".to_owned()));
    bench.close().await;
}

#[tokio::test]
async fn an_analysis_of_a_stale_run_another_model_or_a_deleted_recording_has_no_effect() {
    let bench = Bench::open().await;
    let scene = Scene::of_three_voices(16);
    let recording = bench.recording(&scene, &interview()).await;
    let good = analysed(recording, &scene, 0);
    for other in [
        ChunkAnalysed { run: 0, ..good.clone() },
        ChunkAnalysed { run: 2, ..good.clone() },
        ChunkAnalysed { model_version: format!("{MODEL}-other"), ..good.clone() },
        ChunkAnalysed { configuration: format!("{CONFIGURATION}-other"), ..good.clone() },
        ChunkAnalysed { recording: Uuid::now_v7(), ..good.clone() },
    ] {
        assert_eq!(handler::handle(&bench.database, delivery(&other)).await, Verdict::Done);
    }
    let kept: i64 =
        bench.value(recording, "SELECT count(*) FROM inbox WHERE recording_id = $1 OR true").await;
    assert_eq!((kept, bench.cursor(recording).await), (0, 0));
    bench.close().await;
}

#[tokio::test]
async fn what_can_never_be_used_is_rejected_with_the_reason_and_changes_nothing() {
    let bench = Bench::open().await;
    let scene = Scene::of_three_voices(16);
    let recording = bench.recording(&scene, &interview()).await;
    let good = analysed(recording, &scene, 0);
    let misplaced = ChunkAnalysed { analysis: scene.analysis(1), ..good.clone() };
    let rubbish = ChunkAnalysed { analysis: b"rubbish".to_vec(), ..good.clone() };
    let uncut = ChunkAnalysed { chunk: 9, ..good.clone() };
    for (message, expected) in
        [(misplaced, "holds blocks [2, 3]"), (rubbish, "cannot be read"), (uncut, "has no chunk 9")]
    {
        match handler::handle(&bench.database, delivery(&message)).await {
            Verdict::Reject(why) => assert!(why.contains(expected), "{why}"),
            other => panic!("{expected}: {other:?}"),
        }
    }
    let mut unknown = delivery(&good);
    unknown.kind = "chunk-analysed.v9".into();
    assert!(matches!(handler::handle(&bench.database, unknown).await, Verdict::Reject(_)));
    let kept: i64 = bench.value(recording, "SELECT count(*) FROM inbox WHERE recording_id = $1").await;
    assert_eq!(kept, 0);
    bench.close().await;
}
