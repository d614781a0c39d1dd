//! Formats: whatever is uploaded, it ends, in words that an uploader understands, and harms nobody.

use futures::future::join_all;
use pipeline_tests::Stack;
use pipeline_tests::eventually::LOOK_EVERY;
use pipeline_tests::recordings::accepted;
use reqwest::{Response, StatusCode, header};
use serde_json::Value;
use std::path::{Path, PathBuf};
use uuid::Uuid;

struct Row {
    file: String,
    expect: String,
}

fn folder() -> PathBuf {
    let ours = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../diarization/tests/data/formats");
    std::env::var_os("THROUGHLINE_FORMATS").map_or_else(ours, PathBuf::from)
}

fn rows(folder: &Path) -> Vec<Row> {
    let manifest =
        std::fs::read_to_string(folder.join("MANIFEST.tsv")).expect("the folder has a MANIFEST.tsv");
    let row = |line: &str| {
        let mut cells = line.split('\t').map(str::to_owned);
        Row { file: cells.next().expect("a file"), expect: cells.next().expect("an expectation") }
    };
    manifest.lines().skip(1).filter(|line| !line.trim().is_empty()).map(row).collect()
}

/// End of an upload.
enum Ending {
    Refused(String),
    Failed(String),
    Completed { warnings: usize, speakers: usize },
}

async fn ending(stack: &mut Stack, upload: Upload) -> Ending {
    match upload {
        Upload::Refused(why) => Ending::Refused(why),
        Upload::Accepted(id) => {
            let recording = stack.ended(id).await;
            let length = |key: &str| recording[key].as_array().expect("a list").len();
            match recording["state"].as_str() {
                Some("completed") => {
                    Ending::Completed { warnings: length("warnings"), speakers: length("speakers") }
                }
                _ => Ending::Failed(recording["failure"].as_str().unwrap_or_default().to_owned()),
            }
        }
    }
}

enum Upload {
    Refused(String),
    Accepted(Uuid),
}

async fn answer(file: &str, response: Response) -> Upload {
    if response.status() == StatusCode::ACCEPTED {
        return Upload::Accepted(accepted(response).await);
    }
    assert!(response.status().is_client_error(), "{file}: {}", response.status());
    let problem: Value = response.json().await.expect("problem+json");
    Upload::Refused(problem["detail"].as_str().unwrap_or_default().to_owned())
}

/// Sends the file, again where more come at once than are taken.
async fn send(stack: &Stack, row: &Row, folder: &Path) -> Response {
    loop {
        let sent = stack.upload(&folder.join(&row.file), &[]).send().await.expect("an answer");
        if sent.status() != StatusCode::TOO_MANY_REQUESTS {
            return sent;
        }
        assert!(sent.headers().contains_key(header::RETRY_AFTER), "it does not say when to come again");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Flaw of words for the uploader, if there is any.
fn flaw(words: &str, stack: &Path) -> Option<&'static str> {
    let of_the_server = [stack, &std::env::temp_dir(), Path::new(env!("CARGO_MANIFEST_DIR"))];
    let quotes = |c: char| c.is_whitespace() || matches!(c, '\'' | '"' | '`' | '(' | ':' | ',' | '=');
    if words.trim().is_empty() {
        Some("gives no reason")
    } else if of_the_server.iter().any(|path| words.contains(&*path.to_string_lossy()))
        || words.split(quotes).any(|word| word.len() > 1 && word.starts_with('/'))
    {
        Some("names a path of the server")
    } else {
        None
    }
}

fn complaint(row: &Row, ending: &Ending, stack: &Path) -> Option<String> {
    if let Ending::Refused(words) | Ending::Failed(words) = ending
        && let Some(flaw) = flaw(words, stack)
    {
        return Some(format!("{flaw}: {words:?}"));
    }
    match (row.expect.as_str(), ending) {
        ("ok", Ending::Refused(why) | Ending::Failed(why)) => Some(format!("must complete, but: {why}")),
        // Some of the originals are only a second long, too little to tell a voice by.
        ("ok", Ending::Completed { speakers: 0, .. })
            if !row.file.contains("odd_") && !row.file.starts_with("originals/") =>
        {
            Some("holds speech, but has no speaker".into())
        }
        ("error", Ending::Completed { .. }) => Some("must be refused or fail, but was completed".into()),
        ("partial", Ending::Completed { warnings: 0, .. }) => Some("is damaged, but has no warning".into()),
        ("ok" | "error" | "partial" | "raw" | "ok?" | "error?", _) => None,
        (other, _) => Some(format!("the manifest expects {other:?}, which is no known word")),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_file_uploaded_at_once_ends_as_its_manifest_says() {
    let folder = folder();
    let rows = rows(&folder);
    assert!(!rows.is_empty(), "the manifest has rows");
    let mut stack = Stack::start(2, 1, 1).await;
    let uploads = rows.iter().map(async |row| answer(&row.file, send(&stack, row, &folder).await).await);
    let uploads = join_all(uploads).await;
    let mut complaints = Vec::new();
    for (row, upload) in rows.iter().zip(uploads) {
        let ending = ending(&mut stack, upload).await;
        if let Some(complaint) = complaint(row, &ending, stack.folder()) {
            complaints.push(format!("{}: {complaint}", row.file));
        }
    }
    assert!(
        complaints.is_empty(),
        "{} of {} files:\n{}",
        complaints.len(),
        rows.len(),
        complaints.join("\n")
    );
    let open = "SELECT count(*) FROM recordings WHERE state IN ('queued', 'processing')";
    assert_eq!(stack.count(open).await, 0);
    assert_eq!(stack.count("SELECT count(*) FROM dead_letters").await, 0);
    stack.must_be_ready().await;
    stack.stop().await;
}

#[test]
fn a_path_of_the_server_is_seen_and_a_slash_between_words_is_not() {
    let stack = Path::new("/elsewhere/.tmpAb");
    assert!(flaw("cannot read '/var/lib/x': no", stack).is_some());
    assert!(flaw("", stack).is_some());
    assert!(flaw("no audio/video track was found; send WAV or FLAC", stack).is_none());
}
