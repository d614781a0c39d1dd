//! Credentials: a worker cannot reach the database, since it is never told where that is.

use pipeline_tests::Stack;

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_works_without_any_database_setting() {
    let mut stack = Stack::start(1, 1, 1).await;
    let file = |process: u32, name: &str| {
        let bytes = std::fs::read(format!("/proc/{process}/{name}")).expect("the process is there");
        String::from_utf8_lossy(&bytes).to_lowercase()
    };
    let worker = stack.workers[0].id();
    for what in ["environ", "cmdline"] {
        let known = file(worker, what);
        assert!(!known.contains("postgres") && !known.contains("database"), "{what}: {known}");
    }
    let matcher = file(stack.matchers[0].id(), "environ");
    assert!(matcher.contains("postgres://"), "this test would not see a database setting: {matcher}");

    let speech =
        concat!(env!("CARGO_MANIFEST_DIR"), "/../diarization/tests/data/formats/flac_16bit_16k.flac");
    let id = stack.submit(speech.as_ref(), &[]).await;
    stack.completed(id).await;
    stack.stop().await;
}
