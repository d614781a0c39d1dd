//! Upkeep: what belongs to nobody, and what nobody needs any more, goes from the object store; nothing else does.

use crate::stack::{Stack, interview};
use reqwest::StatusCode;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use uuid::{NoContext, Timestamp, Uuid};

const QUICK: [&str; 1] = ["--sweep-seconds=1"];

fn made_hours_ago(hours: u64) -> Uuid {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    Uuid::new_v7(Timestamp::from_unix(NoContext, now - hours * 3600, 0))
}

/// Files that an upload whose process died leaves of `name`. The last part is named as the local store names unfinished files.
fn leave(stack: &Stack, name: &str) -> Vec<PathBuf> {
    let folder = stack.object(&format!("recordings/{name}"));
    std::fs::create_dir_all(&folder).expect("makes it");
    let files = ["upload", "upload#1"].map(|file| folder.join(file));
    files.iter().for_each(|file| std::fs::write(file, b"voice").expect("writes"));
    files.into()
}

async fn gone(what: &[PathBuf]) {
    let started = std::time::Instant::now();
    while what.iter().any(|path| path.exists()) {
        assert!(started.elapsed() < Duration::from_secs(30), "still there: {what:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn all_there(what: &[PathBuf]) -> bool {
    what.iter().all(|path| path.exists())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_dead_uploads_have_left_goes_when_it_is_old_and_nothing_else_does() {
    let stack = Stack::start(&QUICK).await;
    let accepted = stack.upload("", b"not audio, but kept".to_vec()).await;
    let kept = stack.object(&format!("recordings/{}/upload", accepted["id"].as_str().expect("an id")));
    let young = leave(&stack, &made_hours_ago(23).to_string());
    let foreign = leave(&stack, "lost+found");
    // More than are asked after at once.
    let mut old = Vec::new();
    for _ in 0..600 {
        old.extend(leave(&stack, &made_hours_ago(25).to_string()));
    }
    gone(&old).await;
    assert!(kept.exists() && all_there(&young) && all_there(&foreign));
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_swept_from_a_store_that_is_not_the_databases_own() {
    let stack = Stack::start(&QUICK).await;
    let first = leave(&stack, &made_hours_ago(30).to_string());
    gone(&first).await;
    // Another database's store in its place.
    std::fs::write(stack.object("store-id"), Uuid::now_v7().to_string()).expect("writes");
    let others = leave(&stack, &made_hours_ago(30).to_string());
    let kept = stack.upload("", b"not audio".to_vec()).await;
    let id = kept["id"].as_str().expect("an id");
    let answer = stack.http.delete(stack.url(&format!("/v1/recordings/{id}"))).send().await.expect("answers");
    assert_eq!(answer.status(), StatusCode::ACCEPTED);
    // Several looks.
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert!(all_there(&others));
    assert_eq!(stack.count("SELECT count(*) FROM erasures WHERE emptied_at IS NULL").await, 1);
    stack.stop().await;
}

fn chunks(stack: &Stack, id: &str, run: u32) -> usize {
    let folder = stack.object(&format!("recordings/{id}/runs/{run}/chunks"));
    std::fs::read_dir(Path::new(&folder)).map_or(0, Iterator::count)
}

/// Writes what the matcher and an operator would write, long ago.
async fn rested(stack: &Stack, set: &'static str) {
    let sql = format!("UPDATE recordings SET {set}, updated_at = now() - interval '1 hour'");
    sqlx::query(sqlx::AssertSqlSafe(sql)).execute(&stack.pool).await.expect("updates");
}

#[tokio::test(flavor = "multi_thread")]
async fn chunks_are_kept_while_they_are_needed_and_go_afterwards_with_those_of_older_runs() {
    let stack = Stack::start(&QUICK).await;
    let accepted = stack.upload("?chunk_blocks=1", interview()).await;
    let id = accepted["id"].as_str().expect("an id");
    stack.decoded(id).await;
    sqlx::query(
        "INSERT INTO dead_letters (recording_id, queue, reason, kind, body, run, chunk)
         SELECT id, 'throughline.x', 'why', 'chunk-job.v2', 'x', 1, 0 FROM recordings",
    )
    .execute(&stack.pool)
    .await
    .expect("inserts");
    // In work; failed, with a letter to be replayed.
    for set in ["state = 'processing'", "state = 'failed', failure = 'why'"] {
        rested(&stack, set).await;
        tokio::time::sleep(Duration::from_secs(3)).await;
        assert_eq!(chunks(&stack, id, 1), 4, "{set}");
    }
    // Replaced by a second run, which is in work.
    stack.post(&format!("/v1/recordings/{id}/reprocess")).send().await.expect("answers");
    stack.decoded(id).await;
    rested(&stack, "state = 'processing'").await;
    stack.count_when("SELECT cleared_run::bigint FROM recordings", |run| run == 1).await;
    assert_eq!((chunks(&stack, id, 1), chunks(&stack, id, 2)), (0, 4));
    // Completed; as after a crash between the decision and its end.
    rested(&stack, "state = 'completed', completed_at = now(), clearing_run = 2").await;
    stack.count_when("SELECT cleared_run::bigint FROM recordings", |run| run == 2).await;
    assert_eq!(chunks(&stack, id, 2), 0);
    assert!(stack.object(&format!("recordings/{id}/upload")).exists());
    // Its letter can be replayed no more, and says what to do instead.
    sqlx::query("UPDATE dead_letters SET run = 2").execute(&stack.pool).await.expect("updates");
    let letter = stack.count("SELECT id FROM dead_letters").await;
    let answer = stack.post(&format!("/v1/dead-letters/{letter}/replay")).send().await.expect("answers");
    assert_eq!(answer.status(), StatusCode::CONFLICT);
    assert!(answer.text().await.expect("text").contains("reprocess the recording"));
    // Cut anew by the next run.
    stack.post(&format!("/v1/recordings/{id}/reprocess")).send().await.expect("answers");
    stack.decoded(id).await;
    assert_eq!(chunks(&stack, id, 3), 4);
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_is_erased_while_the_broker_is_away_and_its_job_is_never_sent() {
    let stack = Stack::start_without_broker().await;
    let accepted = stack.upload("", interview()).await;
    let id = accepted["id"].as_str().expect("an id");
    // Ordered or not: the order waits for its turn and then for the broker.
    let waits = "SELECT (SELECT count(*) FROM outbox)
                      + (SELECT count(*) FROM recordings WHERE decode_ordered_at IS NULL)";
    assert_eq!(stack.count(waits).await, 1);
    let answer = stack.http.delete(stack.url(&format!("/v1/recordings/{id}"))).send().await.expect("answers");
    assert_eq!(answer.status(), StatusCode::NO_CONTENT);
    assert_eq!(
        stack.count("SELECT (SELECT count(*) FROM outbox) + (SELECT count(*) FROM recordings)").await,
        0
    );
    assert!(stack.files().is_empty(), "{:?}", stack.files());
    let again = stack.http.delete(stack.url(&format!("/v1/recordings/{id}"))).send().await.expect("answers");
    assert_eq!(again.status(), StatusCode::NOT_FOUND);
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_that_another_process_finishes_first_is_answered_as_done() {
    let stack = Stack::start(&[]).await;
    let accepted = stack.upload("", b"not audio".to_vec()).await;
    let id = accepted["id"].as_str().expect("an id");
    // As quick as another can be: between the request's first transaction and its second.
    let quick = "CREATE FUNCTION quick() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.emptied_at := now(); RETURN NEW; END';
                 CREATE TRIGGER quick BEFORE INSERT ON erasures FOR EACH ROW EXECUTE FUNCTION quick()";
    sqlx::raw_sql(quick).execute(&stack.pool).await.expect("makes it");
    for expected in [StatusCode::NO_CONTENT, StatusCode::NOT_FOUND] {
        let answer =
            stack.http.delete(stack.url(&format!("/v1/recordings/{id}"))).send().await.expect("answers");
        assert_eq!(answer.status(), expected);
    }
    stack.stop().await;
}
