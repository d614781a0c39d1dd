//! People: who upload, listen and correct.

use crate::passes;
use pipeline_tests::Stack;

#[tokio::test(flavor = "multi_thread")]
async fn people_upload_by_dropping_files_and_see_what_becomes_of_them() {
    let stack = Stack::start(1, 1, 1).await;
    passes(&stack, "uploading.test.mjs", &[]).await;
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn people_watch_a_recording_being_labelled_listen_to_it_and_correct_it() {
    let stack = Stack::start(1, 1, 1).await;
    passes(&stack, "recording.test.mjs", &[]).await;
    stack.stop().await;
}
