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

#[tokio::test(flavor = "multi_thread")]
async fn people_review_a_recording_turn_by_turn() {
    let stack = Stack::start(1, 1, 1).await;
    passes(&stack, "review.test.mjs", &[]).await;
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn people_are_asked_for_the_token_where_the_service_wants_one() {
    let mut stack = Stack::start(0, 1, 0).await;
    let token = "a-token-that-only-this-test-has-4f1d";
    stack.set(&[("THROUGHLINE_API_TOKEN", token)]);
    stack.start_ingest().await;
    passes(&stack, "token.test.mjs", &[("THROUGHLINE_TOKEN", token.to_owned())]).await;
    stack.stop().await;
}
