//! Batches: many recordings through the command line, looked at, corrected, exported and deleted there.

use crate::interview;
use pipeline_tests::Stack;
use pipeline_tests::command::{succeeds, throughline};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use uuid::Uuid;

fn text(path: &Path) -> &str {
    path.to_str().expect("the path is UTF-8")
}

/// The turns, without what says why.
async fn turns(stack: &Stack, id: Uuid) -> Vec<Value> {
    let all = stack.turns(id).await;
    let bare = |turn: &Value| json!([turn["start"], turn["end"], turn["speaker"]]);
    all["turns"].as_array().into_iter().flatten().map(bare).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_is_submitted_and_its_results_are_listed_corrected_exported_and_deleted() {
    let mut stack = Stack::start(1, 1, 1).await;
    let folder = tempfile::tempdir().expect("a folder");
    let (from, to) = (folder.path().join("calls"), folder.path().join("results"));
    fs::create_dir_all(from.join("deeper")).expect("a folder");
    fs::copy(interview(), from.join("first.opus")).expect("is copied");
    fs::copy(interview(), from.join("deeper/second.opus")).expect("is copied");
    fs::write(from.join("broken.wav"), "no sound").expect("is written");
    let batch =
        ["submit", text(&from), "--out-dir", text(&to), "--format", "rttm,srt", "--labels", "Ann,Bob"];
    let (told, succeeded) = throughline(&stack, &batch).await;
    assert!(
        !succeeded && told.contains("2 files done, 1 failed") && told.contains("1 of 3 files failed"),
        "{told}"
    );
    let read =
        |name: &str| fs::read_to_string(to.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    let first = read("first.rttm");
    assert!(first.lines().count() > 20 && first.contains(" Ann ") && read("first.srt").contains("Bob"));
    assert_eq!(first.replace(" first ", " second "), read("deeper/second.rttm"));
    fs::remove_file(from.join("broken.wav")).expect("is removed");
    let again: Vec<&str> = batch.into_iter().chain(["--skip-existing"]).collect();
    assert!(succeeds(&stack, &again).await.contains("0 files done, 2 skipped"));

    let table = succeeds(&stack, &["list", "--state", "completed"]).await;
    assert!(table.contains("first.opus") && table.contains("3:00") && !table.contains("broken"), "{table}");
    let ids = succeeds(&stack, &["list", "--quiet", "--state", "completed", "--title", "first"]).await;
    let id = ids.trim();
    let uuid: Uuid = id.parse().expect("one id");
    assert_eq!(succeeds(&stack, &["export", id]).await, first);

    let before = turns(&stack, uuid).await;
    let long =
        |turn: &&Value| turn[1].as_f64().zip(turn[0].as_f64()).is_some_and(|(end, start)| end - start > 2.0);
    let turn = before.iter().filter(long).nth(1).expect("there are long ones");
    let (start, end) = (turn[0].as_f64().expect("seconds"), turn[1].as_f64().expect("seconds"));
    let speaker = turn[2].as_str().expect("a name");
    let (at, new_end) = ((start + 1.0).to_string(), (end - 0.5).to_string());
    for (arguments, said) in [
        (vec!["rename", speaker, "Ms Berg"], "is called Ms Berg"),
        (vec!["split", "Ms Berg", &at], "is split at"),
        (vec!["end", "Ms Berg", &(start + 1.5).to_string(), &new_end], "ends at"),
        (vec!["move", "Ms Berg", &(start + 0.5).to_string(), "Zoe", "--new"], "is Zoe (new)'s"),
        (vec!["add", "0:00.2", "0:01.4", "Zoe"], "a turn of Zoe from 0:00.2 to 0:01.4"),
        (vec!["remove", "Zoe", "0:01"], "is no speech"),
        (vec!["title", "A better title"], "is called 'A better title'"),
    ] {
        let told = succeeds(&stack, &[&["correct", id][..], &arguments[..]].concat()).await;
        assert!(told.contains(said), "{arguments:?}: {told}");
    }
    let corrected = turns(&stack, uuid).await;
    assert!(corrected.iter().any(|it| it[0] == turn[0] && it[2] == "Zoe"), "{corrected:?}");
    assert!(succeeds(&stack, &["list"]).await.contains("A better title"));
    let missed = throughline(&stack, &["correct", id, "remove", "Zoe", "9:59:59"]).await;
    assert!(
        !missed.1 && missed.0.contains("Zoe has no turn at 9:59:59.0; the nearest is from"),
        "{}",
        missed.0
    );

    // It holds when the recording is processed again, from its file.
    succeeds(&stack, &["reprocess", id, "--analyse"]).await;
    stack.completed(uuid).await;
    assert_eq!(turns(&stack, uuid).await, corrected);
    for left in (0..6).rev() {
        let told = succeeds(&stack, &["correct", id, "undo"]).await;
        assert!(told.contains("undone: ") && told.contains(&format!("{left} correction")), "{told}");
    }
    assert_eq!(turns(&stack, uuid).await, before);

    let refused = throughline(&stack, &["delete", id]).await;
    assert!(!refused.1 && refused.0.contains("--yes"), "{}", refused.0);
    succeeds(&stack, &["delete", "--yes", id]).await;
    assert!(!succeeds(&stack, &["list", "-q", "--limit", "500"]).await.contains(id));
    stack.stop().await;
}
